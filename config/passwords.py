"""Passwords are hashed under a key besides their salt: who has the database and not the key cannot try any out."""

import hashlib
import hmac
from typing import Final

from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher

_PURPOSE: Final = b"passwords\0"


class KeyedPasswordHasher(PBKDF2PasswordHasher):
    """PBKDF2 over HMAC-SHA256(RIPEN_HASH_KEY, password), with Django's salt and count of iterations.

    Older hashes are recognised by the plain hasher that follows in PASSWORD_HASHERS; a sign-in makes them keyed ones.
    """

    algorithm = "pbkdf2_sha256_keyed"

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        """Return the encoded hash of ``password``."""
        keyed = hmac.new(settings.HASH_KEY, _PURPOSE + password.encode(), hashlib.sha256).hexdigest()
        return super().encode(keyed, salt, iterations)

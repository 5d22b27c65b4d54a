"""Seeds of second factors, encrypted under the installation's key: of no use to who has the database alone."""

import base64
import hashlib
import hmac
from typing import Final

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

_MARK: Final = "sealed:"


class CannotOpen(ValueError):
    """What is kept was sealed under another RIPEN_HASH_KEY than the present one."""


def seal(text: str) -> str:
    """Return ``text`` encrypted (Fernet: AES-128-CBC with HMAC-SHA256, a random IV each time)."""
    return _MARK + _cipher().encrypt(text.encode()).decode()


def open_sealed(kept: str) -> str:
    """Return what was sealed; what was kept before sealing existed is returned as it is.

    Raises:
        CannotOpen: it was sealed under another key.
    """
    if not is_sealed(kept):
        return kept
    try:
        return _cipher().decrypt(kept.removeprefix(_MARK)).decode()
    except InvalidToken:
        raise CannotOpen from None


def is_sealed(kept: str) -> bool:
    """Tell whether it is encrypted."""
    return kept.startswith(_MARK)


def _cipher() -> Fernet:
    key = hmac.new(settings.HASH_KEY, b"second factors", hashlib.sha256).digest()
    return Fernet(base64.urlsafe_b64encode(key))

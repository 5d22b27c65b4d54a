"""Names of people who were erased: kept as keyed hashes, so that they can be refused and nobody can read them."""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final

from django.conf import settings
from django.db.backends.utils import CursorWrapper

from contacts.services.rows import Name

FIND_ERASED: Final = "SELECT name_hash FROM contacts_erasedname WHERE name_hash = ANY(%s)"


def keyed_hash(kind: str, value: str) -> str:
    """Return the HMAC-SHA256 (RFC 2104) of a name under the installation's hash key, as 64 hexadecimal digits.

    ``value`` must be normalised (contacts/ingest/identifiers.py). Without the key nobody can try addresses out.
    """
    return hmac.new(settings.HASH_KEY, f"{kind}\0{value}".encode(), hashlib.sha256).hexdigest()


def find_erased(cursor: CursorWrapper, names: Iterable[Name]) -> set[Name]:
    """Return those of ``names`` that belonged to somebody who was erased. One statement, none for no names."""
    hashes = {keyed_hash(kind, value): (kind, value) for kind, value in names}
    if not hashes:
        return set()
    cursor.execute(FIND_ERASED, [list(hashes)])
    return {hashes[name_hash] for (name_hash,) in cursor.fetchall()}

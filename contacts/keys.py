"""Keys of sources and tokens of people: how they are made and how they are recognised. Pure."""

import hashlib
import secrets
from typing import Final, NamedTuple

# What a key begins with says whose it is, to people and to secret scanners.
SOURCE_PREFIX: Final = "rpn_src_"
TOKEN_PREFIX: Final = "rpn_usr_"  # noqa: S105  how tokens begin, not one of them
HOOK_PREFIX: Final = "rpn_hook_"
_SHOWN: Final = 12


class MintedKey(NamedTuple):
    """A new key: ``key`` is shown once and never stored, ``prefix`` tells keys apart in lists."""

    key: str
    prefix: str
    key_hash: str


def mint_key(kind: str) -> MintedKey:
    """Make a key of 256 random bits that begins with ``kind`` (``SOURCE_PREFIX`` or ``TOKEN_PREFIX``)."""
    key = kind + secrets.token_urlsafe(32)
    return MintedKey(key, key[:_SHOWN], hash_key(key))


def hash_key(key: str) -> str:
    """Return what is stored and looked up: SHA-256 in hex. A key is random, so it needs no slow password hash."""
    return hashlib.sha256(key.encode()).hexdigest()

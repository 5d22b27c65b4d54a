"""Identifiers and what makes one usable: e-mail addresses, ids, domains, company names."""

import re
import unicodedata
from typing import Any, Final

from contacts.ingest.free_mail import is_free_mail
from contacts.ingest.incoming import Refused

MAX_IDENTIFIER_LENGTH: Final = 255
MAX_EMAIL_LENGTH: Final = 254
MAX_LOCAL_LENGTH: Final = 64
MAX_NAME_LENGTH: Final = 255

# What broken front ends send in place of an id. One of these would join strangers into one contact.
ILLEGAL_IDENTIFIERS: Final = frozenset(
    {
        "", '""', "''", "-", "null", "(null)", "nil", "none", "undefined", "nan", "n/a", "na", "unknown", "anonymous",
        "anonymous_id", "anonymousid", "guest", "user", "id", "user_id", "userid", "distinct_id", "distinctid",
        "not_authenticated", "email", "true", "false", "0", "-1", "0.0", "[object object]", "[object]", "object object",
        "[]", "{}", "default", "00000000-0000-0000-0000-000000000000",
        "00000000000000000000000000000000", "{00000000-0000-0000-0000-000000000000}",
    }
)  # fmt: skip

_LOCAL: Final = re.compile(r"[^\s@\"(),:;<>\[\]\\\x00-\x1f\x7f]+")
_PLAIN_EMAIL: Final = re.compile(
    r"(?=[^@]{1,64}@.{1,180}\Z)[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@(?:[a-z0-9]{1,63}\.){1,8}[a-z]{2,63}"
)
_LABEL: Final = r"[^\W_](?:[^\W_]|-){0,61}[^\W_]|[^\W_]"
_DOMAIN: Final = re.compile(rf"(?:(?:{_LABEL})\.)+(?:xn--[a-z0-9-]{{2,59}}|[^\W\d_]{{2,63}})")


def normalise_email(value: Any, field: str) -> str:
    """Return an address lower-cased and without surrounding space.

    Raises:
        Refused: ``invalid_email``.
    """
    if type(value) is str and _PLAIN_EMAIL.fullmatch(value):
        # By far the most: what the rules below would take as it is.
        return value
    text = unicodedata.normalize("NFC", value).strip().lower() if isinstance(value, str) else ""
    text = text.removeprefix("mailto:")
    local, _, domain = text.rpartition("@")
    if (
        not text
        or len(text) > MAX_EMAIL_LENGTH
        or not 0 < len(local) <= MAX_LOCAL_LENGTH
        or local[0] == "."
        or local[-1] == "."
        or ".." in local
        or not _LOCAL.fullmatch(local)
        or not _DOMAIN.fullmatch(domain)
    ):
        raise Refused("invalid_email", field, "This is not an e-mail address.")
    return text


def normalise_identifier(value: Any, field: str) -> str:
    """Return an external or anonymous id as text (numbers are accepted), without surrounding space.

    Raises:
        Refused: ``illegal_identifier`` for what cannot name a person, ``invalid_type``, ``too_long``.
    """
    if isinstance(value, bool) or value is None:
        raise Refused("illegal_identifier", field, f"{value!r} names nobody.")
    if isinstance(value, int):
        value = str(value)
    if not isinstance(value, str):
        raise Refused("invalid_type", field, "An identifier is a text.")
    text = value.strip()
    if text.lower() in ILLEGAL_IDENTIFIERS:
        raise Refused("illegal_identifier", field, f"“{text}” names nobody.")
    if len(text) > MAX_IDENTIFIER_LENGTH:
        raise Refused("too_long", field, f"An identifier holds at most {MAX_IDENTIFIER_LENGTH} characters.")
    return text


def contact_id(value: Any, field: str) -> int:
    """Return the number behind one of our own opaque contact ids.

    Raises:
        Refused: ``unknown_contact``, for whatever cannot be one.
    """
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not re.fullmatch(r"[1-9][0-9]{0,17}", text):
        raise Refused("unknown_contact", field, "No contact has this id.")
    return int(text)


def normalise_domain(value: str) -> str:
    """Return the bare host of a domain or web address; ``""`` when there is none, or only a free mail provider's."""
    text = value.strip().lower()
    text = text.partition("://")[2] or text
    text = re.split(r"[/?#]", text, maxsplit=1)[0].rpartition("@")[2].partition(":")[0].rstrip(".")
    text = text.removeprefix("www.")
    if len(text) > MAX_NAME_LENGTH or not _DOMAIN.fullmatch(text) or is_free_mail(text):
        return ""
    return text


def company_domain(email: str) -> str:
    """Return the domain of a normalised address where it may be an employer's, else ``""``."""
    domain = email.rpartition("@")[2]
    return "" if is_free_mail(domain) else domain


def normalise_company_name(value: str) -> str:
    """Return the form in which two spellings of a company's name are compared: case and spacing do not matter."""
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())[:MAX_NAME_LENGTH]


def slug(name: str) -> str:
    """Return the event kind of a free event name: ``"Demo Requested"`` and ``"demoRequested"`` -> ``demo_requested``.

    ``""`` when the name holds no Latin letter to begin with.
    """
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    plain = unicodedata.normalize("NFKD", spaced).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", plain.lower()).lstrip("_0123456789")[:64].rstrip("_")

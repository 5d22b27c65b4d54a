"""What else speaks of a person than the rows that are theirs: refused messages, warnings, kept answers, files.

These hold what others sent, as text. A text speaks of a person where one of their e-mail addresses occurs in it, where
a value in it is one of their ids or their phone number, or where both their first and their last name are values in it.
"""

import email
import email.policy
import json
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.db import connection
from django.db.backends.utils import CursorWrapper

from config.web.models import KeptAnswer
from contacts.enums import IdentityKind
from contacts.models import RejectedMessage, SavedView, SourceWarning
from contacts.services.imports.files import remove_files_mentioning

# A shorter one occurs in any file by chance.
_SHORTEST_IN_A_FILE: Final = 6
_BETWEEN_MAILS: Final = f"{'-' * 79}\n"
_GONE: Final = json.dumps(
    {"code": "erased", "message": "This answer spoke of somebody who was erased since.", "fields": {}}
).encode()
_HTTP_GONE: Final = 410

# Which may hold one; the rest is decided value by value. JSON may write any letter as \uXXXX.
FIND_REJECTED: Final = """
SELECT id, payload, concat_ws(' ', message_id, field, message) FROM contacts_rejectedmessage
WHERE lower(concat_ws(' ', payload, message_id, field, message)) LIKE ANY(%s) OR payload LIKE '%%\\\\u%%'
"""
FIND_WARNINGS: Final = "SELECT id, message_id, field, message FROM contacts_sourcewarning"
FIND_ANSWERS: Final = """
SELECT id, key, location, body FROM web_keptanswer
WHERE lower(encode(body, 'escape')) LIKE ANY(%s) OR lower(key) LIKE ANY(%s) OR location LIKE ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class Person:
    """What a person is recognised by in what others wrote; ``names`` are (kind, value) of identities."""

    contact_ids: tuple[int, ...]
    names: frozenset[tuple[str, str]] = frozenset()
    phones: frozenset[str] = frozenset()
    first_names: frozenset[str] = frozenset()
    last_names: frozenset[str] = frozenset()
    _addresses: tuple["re.Pattern[str]", ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        """Prepare to look for the addresses: as a whole, also as a web address writes them."""
        object.__setattr__(self, "_addresses", tuple(_whole(address) for address in self.addresses))

    @property
    def addresses(self) -> tuple[str, ...]:
        """The e-mail addresses."""
        return tuple(sorted(value for kind, value in self.names if kind == IdentityKind.EMAIL))

    @property
    def ids(self) -> tuple[str, ...]:
        """The external and anonymous ids."""
        return tuple(sorted(value for kind, value in self.names if kind != IdentityKind.EMAIL))

    def needles(self) -> list[str]:
        """Return texts of which one occurs in whatever speaks of this person, in lower case."""
        values = {*self.addresses, *self.ids, *self.phones, *self.last_names}
        return sorted({value.lower() for value in values if value})

    def is_in_text(self, text: str) -> bool:
        """Tell whether one of the addresses, or a whole name, occurs in plain text."""
        folded = _folded(text)
        if any(address.search(folded) for address in self._addresses):
            return True
        return any(_folded(f"{one} {other}") in folded for one in self.first_names for other in self.last_names)

    def is_in_words(self, text: str) -> bool:
        """Tell whether a short text speaks of this person; one of the ids counts as a word of it."""
        return self.is_in_text(text) or not set(text.split()).isdisjoint(self.ids)

    def names_a_field(self, path: str) -> bool:
        """Tell whether a dotted path has one of the addresses or ids as its last part: a key that somebody sent."""
        folded = _folded(path)
        return any(folded.endswith(_folded(f".{value}")) for value in (*self.addresses, *self.ids))

    def is_in_document(self, text: str) -> bool:
        """Tell whether a JSON text speaks of this person; one that was cut off is looked through for quoted values."""
        try:
            found = list(_strings(json.loads(text)))
        except (ValueError, RecursionError):
            found = re.findall(r'"((?:[^"\\]|\\.)*)"', text)
        values = {_folded(value.strip()) for value in found}
        if any(address.search(value) for address in self._addresses for value in values):
            return True
        if values & {_folded(value) for value in self.ids} or values & {_folded(value) for value in self.phones}:
            return True
        first, last = (values & {_folded(one) for one in names} for names in (self.first_names, self.last_names))
        return bool(first and last)


def forget_rejected(person: Person) -> int:
    """Delete the refused messages that speak of the person; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(FIND_REJECTED, [_patterns(person.needles())])
        gone = [
            pk
            for pk, payload, about in _rows(cursor)
            if person.is_in_document(payload)
            or person.is_in_text(about)
            or not set(about.split()).isdisjoint(person.ids)
        ]
    RejectedMessage.objects.filter(pk__in=gone).delete()
    return len(gone)


def forget_warnings(person: Person) -> int:
    """Take the example out of the warnings that speak of the person; the count stays. Returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(FIND_WARNINGS)
        rows = _rows(cursor)
    texts = {pk: (message_id, about, message) for pk, message_id, about, message in rows}
    told = [pk for pk, parts in texts.items() if any(person.is_in_words(part) for part in parts)]
    SourceWarning.objects.filter(pk__in=[pk for pk, parts in texts.items() if person.names_a_field(parts[1])]).delete()
    SourceWarning.objects.filter(pk__in=told).update(message="", message_id="")
    return len(told)


def forget_views(person: Person) -> int:
    """Take the filters that speak of the person out of the saved views; returns how many views had one."""
    told = 0
    for view in SavedView.objects.exclude(query={}):
        kept = {name: value for name, value in view.query.items() if not person.is_in_words(str(value))}
        if len(kept) < len(view.query):
            view.query = kept
            view.save(update_fields=["query"])
            told += 1
    return told


def forget_answers_about(person: Person) -> int:
    """Put "gone" in place of the kept answers that speak of the person; returns how many.

    The row stays, so that a request that is repeated does nothing a second time.
    """
    needles = [_as_bytea_text(needle) for needle in person.needles()]
    of_contacts = [f'"{contact_id}"' for contact_id in person.contact_ids]
    places = [f"%/contacts/{contact_id}/%" for contact_id in person.contact_ids]
    with connection.cursor() as cursor:
        cursor.execute(FIND_ANSWERS, [_patterns([*needles, *of_contacts]), _patterns(person.needles()), places])
        rows = _rows(cursor)
    keyed = [pk for pk, key, _, _ in rows if person.is_in_words(key)]
    gone = [pk for pk, _, location, body in rows if _speaks_of(person, location, bytes(body))]
    KeptAnswer.objects.filter(pk__in=keyed).delete()
    changed = KeptAnswer.objects.filter(pk__in=gone).update(
        status=_HTTP_GONE, content_type="application/json", location="", body=_GONE
    )
    return len(keyed) + changed


def remove_files_about(person: Person) -> int:
    """Remove the import files and mails in the state folder that speak of the person; returns how many."""
    values = [*person.addresses, *(value for value in person.ids if len(value) >= _SHORTEST_IN_A_FILE)]
    return remove_files_mentioning(values) + _remove_mails(person)


def _speaks_of(person: Person, location: str, body: bytes) -> bool:
    if any(f"/contacts/{contact_id}/" in location for contact_id in person.contact_ids):
        return True
    text = body.decode("utf-8", "replace")
    if person.is_in_document(text):
        return True
    try:
        return any(_is_of_contact(found, person.contact_ids) for found in _objects(json.loads(text)))
    except (ValueError, RecursionError):
        return False


def _is_of_contact(found: dict[str, Any], contact_ids: Collection[int]) -> bool:
    ids = {str(contact_id) for contact_id in contact_ids}
    if str(found.get("contact", "")) in ids or str(found.get("contact_id", "")) in ids:
        return True
    return "email" in found and str(found.get("id", "")) in ids


def _remove_mails(person: Person) -> int:
    """Take the person's mails out of the files in which a machine without a mail server keeps what it would send."""
    folder = getattr(settings, "EMAIL_FILE_PATH", None)
    if not folder or not Path(folder).is_dir():
        return 0
    removed = 0
    for path in sorted(Path(folder).iterdir()):
        mails = path.read_text(errors="replace").split(_BETWEEN_MAILS)
        kept = [mail for mail in mails if not (mail.strip() and _is_about(mail, person))]
        if len(kept) == len(mails):
            continue
        removed += len(mails) - len(kept)
        if any(mail.strip() for mail in kept):
            path.write_text(_BETWEEN_MAILS.join(kept))
        else:
            path.unlink(missing_ok=True)
    return removed


def _is_about(mail: str, person: Person) -> bool:
    message = email.message_from_string(mail, policy=email.policy.default)
    texts = [mail, *(str(value) for value in message.values())]
    texts += [str(part.get_content()) for part in message.walk() if part.get_content_maintype() == "text"]
    return any(person.is_in_text(text) for text in texts)


def _whole(address: str) -> "re.Pattern[str]":
    local, _, domain = _folded(address).rpartition("@")
    return re.compile(rf"(?<![\w.+%-]){re.escape(local)}(?:@|%40){re.escape(domain)}(?![\w-]|\.\w)")


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def _strings(document: Any) -> Iterator[str]:
    """Every text and number of a document, keys included."""
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield from value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str | int | float):
            yield str(value)


def _objects(document: Any) -> Iterator[dict[str, Any]]:
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def _patterns(needles: Iterable[str]) -> list[str]:
    """Patterns of LIKE that find the needles anywhere; one that finds nothing where there are none."""
    escaped = (re.sub(r"([\\%_])", r"\\\1", needle) for needle in needles)
    return [f"%{needle}%" for needle in escaped] or [""]


def _as_bytea_text(text: str) -> str:
    """How PostgreSQL writes these bytes in its ``escape`` format."""
    return "".join(
        "\\\\" if byte == ord("\\") else f"\\{byte:03o}" if byte in range(128, 256) or not byte else chr(byte)
        for byte in text.encode()
    )


def _rows(cursor: CursorWrapper) -> Sequence[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows

"""What sources sent that could not be taken, or was odd: kept so that somebody can see, mend and replay it."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction
from django.db.backends.utils import CursorWrapper

from contacts.audit import AuditAct
from contacts.enums import WireFormat
from contacts.ingest.identifiers import MAX_IDENTIFIER_LENGTH, normalise_email
from contacts.ingest.incoming import MESSAGE_ID_LENGTH, IngestionWarning, Refused, Rejected
from contacts.ingest.limits import MAX_EVENT_BYTES
from contacts.ingest.reading import write_json
from contacts.models import Source, SourceWarning
from contacts.permissions import check_manage_sources
from contacts.services.auditing import audited
from contacts.services.erased_names import find_erased
from contacts.services.identities import ANONYMOUS, EMAIL, EXTERNAL
from contacts.services.meters import count_rejected
from contacts.services.record import Receipt
from contacts.services.rows import Name, as_json

logger = logging.getLogger(__name__)

KEPT_FOR: Final = timedelta(days=30)
KEPT_OF_SOURCE: Final = 10_000
_DELETED_AT_ONCE: Final = 5_000
_LONGEST_FIELD: Final = 300
_LONGEST_TEXT: Final = 500
_LONGEST_CODE: Final = 40
# Keys that open the source never lie in a table of what went wrong.
_SECRETS: Final = frozenset({"writeKey", "api_key", "token"})
# Where the wire formats name people.
_NAMING: Final = frozenset(
    {
        "email", "external_id", "anonymous_id", "userId", "anonymousId", "previousId", "distinct_id",
        "$anon_distinct_id", "$device_id", "$user_id", "alias", "recipient",
    }
)  # fmt: skip

INSERT_REJECTED: Final = """
INSERT INTO contacts_rejectedmessage (
    source_id, wire_format, call, received_at, message_id, code, field, message, payload, is_cut)
SELECT %s, %s, %s, %s, r.message_id, r.code, r.field, r.message, r.payload, r.is_cut
FROM json_to_recordset(%s::json)
    AS r(message_id text, code text, field text, message text, payload text, is_cut boolean)
"""
# The latest of them stay: beyond that, and a few of those whose time is over.
DELETE_SURPLUS: Final = """
DELETE FROM contacts_rejectedmessage WHERE source_id = %s AND id <= (
    SELECT id FROM contacts_rejectedmessage WHERE source_id = %s ORDER BY id DESC OFFSET %s LIMIT 1)
"""
COUNT_WARNINGS: Final = """
INSERT INTO contacts_sourcewarning (source_id, code, field, message, message_id, count, first_at, last_at)
SELECT %s, r.code, r.field, r.message, r.message_id, r.count, %s, %s
FROM jsonb_to_recordset(%s::jsonb) AS r(code text, field text, message text, message_id text, count bigint)
ORDER BY r.code, r.field
ON CONFLICT (source_id, code, field) DO UPDATE SET
    count = contacts_sourcewarning.count + excluded.count, message = excluded.message,
    message_id = excluded.message_id, last_at = greatest(contacts_sourcewarning.last_at, excluded.last_at)
"""
DELETE_OLD: Final = """
DELETE FROM contacts_rejectedmessage WHERE id IN (
    SELECT id FROM contacts_rejectedmessage WHERE received_at < %s ORDER BY id LIMIT %s)
"""


class _RejectedRow(msgspec.Struct):
    message_id: str
    code: str
    field: str
    message: str
    payload: str
    is_cut: bool


class _WarningRow(msgspec.Struct):
    code: str
    field: str
    message: str
    message_id: str
    count: int = 0


def keep_problems(
    *,
    source: Source,
    wire_format: WireFormat,
    call: str = "",
    payloads: Sequence[Any],
    receipt: Receipt,
    received_at: datetime,
    shared: Mapping[str, Any] | None = None,
) -> None:
    """Keep the rejected messages of a receipt and count its warnings; a batch without either costs no statement.

    What goes wrong here is logged and otherwise ignored: the answer to the sender is decided already.

    Args:
        source: who sent it.
        wire_format: how it was written.
        call: the address's type (Segment).
        payloads: all messages of the batch as they came; ``Rejected.index`` is a place in it.
        receipt: what came of them.
        received_at: the arrival.
        shared: what the body said for all messages at once; goes into each that does not say it itself.
    """
    if not receipt.rejected and not receipt.warnings:
        return
    count_rejected(item.code[:_LONGEST_CODE] for item in receipt.rejected)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            if receipt.rejected:
                rows = _rejected_rows(cursor, receipt.rejected, payloads, shared or {})
                cursor.execute(INSERT_REJECTED, [source.pk, wire_format.value, call, received_at, as_json(rows)])
                cursor.execute(DELETE_SURPLUS, [source.pk, source.pk, KEPT_OF_SOURCE])
            if receipt.warnings:
                rows_of_warnings = as_json(_warning_rows(receipt.warnings))
                cursor.execute(COUNT_WARNINGS, [source.pk, received_at, received_at, rows_of_warnings])
    except DatabaseError:
        logger.exception("problems_not_kept", extra={"source": source.pk, "rejected": len(receipt.rejected)})


def forget_problems(*, now: datetime) -> int:
    """Delete rejected messages older than 30 days; return how many. The sweep calls this."""
    with connection.cursor() as cursor:
        cursor.execute(DELETE_OLD, [now - KEPT_FOR, _DELETED_AT_ONCE])
        return int(cursor.rowcount)


@audited(AuditAct.WARNINGS_FORGOTTEN, "source")
def forget_warnings(*, source: Source, by: User) -> None:
    """Forget what was odd about a source's messages; what goes on is counted anew.

    Raises:
        PermissionDenied: ``by`` may not manage sources.
    """
    check_manage_sources(by)
    SourceWarning.objects.filter(source=source).delete()


def payload_text(payload: Any, shared: Mapping[str, Any]) -> str:
    """Return a message as it is kept: JSON text that reads back as it came, without the key of the source."""
    if isinstance(payload, dict):
        own = {name: value for name, value in payload.items() if name not in _SECRETS}
        properties = own.get("properties")
        if isinstance(properties, dict) and not _SECRETS.isdisjoint(properties):
            own["properties"] = {name: value for name, value in properties.items() if name not in _SECRETS}
        payload = {**{name: value for name, value in shared.items() if not own.get(name)}, **own}
    return write_json(payload)


def _rejected_rows(
    cursor: CursorWrapper, rejected: Sequence[Rejected], payloads: Sequence[Any], shared: Mapping[str, Any]
) -> list[_RejectedRow]:
    kept = {item.index: payloads[item.index] for item in rejected if item.index < len(payloads)}
    named = {index: _names_in(payload) for index, payload in kept.items()}
    erased = find_erased(cursor, {name for names in named.values() for name in names})
    if len(write_json(dict(shared))) > MAX_EVENT_BYTES:
        shared = {}
    rows = []
    for item in rejected:
        is_known = item.index in kept and item.code != "erased" and erased.isdisjoint(named[item.index])
        text = payload_text(kept[item.index], shared) if is_known else ""
        rows.append(
            _RejectedRow(
                fit(item.message_id, MESSAGE_ID_LENGTH) if is_known else "",
                item.code[:_LONGEST_CODE],
                fit(item.field, _LONGEST_FIELD),
                fit(item.message, _LONGEST_TEXT),
                text[:MAX_EVENT_BYTES],
                len(text) > MAX_EVENT_BYTES,
            )
        )
    return rows


def fit(text: str, longest: int) -> str:
    """Return a text that any column of that length holds: cut, without NUL and lone surrogates."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")[:longest]


def _warning_rows(warnings: Iterable[IngestionWarning]) -> list[_WarningRow]:
    rows: dict[tuple[str, str], _WarningRow] = {}
    for item in warnings:
        code, field = item.code[:_LONGEST_CODE], fit(item.field, _LONGEST_FIELD)
        row = rows.setdefault((code, field), _WarningRow(code, field, "", ""))
        row.count += 1
        row.message, row.message_id = fit(item.message, _LONGEST_TEXT), fit(item.message_id, MESSAGE_ID_LENGTH)
    return list(rows.values())


def _names_in(payload: Any) -> set[Name]:
    """Return what may name somebody in a message that nobody could read, wherever it stands."""
    names: set[Name] = set()
    waiting = [payload]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            for key, item in value.items():
                if key in _NAMING and isinstance(item, str | int):
                    names |= _as_names(fit(str(item).strip(), MAX_IDENTIFIER_LENGTH))
                elif isinstance(item, dict | list):
                    waiting.append(item)
    return names


def _as_names(value: str) -> set[Name]:
    names = {(EXTERNAL, value), (ANONYMOUS, value)}
    try:
        names.add((EMAIL, normalise_email(value, "")))
    except Refused:
        pass
    return names

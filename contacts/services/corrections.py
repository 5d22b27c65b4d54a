"""Taking events back, and saying that a machine did them: marks on facts that stay in the log.

A marked event, retracted or suspect, is judged nowhere and never was: every correction queues its contacts since the
event's own moment, so their timelines are computed anew and what was recorded wrongly is superseded. What a message
said *about* its contact (traits, names) is a fact of its own and stays; saying the right thing corrects that. Only a
``details_confirmed`` event is its own attribute and takes it along.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils.translation import gettext

from contacts.audit import AuditAct
from contacts.enums import CorrectionAction
from contacts.models import Source
from contacts.permissions import check_correct_events
from contacts.services.auditing import is_by_hand, record_act
from contacts.services.beginnings import restate_beginnings
from contacts.services.confirmations import restate_confirmations
from contacts.services.messages import INSERT_DUE
from contacts.services.rows import Raced, as_json
from contacts.services.wake import wake

MAX_EVENTS: Final = 1_000
MAX_REASON: Final = 300
MAX_SUSPICION: Final = 100

FIND_EVENTS: Final = """
SELECT e.id, e.contact_id, k.system FROM contacts_event e JOIN contacts_kind k ON k.id = e.kind_id WHERE e.id = ANY(%s)
"""
# Ahead of the events and in id order, as whoever else writes to contacts: a drain is waited for, ingest of others is
# not. What a contact began with is read here, before it may change.
LOCK_CONTACTS: Final = """
SELECT id, source_channel, source_direction, source_motion, source_campaign, source_message::text
FROM contacts_contact WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE
"""
# "Counts" is the condition of the index that judgement reads.
_COUNTS: Final = "({0}.retracted_at IS NULL AND {0}.suspect_reason = '')"
_MARK: Final = f"""
WITH chosen AS MATERIALIZED (
    SELECT o.id, {_COUNTS.format("o")} AS counted FROM contacts_event o
    WHERE o.id = ANY(%(ids)s) AND {{condition}} ORDER BY o.id FOR NO KEY UPDATE
)
UPDATE contacts_event e SET {{change}} FROM chosen WHERE e.id = chosen.id
RETURNING e.id, e.contact_id, e.occurred_at, e.dedupe_id::text, chosen.counted, {_COUNTS.format("e")}
"""  # noqa: S608  constants only
MARKS: Final = {
    CorrectionAction.RETRACTED: _MARK.format(condition="o.retracted_at IS NULL", change="retracted_at = %(now)s"),
    CorrectionAction.RESTORED: _MARK.format(condition="o.retracted_at IS NOT NULL", change="retracted_at = NULL"),
    CorrectionAction.RECLASSIFIED: _MARK.format(
        condition="o.suspect_reason <> %(reason)s", change="suspect_reason = %(reason)s"
    ),
}
# What a person or an integration has said of an event is never overruled by a rule.
MARK_SUSPECT: Final = f"""
WITH chosen AS MATERIALIZED (
    SELECT o.id, r.reason, {_COUNTS.format("o")} AS counted
    FROM jsonb_to_recordset(%(reasons)s::jsonb) AS r(event_id bigint, reason text)
    JOIN contacts_event o ON o.id = r.event_id
    WHERE o.retracted_at IS NULL AND o.suspect_reason <> r.reason AND o.suspect_reason = ANY(%(over)s)
        AND NOT EXISTS (
            SELECT FROM contacts_eventcorrection said
            WHERE said.event_id = o.id AND said.action = 'reclassified'
                AND (said.corrected_by_id IS NOT NULL OR said.source_id IS NOT NULL))
    ORDER BY o.id FOR NO KEY UPDATE OF o
)
UPDATE contacts_event e SET suspect_reason = chosen.reason FROM chosen WHERE e.id = chosen.id
RETURNING e.id, e.contact_id, e.occurred_at, e.dedupe_id::text, chosen.counted, {_COUNTS.format("e")}
"""  # noqa: S608  constants only
INSERT_CORRECTIONS: Final = """
INSERT INTO contacts_eventcorrection (event_id, action, reason, corrected_at, corrected_by_id, source_id, beginning)
SELECT r.event_id, %s, r.reason, %s, %s, %s, r.beginning
FROM jsonb_to_recordset(%s::jsonb) AS r(event_id bigint, reason text, beginning jsonb)
"""


class Corrected(msgspec.Struct, kw_only=True):
    """What came of a correction, as event ids.

    ``accepted``: the mark was set or taken away; ``unchanged``: it was so already; ``unknown``: there is no such
    event; ``reserved``: only Ripen itself records such events, nobody takes them back.
    """

    accepted: set[int] = set()
    unchanged: set[int] = set()
    unknown: set[int] = set()
    reserved: set[int] = set()


class BadReason(ValueError):
    """The reason cannot be kept; the message says why."""


class _Marked(msgspec.Struct, gc=False):
    """One event whose mark changed, with whether it counted before and counts now."""

    id: int
    contact_id: int
    occurred_at: datetime
    dedupe_id: str
    counted: bool
    counts: bool


class _Due(msgspec.Struct, gc=False):
    contact_id: int
    occurred_at: datetime


class _Correction(msgspec.Struct, gc=False):
    event_id: int
    reason: str
    beginning: dict[str, Any] | None


def retract_events(
    *, event_ids: Sequence[int], reason: str, by: User | None, now: datetime, source: Source | None = None
) -> Corrected:
    """Mark events as a mistake: they never happened, at no moment of their contacts' timelines.

    Args:
        event_ids: at most MAX_EVENTS; more is a ValueError.
        reason: why, for people; kept with the correction.
        by: the person who says so; None for a program.
        now: when.
        source: the integration that says so, where it is one.

    Raises:
        PermissionDenied: ``by`` may not correct events.
        BadReason: the reason is longer than MAX_REASON, or holds what cannot be stored.
    """
    _check_reason(reason, MAX_REASON)
    return _correct(CorrectionAction.RETRACTED, event_ids, reason, by, source, now)


def restore_events(
    *, event_ids: Sequence[int], reason: str, by: User | None, now: datetime, source: Source | None = None
) -> Corrected:
    """Take retractions back: the events happened after all, and a suspicion that they carry still holds.

    Arguments and errors as of ``retract_events``.
    """
    _check_reason(reason, MAX_REASON)
    return _correct(CorrectionAction.RESTORED, event_ids, reason, by, source, now)


def reclassify_events(
    *, event_ids: Sequence[int], suspect_reason: str, by: User | None, now: datetime, source: Source | None = None
) -> Corrected:
    """Say that a machine did it, such as ``bot: every link within a second``, or with ``""`` that it was a person.

    Suspect events stay in sight and weigh nothing. Arguments and errors as of ``retract_events``; the reason holds at
    most MAX_SUSPICION characters.
    """
    _check_reason(suspect_reason, MAX_SUSPICION)
    return _correct(CorrectionAction.RECLASSIFIED, event_ids, suspect_reason, by, source, now)


def suspect_events(cursor: CursorWrapper, *, reasons: Mapping[int, str], over: Sequence[str], now: datetime) -> None:
    """Say by a rule, within the current transaction, that a machine did these events (id -> why).

    Only events whose present suspicion is one of ``over`` (``""``: none) are marked, and none of which a person or an
    integration has said who did it: their word holds. Their contacts must be locked. Seven statements at most.

    Raises:
        Raced: one of the contacts was merged or parted meanwhile.
    """
    cursor.execute(FIND_EVENTS, [list(reasons)])
    beginnings = _lock_contacts(cursor, [contact_id for _, contact_id, _ in cursor.fetchall()])
    rows = [{"event_id": event_id, "reason": reason} for event_id, reason in reasons.items()]
    cursor.execute(MARK_SUSPECT, {"reasons": as_json(rows), "over": list(over)})
    marked = _marked(cursor, beginnings)
    if not marked:
        return
    corrections = [_Correction(event.id, reasons[event.id], _lost_beginning(event, beginnings)) for event in marked]
    action = CorrectionAction.RECLASSIFIED.value
    cursor.execute(INSERT_CORRECTIONS, [action, now, None, None, as_json(corrections)])
    _judge_anew(cursor, [event for event in marked if event.counted != event.counts], now)


_ACTS: Final = {
    CorrectionAction.RETRACTED: AuditAct.EVENTS_RETRACTED,
    CorrectionAction.RESTORED: AuditAct.EVENTS_RESTORED,
    CorrectionAction.RECLASSIFIED: AuditAct.EVENTS_RECLASSIFIED,
}


def _check_reason(reason: str, longest: int) -> None:
    if len(reason) > longest:
        raise BadReason(gettext("A reason holds at most %(most)s characters.") % {"most": longest})
    if "\0" in reason:
        raise BadReason(gettext("A NUL character cannot be stored."))


def _correct(
    action: CorrectionAction,
    event_ids: Sequence[int],
    reason: str,
    by: User | None,
    source: Source | None,
    now: datetime,
) -> Corrected:
    """Set or take away the marks in one transaction; the number of statements does not depend on the events."""
    if by is not None:
        check_correct_events(by)
    asked = set(event_ids)
    if len(asked) > MAX_EVENTS:
        raise ValueError(f"At most {MAX_EVENTS:,} events are corrected at once.")
    while True:
        try:
            return _correct_once(action, asked, reason, by, source, now)
        except Raced:
            continue


def _correct_once(
    action: CorrectionAction,
    asked: set[int],
    reason: str,
    by: User | None,
    source: Source | None,
    now: datetime,
) -> Corrected:
    outcome = Corrected()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(FIND_EVENTS, [list(asked)])
        found = cursor.fetchall()
        outcome.unknown = asked - {event_id for event_id, _, _ in found}
        outcome.reserved = {event_id for event_id, _, system in found if system}
        chosen = sorted(asked - outcome.unknown - outcome.reserved)
        if not chosen:
            return outcome
        beginnings = _lock_contacts(cursor, [contact_id for _, contact_id, _ in found])
        cursor.execute(MARKS[action], {"ids": chosen, "reason": reason, "now": now})
        marked = _marked(cursor, beginnings)
        outcome.accepted = {event.id for event in marked}
        outcome.unchanged = set(chosen) - outcome.accepted
        if marked:
            corrections = [_Correction(event.id, reason, _lost_beginning(event, beginnings)) for event in marked]
            who = [by.pk if by else None, source.pk if source else None]
            cursor.execute(INSERT_CORRECTIONS, [action.value, now, *who, as_json(corrections)])
            if is_by_hand(by):
                record_act(
                    _ACTS[action], by=by, number=len(marked), contacts=sorted({one.contact_id for one in marked})
                )
        _judge_anew(cursor, [event for event in marked if event.counted != event.counts], now)
    return outcome


def _lock_contacts(cursor: CursorWrapper, contact_ids: Iterable[int]) -> dict[int, list[str]]:
    """Hold these contacts; returns what each began with."""
    cursor.execute(LOCK_CONTACTS, [sorted(set(contact_ids))])
    return {contact_id: values for contact_id, *values in cursor.fetchall()}


def _marked(cursor: CursorWrapper, held: Mapping[int, list[str]]) -> list[_Marked]:
    """Return the events that were just marked.

    Raises:
        Raced: one of them went to a contact that is not held, by a merge or its undoing.
    """
    marked = [_Marked(*row) for row in cursor.fetchall()]
    if any(event.contact_id not in held for event in marked):
        raise Raced
    return marked


def _lost_beginning(event: _Marked, beginnings: dict[int, list[str]]) -> dict[str, str] | None:
    """The original source that a contact has from an event which counts no more; None where it has it from another."""
    known = beginnings.get(event.contact_id)
    if not event.counted or event.counts or known is None or known[-1] != event.dedupe_id:
        return None
    return dict(zip(("channel", "direction", "motion", "campaign"), known[:-1], strict=True))


def _judge_anew(cursor: CursorWrapper, changed: Iterable[_Marked], now: datetime) -> None:
    """Put right what the contacts of these events have from them, and queue them since the earliest of the events."""
    since: dict[int, datetime] = {}
    gone: list[_Marked] = []
    back: list[_Marked] = []
    for event in changed:
        since[event.contact_id] = min(event.occurred_at, since.get(event.contact_id, event.occurred_at))
        (back if event.counts else gone).append(event)
    if not since:
        return
    restate_beginnings(
        cursor,
        contact_ids=list(since),
        gone=[event.dedupe_id for event in gone],
        back=[event.id for event in back],
        now=now,
    )
    restate_confirmations(cursor, gone=[event.id for event in gone], back=[event.id for event in back], now=now)
    cursor.execute(INSERT_DUE, [as_json([_Due(*pair) for pair in since.items()])])
    wake("scoring.drain")

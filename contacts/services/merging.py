"""Two contacts become one, reversibly: rows are re-pointed and remember whose they were (docs/merging.md).

A person may say so of any two. A message alone merges only somebody purely anonymous, who is known by neither e-mail
address nor external id, and only so many a day for each source; everything else waits for a person.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.models import User
from django.db.backends.utils import CursorWrapper
from django.utils.translation import gettext

from contacts.audit import AuditAct, AuditThing
from contacts.enums import MergeDecision, SuggestedBy
from contacts.models import Merge, MergeSuggestion, Source
from contacts.permissions import check_merge
from contacts.registry import Merging, handlers
from contacts.selectors.merges import members_of, roots_of
from contacts.services.auditing import audited, is_by_hand, record_act
from contacts.services.identities import EMAIL, EXTERNAL
from contacts.services.merged_beginnings import as_builtins, older, read_beginnings, write_beginning
from contacts.services.rows import Raced
from contacts.services.traits import restate_contacts
from contacts.services.uniting import CannotMerge, count_events, give_way, judge_anew, merge_rows
from contacts.services.wake import wake

MAX_REASON: Final = 255
# The sweep leaves pairs to whoever is just recording them, and does not go back further than this.
_LEFT_BEHIND: Final = timedelta(seconds=5)
_LATELY: Final = timedelta(hours=1)
_LATEST: Final = 1_000
# A sender of messages is not kept waiting for a merge: what gives way so often is left to the sweep.
_ATTEMPTS_AT_ONCE: Final = 3
# One after the other for each source, so that they can be counted ("MERG" in ASCII).
_COUNTING: Final = 0x4D455247

_LOCK: Final = """
SELECT id, merged_into_id, erased_at IS NOT NULL FROM contacts_contact WHERE id = ANY(%s) ORDER BY id FOR UPDATE
"""
_HELD_KINDS: Final = """
SELECT contact_id, bool_or(kind = ANY(%s)) FROM contacts_identity WHERE contact_id = ANY(%s) GROUP BY contact_id
"""
_MERGE_CONTACT: Final = "UPDATE contacts_contact SET merged_into_id = %s, updated_at = %s WHERE id = %s"
_DECIDE_SUGGESTIONS: Final = """
UPDATE contacts_mergesuggestion SET decision = 'merged', decided_at = %(now)s, decided_by_id = %(by)s,
    merge_id = %(merge)s
WHERE decision = '' AND ((contact_id = ANY(%(winners)s) AND other_id = ANY(%(losers)s))
    OR (contact_id = ANY(%(losers)s) AND other_id = ANY(%(winners)s)))
"""


def merge_contacts(
    *, winner_id: int, loser_id: int, by: User | None, source: Source | None, reason: str, now: datetime
) -> Merge:
    """Make ``loser_id`` part of ``winner_id``, in one transaction; ``parting.undo_merge`` takes it back.

    Args:
        winner_id: who stays, with its id.
        loser_id: whose events, names, attributes, consent and handoffs the winner gets.
        by: the person who says so; None for a program.
        source: the integration that says so, where it is one; then one of the two must be purely anonymous.
        reason: why, for people.
        now: when.

    Raises:
        PermissionDenied: ``by`` may not merge.
        CannotMerge: ``same_contact``, ``unknown_contact``, ``merged_away``, ``needs_a_person``, ``too_many_merges``,
            ``bad_reason`` or ``busy``.
    """
    if by is not None:
        check_merge(by)
    if len(reason) > MAX_REASON or "\0" in reason:
        raise CannotMerge(
            "bad_reason", gettext("A reason is a text of at most %(most)s characters.") % {"most": MAX_REASON}
        )
    if winner_id == loser_id:
        raise CannotMerge("same_contact", gettext("A contact cannot be merged with itself."))
    return give_way(lambda cursor: _merge(cursor, winner_id, loser_id, by=by, source=source, reason=reason, now=now))


def merge_suggested(*, source: Source, pairs: Iterable[tuple[int, int]], now: datetime) -> list[Merge]:
    """Merge those of the pairs that need no person: open suggestions in which one side is purely anonymous.

    The known one wins, else the older. Each is a transaction of its own; what cannot be merged (two known people, over
    ``RIPEN_MERGES_A_DAY``, somebody is at it) stays a suggestion. Returns the merges made.
    """
    made: list[Merge] = []
    for pair in pairs:
        try:
            merge = give_way(
                lambda cursor, pair=pair: _merge_pair(cursor, pair, source=source, now=now),  # type: ignore[misc]  # a default binds the loop's variable
                attempts=_ATTEMPTS_AT_ONCE,
            )
        except CannotMerge:
            continue
        if merge is not None:
            made.append(merge)
    return made


def merge_left_behind(*, now: datetime) -> int:
    """Merge what a process that died, or gave way, left as a suggestion of a message; returns how many were merged."""
    rows = MergeSuggestion.objects.filter(
        decision=MergeDecision.OPEN,
        suggested_by=SuggestedBy.MESSAGE,
        source__isnull=False,
        created_at__gt=now - _LATELY,
        created_at__lt=now - _LEFT_BEHIND,
    ).select_related("source")
    # The latest by key: looking through all that wait for a person would take longer every day.
    latest = MergeSuggestion.objects.order_by("-id").values_list("id", flat=True)[_LATEST - 1 : _LATEST].first()
    merged = 0
    for row in rows.filter(pk__gte=latest or 0).order_by("id"):
        if row.source is not None:
            merged += len(merge_suggested(source=row.source, pairs=[(row.contact_id, row.other_id)], now=now))
    return merged


@audited(AuditAct.SUGGESTION_DISMISSED, "suggestion_id", thing=AuditThing.SUGGESTION)
def dismiss_suggestion(*, suggestion_id: int, by: User | None, now: datetime) -> bool:
    """Say that two suggested contacts are different people; False where that, or the opposite, was said already.

    Raises ``PermissionDenied``, ``MergeSuggestion.DoesNotExist``.
    """
    if by is not None:
        check_merge(by)
    waiting = MergeSuggestion.objects.filter(pk=suggestion_id, decision=MergeDecision.OPEN)
    if waiting.update(decision=MergeDecision.DISMISSED, decided_at=now, decided_by=by):
        return True
    MergeSuggestion.objects.get(pk=suggestion_id)
    return False


def _merge_pair(cursor: CursorWrapper, pair: tuple[int, int], *, source: Source, now: datetime) -> Merge | None:
    roots = roots_of(pair)
    both = sorted({roots[contact_id] for contact_id in pair if contact_id in roots})
    if len(both) != len(pair):
        return None
    if len(_known(cursor, both)) > 1:
        # Asked again below, with both held; here it spares most pairs that wait for a person the locks.
        return None
    _count_merge(cursor, source, now)
    cursor.execute(_LOCK, [both])
    if roots_of(pair) != roots:
        raise Raced
    # After the contacts, as everywhere: a person may be dismissing it.
    waiting = MergeSuggestion.objects.filter(contact=min(pair), other=max(pair), decision=MergeDecision.OPEN)
    suggestion = waiting.select_for_update().first()
    if suggestion is None:
        return None
    known = _known(cursor, both)
    winner_id, loser_id = sorted(both, key=lambda contact_id: (contact_id not in known, contact_id))
    return _merge(cursor, winner_id, loser_id, by=None, source=source, reason=suggestion.reason, now=now)


def _merge(
    cursor: CursorWrapper,
    winner_id: int,
    loser_id: int,
    *,
    by: User | None,
    source: Source | None,
    reason: str,
    now: datetime,
) -> Merge:
    both = (winner_id, loser_id)
    is_automatic = by is None and source is not None
    if is_automatic and source is not None:
        _count_merge(cursor, source, now)
    _lock(cursor, both)
    if is_automatic and len(_known(cursor, both)) > 1:
        message = "Both are known by e-mail address or external id: only a person can say that they are one."
        raise CannotMerge("needs_a_person", message)
    beginnings = read_beginnings(cursor, both)
    winner_events, loser_events = (count_events(cursor, contact_id) for contact_id in both)
    winners, losers = members_of([winner_id]), members_of([loser_id])
    merge = Merge.objects.create(
        winner_id=winner_id,
        loser_id=loser_id,
        merged_at=now,
        by=by,
        source=source,
        reason=reason,
        beginnings={"winner": as_builtins(beginnings[winner_id]), "loser": as_builtins(beginnings[loser_id])},
        winner_events=winner_events,
        loser_events=loser_events,
        events_after=0,
    )
    merge_rows(cursor, winner_id=winner_id, loser_id=loser_id)
    write_beginning(cursor, winner_id, older(beginnings[winner_id], beginnings[loser_id]))
    cursor.execute(_MERGE_CONTACT, [winner_id, now, loser_id])
    restate_contacts(cursor, contact_ids=[winner_id], now=now)
    judge_anew(cursor, [winner_id])
    cursor.execute("DELETE FROM contacts_due WHERE contact_id = %s", [loser_id])
    merging = Merging(merge_id=merge.pk, winner_id=winner_id, loser_id=loser_id, members=tuple(losers), now=now)
    for handler in handlers():
        handler.merge(merging)
    decision: dict[str, Any] = {"winners": winners, "losers": losers, "merge": merge.pk, "now": now}
    cursor.execute(_DECIDE_SUGGESTIONS, {**decision, "by": by.pk if by is not None else None})
    merge.events_after = count_events(cursor, winner_id)
    merge.save(update_fields=["events_after"])
    if is_by_hand(by):
        record_act(AuditAct.CONTACTS_MERGED, by=by, about=merge, winner=winner_id, loser=loser_id)
    wake("scoring.drain")
    return merge


def _lock(cursor: CursorWrapper, contact_ids: Sequence[int]) -> None:
    """Hold contacts against everybody, in id order: facts under way are waited for, later ones find out."""
    cursor.execute(_LOCK, [list(contact_ids)])
    found = {contact_id: (into, erased) for contact_id, into, erased in cursor.fetchall()}
    for contact_id in contact_ids:
        into, erased = found.get(contact_id, (None, True))
        if erased:
            raise CannotMerge("unknown_contact", gettext("There is no contact %(contact)s.") % {"contact": contact_id})
        if into is not None:
            parts = {"contact": contact_id, "into": roots_of([contact_id]).get(contact_id, into)}
            message = gettext("Contact %(contact)s has become part of contact %(into)s.") % parts
            raise CannotMerge("merged_away", message)


def _known(cursor: CursorWrapper, contact_ids: Sequence[int]) -> set[int]:
    """Those of the (locked) contacts who are known by e-mail address or external id."""
    cursor.execute(_HELD_KINDS, [[EMAIL, EXTERNAL], list(contact_ids)])
    return {contact_id for contact_id, is_known in cursor.fetchall() if is_known}


def _count_merge(cursor: CursorWrapper, source: Source, now: datetime) -> None:
    """Make sure that the source may merge one more today (UTC); nobody else counts until the transaction ends."""
    cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_COUNTING, source.pk])
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    merges = Merge.objects.filter(source=source, by=None, merged_at__gte=today).count()
    if merges >= settings.MERGES_A_DAY:
        message = f"This source has merged {merges:,} contacts today, which is as many as it may; a person can."
        raise CannotMerge("too_many_merges", message)

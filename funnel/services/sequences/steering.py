"""Keeping sequences in line with where contacts stand: who enters a stage is enrolled, who leaves it is stopped.

State decides, not the path: both functions look at the standing as it is now, so they may be repeated at will.
"""

from collections.abc import Sequence as Many
from datetime import datetime
from typing import Any, Final

from django.db import connection, transaction
from django.db.models import Exists, OuterRef

from contacts.models import Contact, Kind, Standing
from funnel.enums import EnrolledBy, EnrolmentState, SequenceState, StopReason
from funnel.models import Enrolment, Handoff, Sequence
from funnel.services.sequences.ending import stop_enrolments
from funnel.services.sequences.enrolling import HELD_BY_SALES, enrol, free_to_enrol
from scoring.models import Publication

# What a contact did or said since the enrolment that ends it, the first of it. A mailbox that is full today takes mail
# tomorrow, and who unsubscribes from something else stays. A kind that a source sent counts as what it was mapped to.
FIND_ANSWERS: Final = """
SELECT en.id, answer.two_way, answer.name
FROM funnel_enrolment en
JOIN funnel_sequence s ON s.id = en.sequence_id
JOIN contacts_purpose p ON p.id = s.purpose_id
CROSS JOIN LATERAL (
    SELECT k.two_way, k.name
    FROM contacts_event e
    JOIN contacts_kind sent ON sent.id = e.kind_id
    JOIN contacts_kind k ON k.id = coalesce(sent.maps_to_id, sent.id)
    WHERE e.contact_id = en.contact_id AND e.occurred_at > en.enrolled_at AND e.kind_id = ANY(%(kinds)s)
        AND e.retracted_at IS NULL AND e.suspect_reason = ''
        AND (k.name <> 'unsubscribed' OR coalesce(e.properties ->> 'purpose', p.key) = p.key)
        AND (k.name <> 'email_bounced' OR lower(coalesce(e.properties ->> 'type', '')) <> ALL(%(soft)s))
    ORDER BY e.occurred_at LIMIT 1
) answer
WHERE en.state = 'active' AND (%(contacts)s::bigint[] IS NULL OR en.contact_id = ANY(%(contacts)s::bigint[]))
ORDER BY en.id LIMIT %(limit)s
"""
_SOFT_BOUNCES: Final = ["soft", "transient", "temporary", "deferred", "undetermined", "autoresponded"]
_SAID: Final = {
    "unsubscribed": StopReason.UNSUBSCRIBED,
    "email_bounced": StopReason.BOUNCED,
    "email_complained": StopReason.COMPLAINED,
}
_THERE: Final = Standing.objects.filter(contact=OuterRef("contact"), stage=OuterRef("sequence__stage"))


def steer_sequences(*, contact_ids: Many[int], now: datetime) -> None:
    """Stop these (locked) contacts where they left a sequence's stage, and enrol those who newly stand in one.

    Newly: since after the sequence was activated, and not by a publication that was to be quiet. Whoever went through a
    sequence once is not enrolled again on their own. Two statements where nothing is to be done.
    """
    stop_strayed(contact_ids, now=now)
    active = list(Sequence.objects.filter(state=SequenceState.ACTIVE))
    for sequence in active:
        quiet = Publication.objects.filter(effective_at=OuterRef("stage_since"), quiet=True)
        entered = free_to_enrol(sequence).filter(
            ~Exists(quiet), contact__in=contact_ids, stage_since__gt=sequence.activated_at
        )
        found = list(entered.values_list("contact_id", flat=True))
        enrol(sequence, found, how=EnrolledBy.ENTRY, now=now)


def stop_strayed(contact_ids: Many[int], *, now: datetime) -> int:
    """Stop those of these (locked) contacts who left the stage, whom Sales holds, or who answered; count them."""
    under_way = Enrolment.objects.filter(contact__in=contact_ids, state=EnrolmentState.ACTIVE)
    if not under_way.exists():
        return 0
    held = Handoff.objects.filter(contact=OuterRef("contact"), state__in=HELD_BY_SALES)
    # What they did goes first: a reply that moves them on is told as the reply.
    stopped = 0
    for reason, ids in _answers(contact_ids).items():
        stopped += stop_enrolments(under_way.filter(pk__in=ids), reason=reason, now=now)
    stopped += stop_enrolments(under_way.filter(Exists(held)), reason=StopReason.CLAIMED, now=now)
    return stopped + stop_enrolments(under_way.filter(~Exists(_THERE)), reason=StopReason.STAGE_CHANGED, now=now)


def reconcile_sequences(*, now: datetime, limit: int = 1000) -> int:
    """Find up to ``limit`` contacts under way who should not be, and stop them; return how many were stopped.

    A reply or a claim moves nobody to another stage, so no transition tells of it. A step that is due asks the same
    questions before it is sent; this keeps what pages show from waiting until then.
    """
    with transaction.atomic():
        strayed = _strayed(limit)
        held = Contact.objects.filter(pk__in=strayed).order_by("pk").select_for_update(no_key=True, skip_locked=True)
        return stop_strayed(list(held.values_list("pk", flat=True)), now=now)


def _strayed(limit: int) -> set[int]:
    """Contacts who left the stage, whom Sales holds, or who answered, while they are under way."""
    under_way = Enrolment.objects.filter(state=EnrolmentState.ACTIVE)
    claimed = Handoff.objects.filter(Exists(under_way.filter(contact=OuterRef("contact"))), state__in=HELD_BY_SALES)
    left = under_way.filter(~Exists(_THERE))
    found = set(claimed.values_list("contact_id", flat=True)[:limit])
    found |= set(left.values_list("contact_id", flat=True)[:limit])
    answered = [pk for ids in _answers(None, limit=limit).values() for pk in ids]
    return found | set(under_way.filter(pk__in=answered).values_list("contact_id", flat=True))


def _answers(contact_ids: Many[int] | None, *, limit: int = 100_000) -> dict[StopReason, list[int]]:
    """Ids of enrolments under way whose contact talked with us or said no more since, by what it was; two queries."""
    kinds = [
        pk
        for pk, two_way, name, maps_two_way, maps_name in Kind.objects.values_list(
            "pk", "two_way", "name", "maps_to__two_way", "maps_to__name"
        )
        if (maps_two_way if maps_name else two_way) or (maps_name or name) in _SAID
    ]
    given: dict[str, Any] = {
        "contacts": None if contact_ids is None else list(contact_ids),
        "kinds": kinds,
        "soft": _SOFT_BOUNCES,
        "limit": limit,
    }
    found: dict[StopReason, list[int]] = {}
    with connection.cursor() as cursor:
        cursor.execute(FIND_ANSWERS, given)
        for enrolment_id, two_way, name in cursor.fetchall():
            reason = StopReason.REPLIED if two_way else _SAID[name]
            found.setdefault(reason, []).append(enrolment_id)
    return found

"""After the demo's facts: judge everybody, then let handoffs follow and freeze their evidence."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from django.db import connection
from django.db.models import OuterRef, Subquery

from contacts.models import Contact, Standing
from funnel.enums import OPEN_STATES, HandoffState
from funnel.models import Announcement, Handoff
from funnel.selectors.stages import handoff_stages
from funnel.services.consequences import draw_consequences
from funnel.services.demo.handing import escalate_oldest
from funnel.services.evidence import freeze_evidence
from funnel.services.notices.telling import tell_announcements
from scoring.services.evaluate import drain_due
from scoring.services.rebuild import rebuild_contacts

_REPORT_EVERY: Final = 50_000
# Explaining costs tens of milliseconds each: the latest open ones, then the latest closed ones get full evidence.
EXPLAINED: Final = 500
_ROUNDS: Final = 50

# The transition that led to the offer, and its figures as evidence in short.
_LINK_TRANSITIONS: Final = """
UPDATE funnel_handoff AS handoff SET
    transition_id = entered.id,
    evidence = jsonb_build_object(
        'sentence', 'Became ready on ' || to_char(entered.effective_at AT TIME ZONE 'UTC', 'FMDD Mon YYYY'),
        'stage', handoff.stage, 'engagement', entered.engagement_mp / 1000.0, 'fit', entered.fit_mp / 1000.0,
        'lines', '[]'::jsonb, 'questions', '[]'::jsonb, 'definition', definition.key || '@' || definition.version)
FROM scoring_transition AS entered JOIN scoring_definition AS definition ON definition.id = entered.definition_id
WHERE entered.contact_id = handoff.contact_id AND entered.superseded_at IS NULL
    AND entered.to_stage = handoff.stage AND entered.effective_at = handoff.offered_at
"""
# Nothing follows from a transition of somebody who is not in Sales' hands, then or now.
_CONSUME_WITHOUT_CONSEQUENCE: Final = """
UPDATE scoring_transition SET consumed_at = %(now)s
WHERE consumed_at IS NULL AND contact_id NOT IN (
    SELECT contact_id FROM contacts_standing WHERE stage = ANY(%(stages)s)
    UNION SELECT contact_id FROM funnel_handoff WHERE state = ANY(%(open)s))
"""


def judge_all(*, now: datetime, report: Callable[[str], None]) -> None:
    """Judge every contact from its first moment on."""
    ids: list[int] = []
    done = 0
    for contact_id in Contact.objects.order_by("id").values_list("id", flat=True).iterator(chunk_size=50_000):
        ids.append(contact_id)
        if len(ids) == _REPORT_EVERY:
            done += rebuild_contacts(contact_ids=ids, now=now)
            report(f"{done:,} contacts judged")
            ids = []
    rebuild_contacts(contact_ids=ids, now=now)


def draw_all_consequences(*, now: datetime) -> None:
    """Give handoffs their transitions, evidence and owners, and let the drains do what is left to do."""
    open_states = [state.value for state in OPEN_STATES]
    with connection.cursor() as cursor:
        cursor.execute(_LINK_TRANSITIONS)
        cursor.execute(
            _CONSUME_WITHOUT_CONSEQUENCE, {"now": now, "stages": list(handoff_stages()), "open": open_states}
        )
    _freeze_evidence()
    held = Handoff.objects.filter(
        contact=OuterRef("contact"), state__in=[HandoffState.CLAIMED, HandoffState.ACCEPTED, HandoffState.WON]
    )
    owned = Standing.objects.filter(
        contact__in=Handoff.objects.filter(
            state__in=[HandoffState.CLAIMED, HandoffState.ACCEPTED, HandoffState.WON], claimed_by__isnull=False
        ).values("contact")
    )
    owned.update(owner=Subquery(held.order_by("-offered_at").values("claimed_by")[:1]))
    escalate_oldest(now=now)
    for _ in range(_ROUNDS):
        # A withdrawn offer is a fact, and so makes its contact due again.
        if not draw_consequences(now=now) + drain_due(now=now):
            break
    # People find what happened lately among their notifications; nobody outside has asked to be told yet.
    while tell_announcements(now=now):
        pass
    Announcement.objects.filter(hooked_at=None).update(hooked_at=now)


def _freeze_evidence() -> None:
    handoffs = list(Handoff.objects.filter(state__in=OPEN_STATES).order_by("-offered_at")[:EXPLAINED])
    closed = Handoff.objects.exclude(state__in=OPEN_STATES).order_by("-closed_at")[: EXPLAINED - len(handoffs)]
    for handoff in [*handoffs, *closed]:
        stages = {handoff.contact_id: handoff.stage}
        handoff.evidence = freeze_evidence(stages=stages, at=handoff.offered_at)[handoff.contact_id]
        handoff.save(update_fields=["evidence"])

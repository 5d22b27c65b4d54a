"""A contact's journey: every stage held and every handoff, in time order."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User

from funnel.enums import OPEN_STATES, HandoffState
from funnel.models import Handoff
from scoring.models import Transition

LIMIT = 500


@dataclass(frozen=True, slots=True)
class StageStep:
    """A stage held from ``at`` until ``until`` (None: still).

    ``transition`` comes with its causing event, kind and definition loaded. ``corrected`` steps were superseded by
    later knowledge: they are shown struck through and held no time.
    """

    at: datetime
    until: datetime | None
    transition: Transition
    corrected: bool


@dataclass(frozen=True, slots=True)
class HandoffStep:
    """Something that happened to a handoff: it was ``offered``, ``claimed``, ``accepted`` or closed (its state)."""

    at: datetime
    what: HandoffState
    handoff: Handoff
    person: User | None


@dataclass(frozen=True, slots=True)
class Journey:
    """The steps, oldest first; ``truncated`` tells that older ones exist beyond the newest ``LIMIT``."""

    steps: tuple[StageStep | HandoffStep, ...]
    truncated: bool


def contact_journey(*, contact_id: int, limit: int = LIMIT) -> Journey:
    """Return the contact's transitions and handoffs merged in time order; two queries."""
    transitions = list(
        Transition.objects.filter(contact_id=contact_id)
        .select_related("cause_event__kind__maps_to", "definition")
        .order_by("-effective_at", "-id")[: limit + 1]
    )
    handoffs = list(
        Handoff.objects.filter(contact_id=contact_id)
        .select_related("claimed_by")
        .order_by("-offered_at", "-id")[: limit + 1]
    )
    truncated = len(transitions) > limit or len(handoffs) > limit
    steps: list[StageStep | HandoffStep] = [*_stage_steps(transitions[:limit]), *_handoff_steps(handoffs[:limit])]
    # At one moment the stage comes first: it is what the handoff follows from.
    steps.sort(key=lambda step: (step.at, isinstance(step, HandoffStep)))
    return Journey(steps=tuple(steps), truncated=truncated)


def _stage_steps(newest_first: list[Transition]) -> Iterator[StageStep]:
    until: datetime | None = None
    for transition in newest_first:
        corrected = transition.superseded_at is not None
        yield StageStep(
            at=transition.effective_at,
            until=None if corrected else until,
            transition=transition,
            corrected=corrected,
        )
        if not corrected:
            until = transition.effective_at


def _handoff_steps(handoffs: list[Handoff]) -> Iterator[HandoffStep]:
    for handoff in handoffs:
        yield HandoffStep(handoff.offered_at, HandoffState.OFFERED, handoff, None)
        if handoff.claimed_at is not None:
            yield HandoffStep(handoff.claimed_at, HandoffState.CLAIMED, handoff, handoff.claimed_by)
        if handoff.accepted_at is not None:
            yield HandoffStep(handoff.accepted_at, HandoffState.ACCEPTED, handoff, handoff.claimed_by)
        if handoff.closed_at is not None and handoff.state not in OPEN_STATES:
            yield HandoffStep(handoff.closed_at, HandoffState(handoff.state), handoff, handoff.claimed_by)

"""A contact's journey: every stage held and every move of its handoffs, in time order."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from funnel.models import HandoffMove
from funnel.selectors.chain import MoveStep, in_words, moves_with_people
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
class Journey:
    """The steps, oldest first; ``truncated`` tells that older ones exist beyond the newest ``LIMIT``."""

    steps: tuple[StageStep | MoveStep, ...]
    truncated: bool


def contact_journey(*, contact_id: int, limit: int = LIMIT) -> Journey:
    """Return the contact's transitions and what was done with its handoffs, merged in time order; two queries."""
    transitions = list(
        Transition.objects.filter(contact_id=contact_id)
        .select_related("cause_event__kind__maps_to", "definition")
        .order_by("-effective_at", "-id")[: limit + 1]
    )
    moves = list(
        moves_with_people(HandoffMove.objects.filter(handoff__contact=contact_id)).order_by("-at", "-id")[: limit + 1]
    )
    truncated = len(transitions) > limit or len(moves) > limit
    steps: list[StageStep | MoveStep] = [*_stage_steps(transitions[:limit]), *in_words(moves[:limit][::-1])]
    # At one moment the stage comes first: it is what the handoff follows from.
    steps.sort(key=lambda step: (step.at, isinstance(step, MoveStep)))
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

"""What the moves of contacts say, one contact at a time: straight from the transitions in force."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from operator import itemgetter

from django.db.models import Q

from funnel.analytics import Period, Segment
from scoring.models import Transition
from scoring.selectors import published_definition

ARRIVAL = -1


@dataclass(frozen=True, slots=True)
class Track:
    """A contact's moves in time order, (moment, place it came from, place it came to), and when it reached each place.

    Places count the published definition's stages from the weakest, 0; ``ARRIVAL`` comes before all.
    """

    contact_id: int
    moves: tuple[tuple[datetime, int, int], ...]
    reached: tuple[datetime, ...]

    def strict_to(self, origin: int) -> int | None:
        """The place of the very next move after it came to stand at ``origin`` on reaching it."""
        for place, (at, _, target) in enumerate(self.moves):
            if at == self.reached[origin]:
                follows = self.moves[place + 1][2] if place + 1 < len(self.moves) else None
                return follows if target == origin else None
        return None

    def skipped(self, origin: int, target: int) -> bool:
        """Whether it reached ``target`` without having stood at ``origin``."""
        return not any(stood == origin and at < self.reached[target] for at, _, stood in self.moves)


def bounds(period: Period) -> tuple[datetime, datetime]:
    """The period's first moment, and the first one after it."""
    return _midnight(period.first), _midnight(period.last + timedelta(days=1))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def stage_order() -> tuple[str, ...]:
    """Keys of the published definition's stages, weakest first."""
    return tuple(stage.key for stage in published_definition()[1].stages)


def tracks(segment: Segment) -> Iterator[Track]:
    """The tracks of all contacts of the segment."""
    document = published_definition()[1]
    rows = (
        Transition.objects.filter(_of(segment), superseded_at=None)
        .order_by("contact_id", "effective_at")
        .values_list("contact_id", "effective_at", "from_stage", "to_stage")
    )
    for contact_id, chain in groupby(rows.iterator(chunk_size=10_000), key=itemgetter(0)):
        moves: list[tuple[datetime, int, int]] = []
        reached: list[datetime] = []
        for _, at, came_from, came_to in chain:
            origin, target = document.stage_rank(came_from), document.stage_rank(came_to)
            if origin == target:
                continue
            moves.append((at, origin, target))
            reached += [at] * (target + 1 - len(reached))
        if moves:
            yield Track(contact_id, tuple(moves), tuple(reached))


def _of(segment: Segment) -> Q:
    asked = {
        "contact__source_channel": segment.source,
        "contact__source_motion": segment.motion,
        "contact__source_campaign": segment.campaign,
        "contact__country": segment.country,
        "contact__source_direction": segment.direction,
        "contact__company": segment.company_id,
        "contact__company__industry": segment.industry,
        "contact__company__employees__gte": segment.employees_at_least,
        "contact__company__employees__lte": segment.employees_at_most,
    }
    return Q(**{name: value for name, value in asked.items() if value is not None})

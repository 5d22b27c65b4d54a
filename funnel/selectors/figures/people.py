"""The contacts behind a number."""

from dataclasses import dataclass
from enum import StrEnum

from funnel.analytics import Period, Segment
from funnel.selectors.figures.tracks import Track, bounds, stage_order, tracks

PAGE_SIZE = 50


class Number(StrEnum):
    """Which number it is that people are behind, as analytics.py defines it."""

    MOVES = "moves"
    REACHED = "reached"
    CONVERTED = "converted"
    STRICT = "strict"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Behind:
    """A number of the funnel.

    ``moves``: who moved from ``origin`` (None: from anywhere; "": arrived) to ``target`` (None: to anywhere) in the
    period: flows, entries, exits, entered_at. ``reached``: who reached ``origin`` in it; ``converted``, ``strict`` and
    ``skipped``: who of those got to ``target``.
    """

    number: Number
    origin: str | None = None
    target: str | None = None


@dataclass(frozen=True, slots=True)
class People:
    """A page of contact ids, ascending; ``next`` is the ``after`` of the following page, None on the last one."""

    contact_ids: tuple[int, ...]
    next: int | None


def people_behind(
    *, period: Period, segment: Segment, behind: Behind, after: int = 0, limit: int = PAGE_SIZE
) -> People:
    """A page of the contacts behind a number; ``after`` is the last contact id of the page before."""
    order = stage_order()
    start, end = bounds(period)

    def belongs(track: Track) -> bool:
        if behind.number is Number.MOVES:
            return any(
                start <= at < end
                and (behind.origin is None or (order[origin] if origin >= 0 else "") == behind.origin)
                and (behind.target is None or order[target] == behind.target)
                for at, origin, target in track.moves
            )
        origin = order.index(behind.origin or "")
        if len(track.reached) <= origin or not start <= track.reached[origin] < end:
            return False
        if behind.number is Number.REACHED:
            return True
        target = order.index(behind.target or "")
        if len(track.reached) <= target:
            return False
        return (
            behind.number is Number.CONVERTED
            or (behind.number is Number.STRICT and track.strict_to(origin) == target)
            or (behind.number is Number.SKIPPED and track.skipped(origin, target))
        )

    found = [track.contact_id for track in tracks(segment) if track.contact_id > after and belongs(track)]
    return People(tuple(found[:limit]), found[limit - 1] if len(found) > limit else None)

"""The contacts behind a number."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from funnel.analytics import PLACES, Period, Segment
from funnel.selectors.figures.counted import asked, condition
from funnel.selectors.figures.sums import counted_stages, select

PAGE_SIZE: Final = 50


class Number(StrEnum):
    """Which number it is that people are behind, as analytics.py defines it."""

    MOVES = "moves"
    REACHED = "reached"
    CONVERTED = "converted"
    STRICT = "strict"
    SKIPPED = "skipped"
    BEFORE = "before"
    AFTER = "after"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Behind:
    """A number of the funnel.

    ``moves``: who moved from ``origin`` (None: from anywhere; "": arrived) to ``target`` (None: to anywhere) in the
    period: flows, entries, exits, entered_at. ``reached``: who reached ``origin`` in it; ``converted``, ``strict`` and
    ``skipped``: who of those got to ``target``. ``before`` and ``after``: who stood at ``origin`` at the first moment
    of the period, and at the first one after it; ``changed``: who did at just one of the two, so that those that came
    less those that went are the change.
    """

    number: Number
    origin: str | None = None
    target: str | None = None


@dataclass(frozen=True, slots=True)
class People:
    """A page of contact ids, ascending; ``next`` is the ``after`` of the following page, None on the last one.

    ``went``: of a change those that stood there before and not after. Erased people are counted, but nobody to be
    shown.
    """

    contact_ids: tuple[int, ...]
    next: int | None
    went: frozenset[int] = frozenset()


# Ids from 2 ** 40 on are husks of erased people.
_PEOPLE: Final = """
SELECT came.contact_id, {went} FROM funnel_reached AS came
WHERE came.contact_id > %(after)s AND {belongs} AND {segment}
  AND EXISTS (SELECT FROM contacts_contact WHERE id = came.contact_id AND present)
ORDER BY came.contact_id LIMIT %(limit)s
"""
_MOVED: Final = """
EXISTS (SELECT FROM funnel_passage AS passage WHERE passage.contact_id = came.contact_id
    AND at >= %(start)s AND at < %(end)s AND (%(place)s::int IS NULL OR origin = %(place)s)
    AND (%(goal)s::int IS NULL OR target = %(goal)s))
"""
_REACHED: Final = "moments[%(place)s + 1] >= %(start)s AND moments[%(place)s + 1] < %(end)s"
_BIT: Final = f"{PLACES} * %(place)s + %(goal)s"
# Who stands there has reached it, which its own row says; where it stood last before a moment is a look at its moves.
_STOOD: Final = """
(moments[%(place)s + 1] < {moment} AND %(place)s = (
    SELECT target FROM funnel_passage AS passage WHERE passage.contact_id = came.contact_id AND at < {moment}
    ORDER BY at DESC LIMIT 1)) IS TRUE
"""
_BEFORE: Final = _STOOD.format(moment="%(start)s")
_AFTER: Final = _STOOD.format(moment="%(end)s")
_MOVED_THERE: Final = """
EXISTS (SELECT FROM funnel_passage AS passage WHERE passage.contact_id = came.contact_id
    AND at >= %(start)s AND at < %(end)s AND %(place)s IN (origin, target))
"""
_BELONGS: Final = {
    Number.MOVES: _MOVED,
    Number.REACHED: _REACHED,
    Number.CONVERTED: f"{_REACHED} AND cardinality(moments) > %(goal)s",
    Number.STRICT: f"{_REACHED} AND strict >> ({_BIT}) & 1 = 1",
    Number.SKIPPED: f"{_REACHED} AND skipped >> ({_BIT}) & 1 = 1",
    Number.BEFORE: _BEFORE,
    Number.AFTER: _AFTER,
    Number.CHANGED: f"{_MOVED_THERE} AND ({_BEFORE}) <> ({_AFTER})",
}


def people_behind(
    *, period: Period, segment: Segment, behind: Behind, after: int = 0, limit: int = PAGE_SIZE
) -> People:
    """A page of the contacts behind a number; ``after`` is the last contact id of the page before. Two queries.

    Raises:
        ValueError: a stage that is named is not counted.
    """
    places = {"": -1, **{key: place for place, key in enumerate(counted_stages())}}
    for key in (behind.origin, behind.target):
        if key is not None and key not in places:
            raise ValueError(f"{key!r} is not counted")
    given = {
        **asked(segment),
        "place": None if behind.origin is None else places[behind.origin],
        "goal": None if behind.target is None else places[behind.target],
        "start": period.start,
        "end": period.end,
        "after": after,
        "limit": limit + 1,
    }
    statement = _PEOPLE.format(
        belongs=_BELONGS[behind.number],
        went=_BEFORE if behind.number is Number.CHANGED else "false",
        segment=condition(segment),
    )
    found = select(statement, given)
    contact_ids = [contact_id for contact_id, _ in found]
    return People(
        tuple(contact_ids[:limit]),
        contact_ids[limit - 1] if len(found) > limit else None,
        frozenset(contact_id for contact_id, went in found if went),
    )

"""What is asked of the contact list by its address: stage, search, filters, order, place; nothing is dropped unsaid."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Final

from django.utils.translation import gettext

from contacts.enums import Answer, Motion
from contacts.selectors.search import MAX_TEXT

NOBODY: Final = "none"
FALL, RIPEN = "fall", "ripen"
LONGEST_DAYS: Final = 3_650
MOST_POINTS: Final = 1_000_000
LONGEST_VALUE: Final = 300


class Sort(StrEnum):
    """By what the list is ordered."""

    SCORE = "score"
    FIT = "fit"
    RECENT = "recent"
    SINCE = "since"
    NAME = "name"
    NEWEST = "newest"


@dataclass(frozen=True, slots=True)
class Problem:
    """A parameter that could not be understood: its name, what was given, and what is wrong with it, for people."""

    name: str
    value: str
    message: str


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for. An empty text, and None, is no filter.

    ``owner``: a user's id or ``none`` (Marketing). ``source``: a channel. Fit and engagement are in thousandths of a
    point, both ends included. ``seen_within``: active in the last so many days; ``unseen_for``: not active for so
    many. ``company``: an id, a name or a domain. ``tag``: a tag's name. ``attribute`` alone: contacts that have it;
    with ``attribute_value``: that value. ``soon``: ``fall`` or ``ripen``. ``backwards`` turns the order round.
    """

    stage: str = ""
    text: str = ""
    owner: str = ""
    source: str = ""
    motion: str = ""
    campaign: str = ""
    fit_from: int | None = None
    fit_to: int | None = None
    engagement_from: int | None = None
    engagement_to: int | None = None
    seen_within: int | None = None
    unseen_for: int | None = None
    country: str = ""
    company: str = ""
    tag: str = ""
    attribute: str = ""
    attribute_value: str = ""
    means: str = ""
    authority: str = ""
    soon: str = ""
    sort: Sort = Sort.SCORE
    backwards: bool = False
    after: str = ""
    problems: tuple[Problem, ...] = ()

    @classmethod
    def read(cls, given: Mapping[str, str]) -> "Query":
        """Return what the parameters of the list's address ask for; what cannot be read is told in ``problems``."""
        said: dict[str, Any] = {}
        problems = []
        for name, read in _READERS.items():
            value = given.get(PARAMETERS.get(name, name), "").replace("\0", "").strip()
            if not value:
                continue
            try:
                said[name] = read(value)
            except ValueError as error:
                problems.append(Problem(PARAMETERS.get(name, name), value[:60], str(error)))
        if said.get("attribute_value") and not said.get("attribute"):
            message = gettext("Name the attribute that has this value.")
            problems.append(Problem("attribute_value", said.pop("attribute_value"), message))
        return cls(**said, problems=tuple(problems))

    @property
    def descending(self) -> bool:
        """Whether the greatest comes first: so by nature, but for names."""
        return (self.sort is Sort.NAME) == self.backwards

    def in_force(self) -> list[str]:
        """Return the names of the filters that are set, the stage and the search among them."""
        names = (one.name for one in fields(self) if one.name not in _ORDER)
        return [name for name in names if getattr(self, name) not in ("", None)]


_ORDER: Final = ("sort", "backwards", "after", "problems")
# Where the address says it otherwise than the field.
PARAMETERS: Final[Mapping[str, str]] = {"text": "q", "backwards": "reverse"}


def _text(value: str) -> str:
    return value[:LONGEST_VALUE]


def _points(value: str) -> int:
    if not re.fullmatch(r"[-+]?[0-9]{1,7}([.,][0-9]{1,3})?", value):
        raise ValueError(gettext("This is not a number of points."))
    points = round(float(value.replace(",", ".")) * 1_000)
    if abs(points) > MOST_POINTS * 1_000:
        raise ValueError(gettext("This is not a number of points."))
    return points


def _days(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", value) or not 1 <= int(value) <= LONGEST_DAYS:
        raise ValueError(gettext("This is not a number of days, 1 to %(most)s.") % {"most": LONGEST_DAYS})
    return int(value)


def _owner(value: str) -> str:
    if value != NOBODY and not re.fullmatch(r"[0-9]{1,18}", value):
        raise ValueError(gettext("There is no such person."))
    return value


def _one_of(*values: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in values:
            raise ValueError(gettext("This is not one of %(values)s.") % {"values": ", ".join(values)})
        return value

    return read


def _sort(value: str) -> Sort:
    if value not in set(Sort):
        raise ValueError(gettext("The list cannot be sorted by this."))
    return Sort(value)


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "stage": _text,
    "text": lambda value: value[:MAX_TEXT],
    "owner": _owner,
    "source": _text,
    "motion": _one_of(*filter(None, Motion.values)),
    "campaign": _text,
    "fit_from": _points,
    "fit_to": _points,
    "engagement_from": _points,
    "engagement_to": _points,
    "seen_within": _days,
    "unseen_for": _days,
    "country": _text,
    "company": _text,
    "tag": _text,
    "attribute": _text,
    "attribute_value": _text,
    "means": _one_of(*Answer.values),
    "authority": _one_of(*Answer.values),
    "soon": _one_of(FALL, RIPEN),
    "sort": _sort,
    "backwards": lambda value: value == "1",
    "after": lambda value: value[: LONGEST_VALUE * 3],
}

"""What pages hand to components: small frozen rows, one for each thing a component repeats."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, Literal

from django.utils.translation import gettext

Tone = Literal["", "good", "warn", "bad", "note"]
StepState = Literal["reached", "current", "next", "ahead"]

# A message whose ``extra_tags`` begin so can be taken back: the rest is the address that does it when posted to.
UNDO: Final = "undo:"


@dataclass(frozen=True, slots=True)
class Tab:
    """A tab: a link, whether it is the current page, and a count (with ``more`` where counting was capped)."""

    label: str
    url: str
    current: bool = False
    count: int | None = None
    more: bool = False
    icon: str = ""
    stage: str = ""


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter in force, with the link that takes it away."""

    name: str
    value: str
    remove_url: str


@dataclass(frozen=True, slots=True)
class MenuItem:
    """An entry of a menu: a link, or with ``post`` a form that posts to the URL."""

    label: str
    url: str
    icon: str = ""
    danger: bool = False
    current: bool = False
    post: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """A stage on the track."""

    key: str
    label: str
    state: StepState
    note: str = ""


@dataclass(frozen=True, slots=True)
class Criterion:
    """A node of a criteria tree: met, unmet, or ``None`` where it was not asked; groups have children."""

    text: str
    met: bool | None
    detail: str = ""
    children: tuple["Criterion", ...] = ()


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """A line of a score's ledger, in thousandths of a point.

    ``raw`` is what the rule gives, ``total`` what counts after decay. An adjustment (cap, floor) has no raw points.
    """

    what: str
    rule: str
    at: datetime | None
    raw: int | None
    total: int
    decay: str = ""
    note: str = ""
    adjustment: bool = False


@dataclass(frozen=True, slots=True)
class TimelineItem:
    """Something that happened: an event (``icon``, initiator) or a change of stage (``stage``).

    ``key`` names it among all. ``event_id`` is that of an event which people may correct, 0 for anything else; ``menu``
    is how they do.
    """

    at: datetime
    title: str
    key: str = ""
    icon: str = ""
    detail: str = ""
    quote: str = ""
    badges: tuple[tuple[str, Tone], ...] = ()
    by_them: bool = False
    void: bool = False
    event_id: int = 0
    retracted: bool = False
    suspect: bool = False
    menu: tuple[MenuItem, ...] = ()
    stage: str = ""
    stage_from: str = ""
    stage_from_label: str = ""
    stage_label: str = ""


@dataclass(frozen=True, slots=True)
class TimelineDay:
    """The items of one day, newest first."""

    day: date
    label: str
    items: Sequence[TimelineItem] = field(default_factory=tuple)


def steps_of(
    stages: Sequence[tuple[str, str]], *, current: str, furthest: str = "", notes: dict[str, str] | None = None
) -> list[Step]:
    """Lay a contact on the stage track.

    ``stages`` are (key, label) pairs, weakest first. Stages below the current one count as reached, the one after
    it is next. Those above it that the contact once held say so, up to the furthest.
    """
    keys = [key for key, _ in stages]
    at = keys.index(current) if current in keys else 0
    held = keys.index(furthest) if furthest in keys else at
    steps = []
    for index, (key, label) in enumerate(stages):
        if index == at:
            state: StepState = "current"
        elif index < at:
            state = "reached"
        else:
            state = "next" if index == at + 1 else "ahead"
        note = (notes or {}).get(key, "") or (gettext("held before") if at < index <= held else "")
        steps.append(Step(key=key, label=label, state=state, note=note))
    return steps

"""A rep's own handoffs, by what each of them waits for, and those that ended lately."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.contrib.auth.models import User
from django.db.models import F, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleLessThan

from funnel.enums import OPEN_STATES
from funnel.models import Handoff
from funnel.selectors.cards import HandoffCard, Waits, handoffs_for_cards, last_activity_of, make_cards, waits_of
from funnel.selectors.cards import with_activity as handoffs_with_activity
from funnel.selectors.marks import read_mark, write_mark
from funnel.selectors.working import sales_settings

# So many cards of each column at first, and so many more whenever somebody asks for more.
COLUMN_SIZE: Final = 6
MORE_SIZE: Final = 24
CLOSED: Final = "closed"
# The columns, and what their handoffs wait for.
COLUMNS: Final = {
    "claimed": Waits.ATTEMPT,
    "talking": Waits.NOTHING,
    "waiting": Waits.NEXT_DATE,
    "due": Waits.OUTCOME,
}
_COLUMN_OF: Final = {waits: key for key, waits in COLUMNS.items()}
_LAST: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class MyColumn:
    """A part of what a rep holds, or has held.

    ``total``: how many there are; ``cards``: those that are shown, in order; ``left``: how many come after them, and
    ``next`` the ``after`` of these ("" where there are none). ``gone``: cards that an open page still shows here and
    that are elsewhere now. Of those that ended neither ``total`` nor ``left`` counts more than what is shown.
    """

    cards: tuple[HandoffCard, ...] = ()
    gone: tuple[HandoffCard, ...] = ()
    total: int = 0
    left: int = 0
    next: str = ""


@dataclass(frozen=True, slots=True)
class MyHandoffs:
    """A rep's handoffs.

    ``claimed``: nobody has got in touch yet and the clock runs, the closest deadline first. ``talking``: in
    conversation, the latest first. ``waiting``: until a date to come, the closest first. ``due``: that date has passed
    or nothing was said for too long, the longest first. ``closed``: those that ended, the latest first.
    """

    claimed: MyColumn
    talking: MyColumn
    waiting: MyColumn
    due: MyColumn
    closed: MyColumn
    stale_days: int

    def column(self, key: str) -> MyColumn:
        """One of the columns by its key: one of ``COLUMNS``, or ``CLOSED``."""
        found: MyColumn = getattr(self, key)
        return found


# A handoff's place in its column: a moment and its id.
_Place = tuple[datetime, int]


def mine(
    *,
    user: User,
    now: datetime,
    column: str = "",
    after: str = "",
    shown: Mapping[str, Sequence[int]] | None = None,
) -> MyHandoffs:
    """What ``user`` holds, by what it waits for, and what ended; the beginning of each column.

    ``column`` (a key) and ``after`` (its ``next``): that column goes on after what was shown before, the others stay
    as they are. ``shown``: by column the ids of what an open page shows; it is among the cards, wherever the column is
    cut. At most seven queries.
    """
    settings = sales_settings()
    shown = shown or {}
    places = _places(user, now=now, stale_days=settings.stale_days)
    cut = {key: _cut(key, places[key], column, after, shown.get(key, ())) for key in COLUMNS}
    gone = {key: set(shown.get(key, ())) - {pk for _, pk in places[key]} for key in COLUMNS}
    wanted = {pk for picked in cut.values() for _, pk in picked} | {pk for lost in gone.values() for pk in lost}
    own = handoffs_for_cards().filter(claimed_by=user)
    ended = _ended(own, after if column == CLOSED else "")
    rows = list(own.filter(pk__in=wanted)) if wanted else []
    made = make_cards([*rows, *ended], user=user, now=now, stale_days=settings.stale_days)
    cards = {card.handoff.pk: card for card in made[: len(rows)]}
    size = MORE_SIZE if column == CLOSED else COLUMN_SIZE
    closed = MyColumn(
        cards=made[len(rows) :][:size],
        total=min(len(ended), size),
        left=max(len(ended) - size, 0),
        next=_mark_of(ended[size - 1]) if len(ended) > size else "",
    )
    return MyHandoffs(
        **{
            key: MyColumn(
                cards=tuple(cards[pk] for _, pk in cut[key] if pk in cards),
                gone=tuple(cards[pk] for pk in sorted(gone[key]) if pk in cards),
                total=len(places[key]),
                left=(left := _left(places[key], cut[key])),
                next=write_mark(*cut[key][-1]) if left else "",
            )
            for key in COLUMNS
        },
        closed=closed,
        stale_days=settings.stale_days,
    )


def _places(user: User, *, now: datetime, stale_days: int) -> dict[str, list[_Place]]:
    """Everything that the rep holds, by column and in its order: narrow rows, however many there are."""
    held = Handoff.objects.filter(contact__erased_at=None, claimed_by=user, state__in=OPEN_STATES).only(
        "id", "state", "due_at", "next_at", "claimed_at", "accepted_at", "attempted_at", "last_activity_at"
    )
    places: dict[str, list[_Place]] = {key: [] for key in COLUMNS}
    for row in handoffs_with_activity(held):
        key = _COLUMN_OF.get(waits_of(row, now=now, stale_days=stale_days))
        if key is not None:
            places[key].append((_moment(key, row) or _LAST, row.pk))
    for key, found in places.items():
        found.sort(reverse=key == "talking")
    return places


def _moment(key: str, handoff: Handoff) -> datetime | None:
    if key == "claimed":
        return handoff.due_at
    if key == "talking":
        return last_activity_of(handoff)
    return handoff.next_at or last_activity_of(handoff)


def _cut(key: str, places: Sequence[_Place], column: str, after: str, shown: Sequence[int]) -> list[_Place]:
    """What of a column is shown: its beginning or what follows the mark, and what is shown already."""
    first, size = 0, COLUMN_SIZE
    if key == column:
        size = MORE_SIZE
        if (mark := read_mark(after)) is not None:
            before = (lambda place: place >= mark) if key == "talking" else (lambda place: place <= mark)
            first = sum(map(before, places))
    known = set(shown)
    return [place for at, place in enumerate(places) if first <= at < first + size or place[1] in known]


def _left(places: Sequence[_Place], cut: Sequence[_Place]) -> int:
    return len(places) - 1 - places.index(cut[-1]) if cut else 0


def _ended(own: "QuerySet[Handoff]", after: str) -> list[Handoff]:
    """Those that ended, and one more than are shown."""
    ended = own.exclude(state__in=OPEN_STATES)
    if (mark := read_mark(after)) is not None:
        ended = ended.filter(TupleLessThan(Tuple(F("closed_at"), F("id")), mark))
    return list(ended.order_by("-closed_at", "-id")[: MORE_SIZE + 1])


def _mark_of(ended: Handoff) -> str:
    return write_mark(ended.closed_at or _LAST, ended.pk)

"""A rep's own handoffs, by what each of them waits for."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.contrib.auth.models import User

from funnel.enums import OPEN_STATES
from funnel.selectors.cards import HandoffCard, Waits, handoffs_for_cards, make_cards
from funnel.selectors.working import sales_settings

# A rep with more open prospects than this has another problem than paging.
MINE_LIMIT = 200
LATELY_CLOSED = 20
_LAST: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class MyHandoffs:
    """A rep's handoffs.

    ``claimed``: nobody has got in touch yet and the clock runs, the closest deadline first. ``talking``: in
    conversation, the latest first. ``waiting``: until a date to come, the closest first. ``due``: that date has passed
    or nothing was said for too long, the longest first. ``closed``: the latest few that ended.
    """

    claimed: tuple[HandoffCard, ...]
    talking: tuple[HandoffCard, ...]
    waiting: tuple[HandoffCard, ...]
    due: tuple[HandoffCard, ...]
    closed: tuple[HandoffCard, ...]
    stale_days: int


def mine(*, user: User, now: datetime) -> MyHandoffs:
    """What ``user`` holds, by what it waits for, and the latest few that ended."""
    settings = sales_settings()
    own = handoffs_for_cards().filter(claimed_by=user)
    still_open = list(own.filter(state__in=OPEN_STATES).order_by("-claimed_at", "-id")[:MINE_LIMIT])
    closed = list(own.exclude(state__in=OPEN_STATES).order_by("-closed_at", "-id")[:LATELY_CLOSED])
    cards = make_cards([*still_open, *closed], user=user, now=now, stale_days=settings.stale_days)
    opened = cards[: len(still_open)]
    return MyHandoffs(
        claimed=_by_time(_that_wait(opened, Waits.ATTEMPT), key=lambda card: card.handoff.due_at),
        talking=_by_time(_that_wait(opened, Waits.NOTHING), key=lambda card: card.last_activity_at)[::-1],
        waiting=_by_time(_that_wait(opened, Waits.NEXT_DATE), key=lambda card: card.handoff.next_at),
        due=_by_time(_that_wait(opened, Waits.OUTCOME), key=lambda card: card.handoff.next_at or card.last_activity_at),
        closed=cards[len(still_open) :],
        stale_days=settings.stale_days,
    )


def _that_wait(cards: Sequence[HandoffCard], waits: Waits) -> list[HandoffCard]:
    return [card for card in cards if card.waits is waits]


def _by_time(cards: Iterable[HandoffCard], *, key: Callable[[HandoffCard], datetime | None]) -> tuple[HandoffCard, ...]:
    return tuple(sorted(cards, key=lambda card: (key(card) or _LAST, card.handoff.pk)))

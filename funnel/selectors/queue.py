"""The rep's lists: offers to claim, and what a rep has claimed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery

from contacts.enums import Initiator
from contacts.models import Contact, Event
from funnel.enums import OPEN_STATES, HandoffState
from funnel.models import Handoff
from funnel.moves import Move
from funnel.permissions import offered_moves
from funnel.selectors.stages import open_questions_of
from scoring.definition import Gate

PAGE_SIZE = 50
# A rep with more open prospects than this has another problem than paging.
MINE_LIMIT = 200
LATELY_CLOSED = 20
COUNT_CAP = 1000

_THEIRS = (Initiator.THEM, Initiator.BOTH)


@dataclass(frozen=True, slots=True)
class HandoffCard:
    """A handoff as a card shows it.

    ``handoff`` comes with contact, company, standing and rep loaded; ``last_words`` is the latest event that the
    contact began or took part in (its kind loaded); ``questions`` are gates nobody has answered; ``moves`` are the
    buttons that this person gets.
    """

    handoff: Handoff
    last_words: Event | None
    questions: tuple[Gate, ...]
    moves: tuple[Move, ...]

    @property
    def contact(self) -> Contact:
        """The contact that is handed over."""
        return self.handoff.contact


@dataclass(frozen=True, slots=True)
class QueuePage:
    """One page of the queue; ``next`` is the ``after`` of the following page, None on the last one."""

    cards: tuple[HandoffCard, ...]
    next: int | None
    # Counted up to COUNT_CAP, then "1,000+".
    waiting: int


@dataclass(frozen=True, slots=True)
class MyHandoffs:
    """A rep's handoffs by state, newest activity first; ``closed`` holds the latest few that ended."""

    claimed: tuple[HandoffCard, ...]
    accepted: tuple[HandoffCard, ...]
    closed: tuple[HandoffCard, ...]


def handoffs_for_cards() -> "QuerySet[Handoff]":
    """Return handoffs with everything that a card or the API shows loaded, and the id of the last words.

    Those of erased people are counted elsewhere and shown nowhere.
    """
    last_words = (
        Event.objects.filter(
            Q(kind__maps_to=None, kind__initiator__in=_THEIRS) | Q(kind__maps_to__initiator__in=_THEIRS),
            contact=OuterRef("contact"),
            retracted_at=None,
            suspect_reason="",
        )
        .order_by("-occurred_at", "-id")
        .values("id")[:1]
    )
    rows = Handoff.objects.filter(contact__erased_at=None).annotate(last_words_id=Subquery(last_words))
    return rows.select_related("contact__company", "contact__standing__owner", "claimed_by")


def make_cards(handoffs: Iterable[Handoff], *, user: User) -> tuple[HandoffCard, ...]:
    """Turn rows of ``handoffs_for_cards`` into cards; one query for the last words of all of them."""
    rows = list(handoffs)
    words = Event.objects.select_related("kind__maps_to").in_bulk(
        [row.last_words_id for row in rows if row.last_words_id is not None]  # type: ignore[attr-defined]
    )
    questions = open_questions_of([row.contact for row in rows])
    return tuple(
        HandoffCard(
            handoff=row,
            last_words=words.get(row.last_words_id),  # type: ignore[attr-defined]
            questions=questions[row.contact_id],
            moves=offered_moves(user, row),
        )
        for row in rows
    )


def queue(*, user: User, after: int | None = None, limit: int = PAGE_SIZE) -> QueuePage:
    """Unclaimed offers, the longest waiting first; ``after`` is the handoff id that ended the page before."""
    offered = handoffs_for_cards().filter(state=HandoffState.OFFERED).order_by("offered_at", "id")
    if after is not None:
        # The row that ended the last page may be claimed by now; its place in the order stands all the same.
        mark = Handoff.objects.filter(pk=after).values("offered_at")
        offered = offered.filter(
            Q(offered_at__gt=Subquery(mark)) | Q(offered_at=Subquery(mark), pk__gt=after),
        )
    rows = list(offered[: limit + 1])
    waiting = Handoff.objects.filter(state=HandoffState.OFFERED).order_by()[:COUNT_CAP].aggregate(n=Count("id"))["n"]
    return QueuePage(
        cards=make_cards(rows[:limit], user=user),
        next=rows[limit - 1].pk if len(rows) > limit else None,
        waiting=waiting,
    )


def mine(*, user: User) -> MyHandoffs:
    """What ``user`` has claimed, by state, and the latest few that ended."""
    own = handoffs_for_cards().filter(claimed_by=user)
    still_open = list(own.filter(state__in=OPEN_STATES).order_by("-claimed_at", "-id")[:MINE_LIMIT])
    closed = list(own.exclude(state__in=OPEN_STATES).order_by("-closed_at", "-id")[:LATELY_CLOSED])
    cards = make_cards([*still_open, *closed], user=user)
    return MyHandoffs(
        claimed=_in_state(cards, HandoffState.CLAIMED),
        accepted=_in_state(cards, HandoffState.ACCEPTED),
        closed=tuple(card for card in cards if card.handoff.state not in OPEN_STATES),
    )


def _in_state(cards: Sequence[HandoffCard], state: HandoffState) -> tuple[HandoffCard, ...]:
    return tuple(card for card in cards if card.handoff.state == state)

"""A handoff as cards and lists show it: last words, open questions, what it waits for, and what may be done."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django.contrib.auth.models import User
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils.translation import gettext, gettext_lazy, ngettext

from contacts.enums import Initiator
from contacts.models import Contact, Event
from funnel.conversation import ATTEMPTS, Activity
from funnel.enums import HandoffState, InterimOutcome, MoveName
from funnel.models import Handoff
from funnel.moves import HELD_STATES, Move
from funnel.permissions import offered_moves
from funnel.selectors.people import name_of
from funnel.selectors.stages import open_questions_of
from scoring.definition import Gate

_THEIRS: Final = (Initiator.THEM, Initiator.BOTH)
# What keeps a conversation fresh, whoever reports it.
_SPOKEN: Final = (*ATTEMPTS, Activity.NOTE_ADDED.value)


class Waits(StrEnum):
    """What an open handoff waits for."""

    CLAIM = "claim"
    ATTEMPT = "attempt"
    NEXT_DATE = "next_date"
    OUTCOME = "outcome"
    NOTHING = ""


_RINGS: Final = {Waits.CLAIM: gettext_lazy("Claim"), Waits.ATTEMPT: gettext_lazy("First contact")}
_BECAME: Final = {
    HandoffState.WON: gettext_lazy("Won meanwhile"),
    HandoffState.RETURNED: gettext_lazy("Returned to Marketing"),
    HandoffState.EXPIRED: gettext_lazy("Nobody claimed it in time"),
    HandoffState.WITHDRAWN: gettext_lazy("Withdrawn: no longer ready for Sales"),
    HandoffState.SUSPENDED: gettext_lazy("Suspended: its contact was merged"),
}


@dataclass(frozen=True, slots=True)
class Ring:
    """A clock as people read it: what it runs for, when it is up, and whether it has warned or is past.

    ``at`` is None where the sweep has yet to set it. ``left`` is how much of it is left, in tenths, for its picture.
    """

    what: str
    at: datetime | None
    warned: bool
    over: bool
    left: int = 0


@dataclass(frozen=True, slots=True)
class HandoffCard:
    """A handoff as a card shows it.

    ``handoff`` comes with contact, company, standing, rep and whom it is kept for loaded; ``last_words`` is the latest
    event that the contact began or took part in (its kind loaded); ``questions`` are gates nobody has answered;
    ``moves`` are the buttons that this person gets. ``due`` says why it asks for attention: its next date has passed,
    or nothing was said for too long; empty where it does not.
    """

    handoff: Handoff
    last_words: Event | None
    questions: tuple[Gate, ...]
    moves: tuple[Move, ...]
    waits: Waits
    ring: Ring | None
    due: str
    last_activity_at: datetime | None
    is_mine: bool = False

    @property
    def contact(self) -> Contact:
        """The contact that is handed over."""
        return self.handoff.contact

    @property
    def may_claim(self) -> bool:
        """Whether this person gets the button that claims it."""
        return self._may(MoveName.CLAIM)

    @property
    def may_release(self) -> bool:
        """Whether this person may put back into the queue what they have just claimed."""
        return self.is_mine and self._may(MoveName.RELEASE)

    @property
    def may_record_outcome(self) -> bool:
        """Whether this person may say what came of it so far."""
        return self._may(MoveName.OUTCOME)

    def _may(self, name: MoveName) -> bool:
        return any(move.name == name for move in self.moves)

    @property
    def became(self) -> str:
        """What became of an offer that is none any more, in a sentence; empty while it is one."""
        state, rep = HandoffState(self.handoff.state), self.handoff.claimed_by
        if state == HandoffState.OFFERED:
            return ""
        if state in HELD_STATES and rep is not None:
            return gettext("Yours now") if self.is_mine else gettext("Claimed by %(name)s") % {"name": name_of(rep)}
        return str(_BECAME.get(state, state.label))

    @property
    def kept_for(self) -> str:
        """The name of the rep that the offer is kept for; empty where it is anybody's."""
        rep = self.handoff.assigned_to
        return name_of(rep) if rep is not None and self.handoff.state == HandoffState.OFFERED else ""

    @property
    def why_kept(self) -> str:
        """Why it is kept for them, in a sentence."""
        routing = self.handoff.routing if isinstance(self.handoff.routing, dict) else {}
        return str(routing.get("why", "")) if self.kept_for else ""

    @property
    def in_vain(self) -> str:
        """How often it was offered before, to nobody's use; empty where never."""
        times = self.handoff.escalation
        if not times:
            return ""
        if times == 1:
            return gettext("Offered once in vain")
        return ngettext("Offered %(times)s time in vain", "Offered %(times)s times in vain", times) % {"times": times}


def with_activity(rows: "QuerySet[Handoff]") -> "QuerySet[Handoff]":
    """Annotate each handoff with ``spoke_at``: the last thing said or tried since it was claimed, None without any."""
    spoken = (
        Event.objects.filter(
            Q(kind__maps_to=None, kind__name__in=_SPOKEN) | Q(kind__maps_to__name__in=_SPOKEN),
            contact=OuterRef("contact"),
            occurred_at__gte=OuterRef("claimed_at"),
            retracted_at=None,
            suspect_reason="",
        )
        .order_by("-occurred_at")
        .values("occurred_at")[:1]
    )
    return rows.annotate(spoke_at=Subquery(spoken))


def last_activity_of(handoff: Handoff) -> datetime | None:
    """When something was last said or done with a row of ``with_activity``; None before it is claimed."""
    known = (handoff.claimed_at, handoff.accepted_at, handoff.last_activity_at, vars(handoff).get("spoke_at"))
    return max((moment for moment in known if moment is not None), default=None)


def waits_of(handoff: Handoff, *, now: datetime, stale_days: int) -> Waits:
    """What a row of ``with_activity`` waits for.

    A claimed one for the first attempt; then for its next date; once that has passed, or where nothing was said for
    ``stale_days`` days and no date agreed, for an outcome.
    """
    if handoff.state == HandoffState.OFFERED:
        return Waits.CLAIM
    if handoff.state not in HELD_STATES:
        return Waits.NOTHING
    if handoff.attempted_at is None:
        return Waits.ATTEMPT
    if handoff.next_at is not None:
        return Waits.NEXT_DATE if handoff.next_at > now else Waits.OUTCOME
    last = last_activity_of(handoff)
    return Waits.OUTCOME if last is None or now - last >= timedelta(days=stale_days) else Waits.NOTHING


def is_stale(handoff: Handoff, *, now: datetime, stale_days: int) -> bool:
    """Tell whether a row of ``with_activity`` asks for an outcome: its next date has passed, or it fell silent."""
    return waits_of(handoff, now=now, stale_days=stale_days) is Waits.OUTCOME


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
    rows = with_activity(Handoff.objects.filter(contact__erased_at=None)).annotate(last_words_id=Subquery(last_words))
    return rows.select_related("contact__company", "contact__standing__owner", "claimed_by", "assigned_to")


def make_cards(handoffs: Iterable[Handoff], *, user: User, now: datetime, stale_days: int) -> tuple[HandoffCard, ...]:
    """Turn rows of ``handoffs_for_cards`` into cards; one query for the last words of all of them."""
    rows = list(handoffs)
    words = Event.objects.select_related("kind__maps_to").in_bulk(
        [row.last_words_id for row in rows if row.last_words_id is not None]  # type: ignore[attr-defined]
    )
    questions = open_questions_of([row.contact for row in rows])
    cards = []
    for row in rows:
        waits = waits_of(row, now=now, stale_days=stale_days)
        last = last_activity_of(row)
        cards.append(
            HandoffCard(
                handoff=row,
                last_words=words.get(row.last_words_id),  # type: ignore[attr-defined]
                questions=questions[row.contact_id],
                moves=offered_moves(user, row),
                waits=waits,
                ring=_ring(row, waits, now=now),
                due=_why_due(row, waits, stale_days=stale_days),
                last_activity_at=last,
                is_mine=row.claimed_by_id is not None and row.claimed_by_id == user.pk,
            )
        )
    return tuple(cards)


def _ring(handoff: Handoff, waits: Waits, *, now: datetime) -> Ring | None:
    what = _RINGS.get(waits)
    if what is None:
        return None
    return Ring(
        what=str(what),
        at=handoff.due_at,
        warned=handoff.warn_at is not None and handoff.warn_at <= now,
        over=handoff.due_at is not None and handoff.due_at <= now,
        left=_tenths_left(handoff.offered_at if waits is Waits.CLAIM else handoff.claimed_at, handoff.due_at, now=now),
    )


def _tenths_left(start: datetime | None, end: datetime | None, *, now: datetime) -> int:
    """How much of the time from ``start`` to ``end`` is left, in tenths, rounded up; by the wall clock."""
    if start is None or end is None or end <= max(start, now):
        return 0
    return min(10, -(-10 * (end - now) // (end - start)))


def _why_due(handoff: Handoff, waits: Waits, *, stale_days: int) -> str:
    if waits is not Waits.OUTCOME:
        return ""
    if handoff.next_at is None:
        said = ngettext(
            "Nothing was said for %(days)s day or more: how does it go on?",
            "Nothing was said for %(days)s days or more: how does it go on?",
            stale_days,
        )
        return said % {"days": stale_days}
    if handoff.outcome:
        result = InterimOutcome(handoff.outcome).label
        return gettext("The date to go on after “%(result)s” has passed: what came of it?") % {"result": result}
    return gettext("The date to go on has passed: what came of it?")

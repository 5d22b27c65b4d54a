"""One handoff with all that its page shows."""

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import Q

from contacts.models import Event
from funnel.models import Handoff
from funnel.selectors.queue import HandoffCard, handoffs_for_cards, make_cards
from funnel.selectors.stages import stage_of
from scoring.definition import Stage

LOG_LIMIT = 50
OTHERS_LIMIT = 20


@dataclass(frozen=True, slots=True)
class HandoffDetail:
    """A handoff's page.

    ``stage`` is what the published definition says about the stage it was offered in (communication, calls to action);
    ``log`` holds the contact's latest conversations and facts, newest first; ``others`` the contact's other handoffs.
    """

    card: HandoffCard
    stage: Stage
    log: tuple[Event, ...]
    others: tuple[Handoff, ...]

    @property
    def handoff(self) -> Handoff:
        """The handoff itself."""
        return self.card.handoff


def handoff_detail(*, handoff_id: int, user: User) -> HandoffDetail:
    """Return the handoff's page for ``user``; raises ``Handoff.DoesNotExist``."""
    (card,) = make_cards([handoffs_for_cards().select_related("transition").get(pk=handoff_id)], user=user)
    log = (
        Event.objects.filter(contact_id=card.handoff.contact_id, retracted_at=None, suspect_reason="")
        .exclude(Q(kind__maps_to=None, kind__reach="many") | Q(kind__maps_to__reach="many"))
        .exclude(Q(kind__maps_to=None, kind__name="page_viewed") | Q(kind__maps_to__name="page_viewed"))
        .select_related("kind__maps_to", "recorded_by")
        .order_by("-occurred_at", "-id")[:LOG_LIMIT]
    )
    others = (
        Handoff.objects.filter(contact_id=card.handoff.contact_id)
        .exclude(pk=handoff_id)
        .select_related("claimed_by")
        .order_by("-offered_at", "-id")[:OTHERS_LIMIT]
    )
    return HandoffDetail(card=card, stage=stage_of(card.handoff.stage), log=tuple(log), others=tuple(others))

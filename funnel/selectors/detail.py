"""One handoff with all that its page shows."""

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import Q

from contacts.models import Event
from funnel.models import Handoff
from funnel.selectors.cards import HandoffCard, handoffs_for_cards, make_cards
from funnel.selectors.chain import MoveStep, chain_of
from funnel.selectors.stages import stage_of
from funnel.selectors.working import sales_settings
from scoring.definition import Stage

LOG_LIMIT = 50
OTHERS_LIMIT = 20


@dataclass(frozen=True, slots=True)
class HandoffDetail:
    """A handoff's page.

    ``stage`` is what the published definition says about the stage it was offered in (communication); ``log`` holds the
    contact's latest conversations and facts, newest first; ``chain`` what was done with the handoff, latest first;
    ``others`` the contact's other handoffs.
    """

    card: HandoffCard
    stage: Stage
    log: tuple[Event, ...]
    chain: tuple[MoveStep, ...]
    others: tuple[Handoff, ...]

    @property
    def handoff(self) -> Handoff:
        """The handoff itself."""
        return self.card.handoff


def handoff_detail(*, handoff_id: int, user: User, now: datetime) -> HandoffDetail:
    """Return the handoff's page for ``user``; raises ``Handoff.DoesNotExist``."""
    row = handoffs_for_cards().select_related("transition", "previous").get(pk=handoff_id)
    (card,) = make_cards([row], user=user, now=now, stale_days=sales_settings().stale_days)
    log = (
        Event.objects.filter(contact_id=card.handoff.contact_id, retracted_at=None, suspect_reason="")
        .exclude(Q(kind__maps_to=None, kind__reach="many") | Q(kind__maps_to__reach="many"))
        .exclude(Q(kind__maps_to=None, kind__name="page_viewed") | Q(kind__maps_to__name="page_viewed"))
        .select_related("kind__maps_to", "source", "recorded_by")
        .order_by("-occurred_at", "-id")[:LOG_LIMIT]
    )
    others = (
        Handoff.objects.filter(contact_id=card.handoff.contact_id)
        .exclude(pk=handoff_id)
        .select_related("claimed_by")
        .order_by("-offered_at", "-id")[:OTHERS_LIMIT]
    )
    return HandoffDetail(
        card=card,
        stage=stage_of(card.handoff.stage),
        log=tuple(log),
        chain=chain_of(handoff_id),
        others=tuple(others),
    )

"""The alarm that an offer starves: told once an episode, however long it lasts and however many there are."""

from datetime import datetime, timedelta

from django.db import transaction

from funnel.enums import AnnouncementType, HandoffState
from funnel.models import Handoff, SalesSettings
from funnel.selectors.working import sales_settings, working_times
from funnel.services.announcing import Told, announce


def watch_starvation(*, now: datetime) -> bool:
    """Raise the alarm where the oldest unclaimed offer waits too long since it was first offered; tell whether it did.

    In the team's business hours. The episode ends when no offer waits so long any more; then another can begin.
    """
    settings = sales_settings()
    oldest = Handoff.objects.filter(state=HandoffState.OFFERED).order_by("first_offered_at", "pk").first()
    starving = oldest is not None and _waits_too_long(oldest, settings, now=now)
    if starving == (settings.starving_said_at is not None):
        return False
    with transaction.atomic():
        # Of several sweeps at once one begins the episode.
        rows = SalesSettings.objects.filter(pk=settings.pk, starving_said_at__isnull=starving)
        if not rows.update(starving_said_at=now if starving else None) or oldest is None or not starving:
            return False
        announce(
            [
                Told(
                    AnnouncementType.STARVING,
                    at=now,
                    contact_id=oldest.contact_id,
                    handoff_id=oldest.pk,
                    data={
                        "first_offered_at": oldest.first_offered_at.isoformat(),
                        "escalation": oldest.escalation,
                        "hours": settings.starving_hours,
                    },
                )
            ]
        )
        return True


def _waits_too_long(offer: Handoff, settings: SalesSettings, *, now: datetime) -> bool:
    return working_times().team.between(offer.first_offered_at, now) >= timedelta(hours=settings.starving_hours)

"""Looking after the clocks of handoffs."""

from collections.abc import Callable

from celery import shared_task
from django.utils import timezone

from funnel.services.expiring import expire_offers, release_unattempted, set_clocks, warn_of_deadlines
from funnel.services.starving import watch_starvation

# A sweep gives its worker back after so many batches of a sort; the next goes on where it stopped.
MOST_BATCHES = 20
_IN_BATCHES: tuple[Callable[..., int], ...] = (
    set_clocks,
    warn_of_deadlines,
    release_unattempted,
    expire_offers,
)


@shared_task(name="funnel.clocks")
def clocks() -> None:
    """Start, warn, release and expire what is due; swept every 5 s, safe with several at once."""
    for see_to in _IN_BATCHES:
        for _ in range(MOST_BATCHES):
            if not see_to(now=timezone.now()):
                break
    watch_starvation(now=timezone.now())

"""Looking after the clocks of handoffs."""

from collections.abc import Callable
from functools import partial

from celery import shared_task
from django.utils import timezone

from funnel.services.expiring import expire_offers, release_unattempted, set_clocks, warn_of_deadlines
from funnel.services.starving import watch_starvation
from funnel.tasks.turns import take_turn

_IN_BATCHES: tuple[Callable[..., int], ...] = (
    set_clocks,
    warn_of_deadlines,
    release_unattempted,
    expire_offers,
)


@shared_task(name="funnel.clocks")
def clocks() -> None:
    """Start, warn, release and expire what is due; swept every 5 s, safe with several at once."""
    take_turn("funnel.clocks", *(partial(_now, see_to) for see_to in _IN_BATCHES))
    watch_starvation(now=timezone.now())


def _now(see_to: Callable[..., int]) -> int:
    return see_to(now=timezone.now())

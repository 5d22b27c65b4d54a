"""Letting a handoff go without giving it back to Marketing, and the attempt that keeps it from being taken away."""

from collections.abc import Sequence
from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import Value
from django.db.models.functions import Greatest

from funnel.enums import ReleaseReason
from funnel.models import Handoff
from funnel.moves import HELD_STATES, RELEASE
from funnel.services.handoffs import work


def release_handoff(*, handoff_id: int, by: User, note: str = "", now: datetime) -> None:
    """Put a handoff back into the queue: another rep may claim it. No return: the judgement sees nothing of it.

    Raises ``PermissionDenied``, ``Handoff.DoesNotExist`` or ``WrongState``.
    """
    work(RELEASE, handoff_id, by=by, now=now, reason=ReleaseReason.BY_HAND, note=note.strip())


def note_attempt(handoff_ids: Sequence[int], at: datetime) -> int:
    """End the clock of those of these claimed handoffs without an attempt until now; return how many there were."""
    held = Handoff.objects.filter(pk__in=handoff_ids, state__in=HELD_STATES, attempted_at=None)
    # Two machines' clocks may differ: an attempt comes after the claim all the same.
    return held.update(attempted_at=Greatest("claimed_at", Value(at)), warn_at=None, due_at=None)

"""What came of a conversation so far. It stays open: only a win or a return ends it."""

from datetime import datetime, timedelta
from typing import Final

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext

from funnel.enums import InterimOutcome
from funnel.moves import OUTCOME
from funnel.services.handoffs import work
from funnel.services.releasing import note_attempt

# These are promises about a date.
NEEDS_DATE: Final = frozenset({InterimOutcome.MEETING_AGREED, InterimOutcome.WAITING, InterimOutcome.LATER})
FARTHEST: Final = timedelta(days=731)


def problems_of_outcome(outcome: str, next_at: datetime | None, *, now: datetime) -> dict[str, str]:
    """Return what is wrong with an interim result and its next date, by field: ``outcome``, ``next_at``."""
    if outcome not in InterimOutcome.values:
        return {"outcome": gettext("Choose one of: %(values)s.") % {"values": ", ".join(InterimOutcome.values)}}
    if next_at is None:
        label = InterimOutcome(outcome).label
        return (
            {"next_at": gettext("“%(result)s” needs the date when to go on.") % {"result": label}}
            if outcome in NEEDS_DATE
            else {}
        )
    if next_at <= now:
        return {"next_at": gettext("Choose a date that is still to come.")}
    if next_at > now + FARTHEST:
        return {"next_at": gettext("That is more than two years away: return it to Marketing instead.")}
    return {}


def record_outcome(
    *, handoff_id: int, by: User, outcome: str, next_at: datetime | None = None, note: str = "", now: datetime
) -> None:
    """Record an interim result (an ``InterimOutcome``) and when to go on; the handoff stays as it is otherwise.

    Whoever has a result has tried, so the clock of the first attempt ends.

    Raises:
        ValidationError: an unknown result, or a date that is missing, past or too far away.
        PermissionDenied: it is neither theirs nor do they lead Sales.
        Handoff.DoesNotExist: there is none of this id.
        WrongState: it is neither claimed nor accepted.
    """
    if problems := problems_of_outcome(outcome, next_at, now=now):
        raise ValidationError({name: [text] for name, text in problems.items()})
    with transaction.atomic():
        work(
            OUTCOME,
            handoff_id,
            by=by,
            now=now,
            reason=outcome,
            note=note.strip(),
            changes={"outcome": outcome, "next_at": next_at, "last_activity_at": now},
        )
        note_attempt([handoff_id], at=now)

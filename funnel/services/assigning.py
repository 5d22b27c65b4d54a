"""Giving many contacts to a rep: by their open handoffs, for an owner moves by handoffs alone."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from contacts.services.acts import UNCHANGED, Outcome
from contacts.services.work import CannotRun
from funnel.enums import HandoffState
from funnel.errors import HandoffConflict, LimitReached
from funnel.models import Handoff
from funnel.moves import HELD_STATES
from funnel.services.claiming import reassign_handoff

NO_HANDOFF: Final = "no_handoff"
LIMIT: Final = "limit"
NOT_READY: Final = "not_ready"


def assign_contacts(contact_ids: Sequence[int], options: Mapping[str, Any], by: User, now: datetime) -> Outcome:
    """Give the open handoffs of these contacts to the person ``options["to"]``.

    Refused are contacts without an open handoff (``no_handoff``), those whose offer can no longer be claimed
    (``not_ready``), those beyond the rep's claim limit (``limit``), and those whom the rep has already (``unchanged``).

    Raises:
        PermissionDenied: ``by`` does not lead Sales.
        CannotRun: there is no such rep.
    """
    to = User.objects.filter(pk=options["to"], is_active=True).first()
    if to is None:
        raise CannotRun(gettext("There is no such rep any more."))
    states = [HandoffState.OFFERED, *HELD_STATES]
    rows = Handoff.objects.filter(contact_id__in=list(contact_ids), state__in=states)
    handoffs: dict[int, tuple[int, int | None]] = {row.contact_id: (row.pk, row.claimed_by_id) for row in rows}
    outcome = Outcome()
    for contact_id in contact_ids:
        if contact_id not in handoffs:
            outcome.refused[contact_id] = NO_HANDOFF
            continue
        handoff_id, rep = handoffs[contact_id]
        if rep == to.pk:
            outcome.refused[contact_id] = UNCHANGED
            continue
        try:
            reassign_handoff(handoff_id=handoff_id, by=by, to=to, now=now)
        except LimitReached:
            outcome.refused[contact_id] = LIMIT
        except HandoffConflict:
            outcome.refused[contact_id] = NOT_READY
        except ValidationError as error:
            raise CannotRun(" ".join(error.messages)) from None
        else:
            outcome.done.add(contact_id)
    return outcome

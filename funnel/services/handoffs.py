"""What its rep does with a handoff: accept, return, win. Claiming is in claiming.py, letting go in releasing.py.

Each is one conditional move (making.py): the state, the fact that it leaves and what is told, in one transaction.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils.translation import gettext, gettext_noop

from contacts.enums import Answer
from funnel.enums import HandoffState, MoveName, ReturnReason
from funnel.errors import WrongState
from funnel.models import Handoff
from funnel.moves import ACCEPT, RETURN, WIN, Move
from funnel.permissions import check_work_handoff, check_work_handoffs, leads_sales
from funnel.services.claiming import claim_handoff, reassign_handoff, take_over_handoff
from funnel.services.making import Once, make_moves
from scoring.wording import either

__all__ = [
    "GATES_SET_BY_RETURN",
    "accept_handoff",
    "claim_handoff",
    "reassign_handoff",
    "return_handoff",
    "take_over_handoff",
    "win_handoff",
    "work",
]

# What whoever works a handoff was about to do, as the beginning of why it cannot be done.
_AIMS: Final[Mapping[str, str]] = {
    MoveName.ACCEPT: gettext_noop("to accept it"),
    MoveName.OUTCOME: gettext_noop("to outcome it"),
    MoveName.RELEASE: gettext_noop("to release it"),
    MoveName.RETURN: gettext_noop("to return it"),
    MoveName.WIN: gettext_noop("to win it"),
}
# What a return says about the contact: the gate it sets keeps the contact out of Sales' stages (PRODUCT.md, rule 5).
GATES_SET_BY_RETURN: dict[str, dict[str, str]] = {
    ReturnReason.NO_AUTHORITY: {"authority": Answer.NO.value},
    ReturnReason.NO_MEANS: {"means": Answer.NO.value},
}


def accept_handoff(*, handoff_id: int, by: User, now: datetime) -> None:
    """Accept a claimed handoff: its rep's word that it qualifies. The clock of the first attempt runs on.

    Raises ``PermissionDenied``, ``Handoff.DoesNotExist`` or ``WrongState``.
    """
    work(ACCEPT, handoff_id, by=by, now=now, changes={"accepted_at": now})


def return_handoff(*, handoff_id: int, by: User, reason: str, note: str = "", now: datetime) -> None:
    """Hand the contact back to Marketing for ``reason`` (a ``ReturnReason``), with an optional note.

    The fact carries the reason; the judgement does the cool-down. No authority and no means close that gate.
    Raises ``ValidationError`` (unknown reason), ``PermissionDenied``, ``Handoff.DoesNotExist`` or ``WrongState``.
    """
    if reason not in ReturnReason.values:
        raise ValidationError(
            {"reason": gettext("Choose one of: %(list)s.") % {"list": ", ".join(ReturnReason.values)}}
        )
    note = note.strip()
    work(
        RETURN,
        handoff_id,
        by=by,
        now=now,
        reason=reason,
        note=note,
        changes={"reason": reason, "note": note},
        traits=GATES_SET_BY_RETURN.get(reason, {}),
    )


def win_handoff(*, handoff_id: int, by: User, note: str, now: datetime) -> None:
    """Close a handoff as won; the ``converted`` fact makes the contact a customer, as any other evidence would.

    ``note`` says what was won and is required. The rep stays the contact's owner. Raises ``ValidationError``,
    ``PermissionDenied``, ``Handoff.DoesNotExist`` or ``WrongState``.
    """
    note = note.strip()
    if not note:
        raise ValidationError({"note": gettext("Say in a word what was won.")})
    # Whoever wins has accepted, even where nobody pressed that button.
    work(WIN, handoff_id, by=by, now=now, note=note, changes={"note": note, "accepted_at": Once(now)})


def work(
    move: Move,
    handoff_id: int,
    *,
    by: User,
    now: datetime,
    reason: str = "",
    note: str = "",
    changes: Mapping[str, Any] | None = None,
    traits: Mapping[str, Any] | None = None,
) -> None:
    """Make ``move`` (one that a rep makes) on a handoff that ``by`` may work, or raise why not; see ``make_moves``.

    Raises ``PermissionDenied``, ``Handoff.DoesNotExist`` or ``WrongState``.
    """
    check_work_handoffs(by)
    theirs = Q() if leads_sales(by) else Q(claimed_by=by)
    rows = Handoff.objects.filter(theirs, pk=handoff_id)
    if not make_moves(move, rows, now=now, by=by, reason=reason, note=note, changes=changes, traits=traits):
        handoff = Handoff.objects.get(pk=handoff_id)
        check_work_handoff(by, handoff)
        needed = either([str(HandoffState(state).label) for state in move.sources])
        aim = gettext(_AIMS[move.name])
        raise WrongState(
            gettext("This handoff is %(state)s; %(aim)s, it must be %(needed)s.")
            % {"state": handoff.get_state_display(), "aim": aim, "needed": needed}
        )

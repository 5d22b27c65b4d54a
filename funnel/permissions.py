"""Who may work a handoff: one rule for page, API and button."""

from django.core.exceptions import PermissionDenied

from contacts.permissions import LEADERS, Person, answers, check_see_handoffs, check_work_handoffs, roles_of
from funnel.models import Handoff
from funnel.moves import ACCEPT, CLAIM, RETURN, WIN, Move

__all__ = [
    "can_claim",
    "can_see_handoffs",
    "can_work_handoff",
    "check_claim",
    "check_see_handoffs",
    "check_work_handoff",
    "check_work_handoffs",
    "is_its_rep",
    "leads_sales",
    "offered_moves",
]


def leads_sales(user: Person) -> bool:
    """Tell whether ``user`` may work anybody's handoff: managers and administrators."""
    return bool(roles_of(user) & LEADERS)


def is_its_rep(user: Person, handoff: Handoff) -> bool:
    """Tell whether ``handoff`` is claimed by ``user``."""
    return user.pk is not None and handoff.claimed_by_id == user.pk


def check_claim(user: Person) -> None:
    """Reps, managers and administrators claim. That the contact is claimable is decided by the claim itself."""
    check_work_handoffs(user)


def check_work_handoff(user: Person, handoff: Handoff) -> None:
    """Accepting, returning and winning is for the handoff's rep, managers and administrators."""
    check_work_handoffs(user)
    if not leads_sales(user) and not is_its_rep(user, handoff):
        raise PermissionDenied("This handoff is not yours: only its rep or a manager may do that.")


can_see_handoffs = answers(check_see_handoffs)
can_claim = answers(check_claim)
can_work_handoff = answers(check_work_handoff)


def offered_moves(user: Person, handoff: Handoff) -> tuple[Move, ...]:
    """Return the moves that ``user`` may make from the handoff's present state, for buttons.

    The claim's condition on the standing is not asked here: it is decided atomically when the claim is made.
    """
    moves = tuple(move for move in (CLAIM, ACCEPT, RETURN, WIN) if handoff.state in move.sources)
    return tuple(move for move in moves if (can_claim(user) if move is CLAIM else can_work_handoff(user, handoff)))

"""Who may work a handoff: one rule for page, API and button."""

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext, gettext_noop

from contacts.permissions import (
    ADMINS,
    EDITORS,
    EVERYBODY,
    LEADERS,
    Person,
    answers,
    check_see_handoffs,
    check_work_handoffs,
    require_role,
    roles_of,
)
from funnel.models import Handoff, WorkingCalendar
from funnel.moves import ACCEPT, CLAIM, OUTCOME, REASSIGN, RELEASE, RETURN, TAKE_OVER, WIN, Move

__all__ = [
    "can_change_calendar",
    "can_claim",
    "can_edit_sequences",
    "can_enrol",
    "can_lead_handoffs",
    "can_plan_sales",
    "can_see_handoffs",
    "can_see_rep",
    "can_see_status",
    "can_work_handoff",
    "check_change_absences",
    "check_change_calendar",
    "check_claim",
    "check_edit_sequences",
    "check_enrol",
    "check_lead_handoffs",
    "check_plan_sales",
    "check_see_handoffs",
    "check_see_rep",
    "check_see_sequences",
    "check_see_status",
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
        raise PermissionDenied(gettext("This handoff is not yours: only its rep or a manager may do that."))


def check_lead_handoffs(user: Person) -> None:
    """Reassigning and taking over is for managers and administrators."""
    require_role(user, LEADERS, gettext_noop("give handoffs to others or take them over"))


def check_plan_sales(user: Person) -> None:
    """Working hours, limits, routing and the settings of handing over are for managers and administrators."""
    require_role(user, LEADERS, gettext_noop("plan how Sales works"))


def check_see_rep(user: Person, rep: User) -> None:
    """How somebody works is for themselves, where they work handoffs, and for managers and administrators to see."""
    check_work_handoffs(user)
    if not leads_sales(user) and user.pk != rep.pk:
        raise PermissionDenied(gettext("This is a colleague's page: only they and managers see it."))


def check_change_absences(user: Person, rep: User) -> None:
    """When somebody is away is entered by themselves, managers and administrators; their hours likewise."""
    check_see_rep(user, rep)


def check_change_calendar(user: Person, calendar: WorkingCalendar) -> None:
    """A shared calendar is for managers and administrators; somebody's own hours are theirs too."""
    check_work_handoffs(user)
    if not leads_sales(user) and (calendar.person_id is None or calendar.person_id != user.pk):
        raise PermissionDenied(gettext("Only managers change a calendar that others work by."))


can_plan_sales = answers(check_plan_sales)
can_see_rep = answers(check_see_rep)
can_change_calendar = answers(check_change_calendar)


def check_see_status(user: Person) -> None:
    """How the machinery does is for who can do something about it: administrators."""
    require_role(user, ADMINS, gettext_noop("see how Ripen itself does"))


def check_see_sequences(user: Person) -> None:
    """Everybody sees what contacts are sent in which stage."""
    require_role(user, EVERYBODY, gettext_noop("see sequences"))


def check_edit_sequences(user: Person) -> None:
    """Writing, activating and pausing sequences: those who tune the definition."""
    require_role(user, EDITORS, gettext_noop("change sequences"))


def check_enrol(user: Person) -> None:
    """Putting a contact into a sequence, and taking one out: those who may edit all contacts."""
    require_role(user, EDITORS, gettext_noop("enrol contacts in sequences"))


can_edit_sequences = answers(check_edit_sequences)
can_enrol = answers(check_enrol)
can_see_handoffs = answers(check_see_handoffs)
can_see_status = answers(check_see_status)
can_claim = answers(check_claim)
can_work_handoff = answers(check_work_handoff)
can_lead_handoffs = answers(check_lead_handoffs)

# The moves that people make, in the order of their buttons.
_BY_HAND = (CLAIM, ACCEPT, OUTCOME, RETURN, WIN, RELEASE, REASSIGN, TAKE_OVER)


def offered_moves(user: Person, handoff: Handoff) -> tuple[Move, ...]:
    """Return the moves that ``user`` may make from the handoff's present state, for buttons.

    The claim's condition on the standing and the rep's limit are not asked here: they are decided when it is made.
    """
    return tuple(move for move in _BY_HAND if handoff.state in move.sources and _may_make(user, move, handoff))


def _may_make(user: Person, move: Move, handoff: Handoff) -> bool:
    if move is CLAIM:
        return can_claim(user) and (handoff.assigned_to_id in (None, user.pk) or leads_sales(user))
    if move is TAKE_OVER:
        return can_lead_handoffs(user) and not is_its_rep(user, handoff)
    if move is REASSIGN:
        return can_lead_handoffs(user)
    return can_work_handoff(user, handoff)

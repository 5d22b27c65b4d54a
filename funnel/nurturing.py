"""The rules of sequences: when a step is due, what may-contact's answer makes of it, and what a mail says. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, Protocol

from django.utils.translation import gettext, gettext_noop

from funnel.enums import StopReason
from funnel.working_time import NeverWorks, WorkingTime

# --- When -------------------------------------------------------------------------------------------------------------

# A step that may not be sent now is asked about again so much later, unless the answer itself says when,
ASK_AGAIN: Final = timedelta(days=1)
# and skipped once it has waited so long beyond its time.
PATIENCE: Final = timedelta(days=14)
LONGEST_DAYS: Final = 365
LONGEST_HOURS: Final = 200
MOST_STEPS: Final = 30


class Wait(Protocol):
    """How long a step waits after the one before."""

    @property
    def wait_days(self) -> int:
        """Whole days of 24 hours."""

    @property
    def wait_hours(self) -> int:
        """Hours beside the days; business hours where ``in_business_hours``."""

    @property
    def in_business_hours(self) -> bool:
        """Whether it is done only while the team works."""


def due_after(step: Wait, since: datetime, team: WorkingTime) -> datetime:
    """Return when a step is due whose wait begins at ``since``.

    Days are 24 hours each. With business hours, the hours beside them are hours of the team's calendar, and the step is
    due within those: a wait that ends at night ends in the morning. A calendar that never works is ignored.
    """
    moment = since + timedelta(days=step.wait_days)
    hours = timedelta(hours=step.wait_hours)
    if not step.in_business_hours:
        return moment + hours
    try:
        return team.next_moment(team.add(moment, hours))
    except NeverWorks:
        return moment + hours


def next_opening(step: Wait, at: datetime, team: WorkingTime) -> datetime:
    """Return the first moment from ``at`` on at which the step may be done: ``at`` itself, or when the team works."""
    if not step.in_business_hours:
        return at
    try:
        return max(at, team.next_moment(at))
    except NeverWorks:
        return at


# --- Whether ----------------------------------------------------------------------------------------------------------


class Act(Enum):
    """What is done with a step that is due."""

    SEND = "send"
    WAIT = "wait"
    SKIP = "skip"
    STOP = "stop"


# What each reason of may-contact against writing makes of the step. What only the person, or a change of stage, can
# lift ends the enrolment; what time may bring is waited for; what no time will bring is skipped. A code that is not
# here is waited for.
RULES: Final[Mapping[str, Act]] = {
    "erased": Act.STOP,
    "merged": Act.STOP,
    "suppressed": Act.STOP,
    "consent_withdrawn": Act.STOP,
    "owned_by_another": Act.STOP,
    "stage_owner": Act.STOP,
    "not_claimed": Act.STOP,
    "no_address": Act.WAIT,
    "consent_missing": Act.WAIT,
    "stage_needs_consent": Act.WAIT,
    "no_contract": Act.WAIT,
    "too_often": Act.WAIT,
    "call_to_action_unknown": Act.SKIP,
    "call_to_action_not_for_stage": Act.SKIP,
}
STOPS_AS: Final[Mapping[str, StopReason]] = {
    "erased": StopReason.ERASED,
    "merged": StopReason.MERGED,
    "suppressed": StopReason.SUPPRESSED,
    "consent_withdrawn": StopReason.REFUSED,
    "owned_by_another": StopReason.CLAIMED,
    "stage_owner": StopReason.NOT_OURS,
    "not_claimed": StopReason.NOT_OURS,
}


class Against(Protocol):
    """A reason of may-contact."""

    @property
    def code(self) -> str:
        """For programs."""

    @property
    def again_at(self) -> datetime | None:
        """When it holds no more, where that is known."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done with a step now; ``again_at`` for a step that waits, ``reason`` for one that stops the rest."""

    act: Act
    again_at: datetime | None = None
    reason: StopReason | None = None


def decide(against: Iterable[Against], *, first_due_at: datetime, now: datetime) -> Decision:
    """Decide about a step that is due, by what speaks against writing (nothing: it is sent).

    Of several reasons the one that ends most goes first: stop, then skip, then wait. A wait is as long as the longest
    of the reasons; one that would be longer than ``PATIENCE`` beyond ``first_due_at`` is a skip.
    """
    reasons = list(against)
    if not reasons:
        return Decision(Act.SEND)
    acts = [RULES.get(reason.code, Act.WAIT) for reason in reasons]
    if Act.STOP in acts:
        return Decision(Act.STOP, reason=STOPS_AS[reasons[acts.index(Act.STOP)].code])
    again_at = max(reason.again_at or now + ASK_AGAIN for reason in reasons)
    if Act.SKIP in acts or again_at > first_due_at + PATIENCE:
        return Decision(Act.SKIP)
    return Decision(Act.WAIT, again_at=max(again_at, now + timedelta(minutes=1)))


# --- What -------------------------------------------------------------------------------------------------------------

PLACEHOLDERS: Final[Mapping[str, str]] = {
    "first_name": gettext_noop("their first name"),
    "last_name": gettext_noop("their last name"),
    "company": gettext_noop("their company's name"),
    "job_title": gettext_noop("their job title"),
}
_PLACEHOLDER: Final = re.compile(r"\{([^{}\n]*)\}")
_LONGEST_VALUE: Final = 100


def faults_of(text: str) -> list[str]:
    """Return what is wrong with a text that is sent: placeholders that there are none of, and braces left over."""
    faults = [
        gettext("There is no placeholder {%(inner)s}; there are %(list)s.")
        % {"inner": inner, "list": ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)}
        for inner in _PLACEHOLDER.findall(text)
        if inner.partition("|")[0].strip() not in PLACEHOLDERS
    ]
    if set("{}") & set(_PLACEHOLDER.sub("", text)):
        faults.append(gettext("A brace has no partner; braces only write placeholders."))
    return faults


def fill_in(text: str, values: Mapping[str, str]) -> str:
    """Put values in the place of placeholders: ``{first_name}``, or ``{first_name|there}`` where it is not known.

    A value is plain words: no line of its own, nothing that another pass would read as a placeholder, at most 100
    characters. What is not known and has no word in its stead is left out.
    """

    def value_of(found: "re.Match[str]") -> str:
        name, _, otherwise = found.group(1).partition("|")
        value = " ".join(values.get(name.strip(), "").split())
        return (value or otherwise.strip())[:_LONGEST_VALUE]

    return _PLACEHOLDER.sub(value_of, text)

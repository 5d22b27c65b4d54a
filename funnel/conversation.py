"""What people of ours and a contact did together, as it is logged by hand: the vocabulary and its rules. Pure.

An activity is an event kind of the contract; its initiator, reach and whether it is two-way are the kind's. Who of
ours it was with, who began it, what came of it and what was said are the event's properties ``with``, ``direction``,
``result`` and ``note``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import TextChoices
from django.utils.translation import gettext, gettext_lazy

from contacts.enums import Direction


class Activity(TextChoices):
    """What can be logged; each value is the kind of the event that it becomes."""

    CALL_CONNECTED = "call_connected", gettext_lazy("Call")
    CALL_ATTEMPTED = "call_attempted", gettext_lazy("Call, not reached")
    EMAIL_WRITTEN = "email_written", gettext_lazy("Mail written")
    EMAIL_REPLIED = "email_replied", gettext_lazy("Mail answered")
    MEETING_HELD = "meeting_held", gettext_lazy("Meeting")
    CHAT_STARTED = "chat_started", gettext_lazy("Chat")
    NOTE_ADDED = "note_added", gettext_lazy("Note")


class ActivityResult(TextChoices):
    """What came of an activity, in a word."""

    NO_ANSWER = "no_answer", gettext_lazy("No answer")
    LEFT_MESSAGE = "left_message", gettext_lazy("Left a message")
    WRONG_NUMBER = "wrong_number", gettext_lazy("Wrong number")
    INTERESTED = "interested", gettext_lazy("Interested")
    CALL_BACK = "call_back", gettext_lazy("Wants to hear from us again")
    NOT_NOW = "not_now", gettext_lazy("Not now")
    NOT_INTERESTED = "not_interested", gettext_lazy("Not interested")


# Kinds of events that count as an attempt to reach a claimed contact, whoever reports them.
ATTEMPTS: Final = (
    "call_attempted", "call_connected", "email_written", "email_replied", "meeting_held", "meeting_requested",
    "chat_started",
)  # fmt: skip
# The longest text that a property of an event holds is 8 KB.
NOTE_LENGTH: Final = 5_000
NAME_LENGTH: Final = 200

TWO_WAY: Final = frozenset(
    {Activity.CALL_CONNECTED, Activity.EMAIL_REPLIED, Activity.MEETING_HELD, Activity.CHAT_STARTED}
)
NOT_REACHED: Final = (ActivityResult.NO_ANSWER, ActivityResult.LEFT_MESSAGE, ActivityResult.WRONG_NUMBER)
REACHED: Final = (
    ActivityResult.INTERESTED,
    ActivityResult.CALL_BACK,
    ActivityResult.NOT_NOW,
    ActivityResult.NOT_INTERESTED,
)
# What is begun by one side only says so itself.
_BEGUN: Final[Mapping[str, str]] = {
    Activity.CALL_ATTEMPTED: Direction.OUTBOUND,
    Activity.EMAIL_WRITTEN: Direction.OUTBOUND,
    Activity.EMAIL_REPLIED: Direction.INBOUND,
}


@dataclass(frozen=True, slots=True)
class Said:
    """One activity: what it was, when, who of ours took part, who began it, what came of it, and what was said."""

    activity: Activity
    occurred_at: datetime
    with_person: str = ""
    direction: str = ""
    result: str = ""
    note: str = ""

    def properties(self) -> dict[str, str]:
        """Return the event's properties; what says nothing is left out."""
        if self.activity is Activity.NOTE_ADDED:
            return {"note": self.note}
        said = {
            "with": self.with_person,
            "direction": _BEGUN.get(self.activity, self.direction),
            "result": self.result,
            "note": self.note,
        }
        return {key: value for key, value in said.items() if value}


def results_of(activity: str) -> tuple[ActivityResult, ...]:
    """Return what may come of an activity."""
    if activity == Activity.CALL_ATTEMPTED:
        return NOT_REACHED
    return REACHED if activity in TWO_WAY else ()


def problems_of(said: Said) -> dict[str, str]:
    """Return what is missing or contradicts itself, by field: ``with_person``, ``direction``, ``result``, ``note``."""
    problems = {}
    if said.activity is Activity.NOTE_ADDED and not said.note:
        problems["note"] = gettext("Write what is worth knowing.")
    if said.activity in TWO_WAY and not said.with_person:
        problems["with_person"] = gettext("Name who of ours took part.")
    if said.result and said.result not in results_of(said.activity):
        problems["result"] = gettext("This cannot come of “%(activity)s”.") % {"activity": said.activity.label}
    begun = _BEGUN.get(said.activity, "")
    if begun and said.direction and said.direction != begun:
        said_so = (
            gettext("“%(activity)s” is always begun by us.")
            if begun == Direction.OUTBOUND
            else gettext("“%(activity)s” is always begun by the contact.")
        )
        problems["direction"] = said_so % {"activity": said.activity.label}
    return problems

"""What people are told, in words: one sentence for one thing, one for several of a kind."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.utils.translation import gettext, gettext_noop

from config.web.formats import format_number
from funnel.enums import NoticeKind, ReturnReason, StopReason
from scoring.wording import in_sentence

# By what was told; ``{who}`` is the contact, ``{by}`` who did it, the rest comes from the item.
_ONE: Final[Mapping[str, str]] = {
    "kept": gettext_noop("{who} is kept for you"),
    "passed_on": gettext_noop("{who} was passed on"),
    "offered": gettext_noop("{who} is ready for Sales"),
    "back": gettext_noop("{who} is back in the queue"),
    "claim_soon": gettext_noop("Time runs out to claim {who}"),
    "attempt_soon": gettext_noop("Time runs out to get in touch with {who}"),
    "claimed_by_other": gettext_noop("{by} claimed {who}, who was kept for you"),
    "released": gettext_noop("{by} put {who} back in the queue"),
    "released_by_clock": gettext_noop("{who} went back to the queue: {reason}"),
    "taken_over": gettext_noop("{by} took {who} over"),
    "returned": gettext_noop("{by} returned {who} to Marketing: {reason}"),
    "expired": gettext_noop("Nobody claimed {who} in time; offered again"),
    "withdrawn": gettext_noop("{who}, kept for you, is no longer ready for Sales"),
    "won_yours": gettext_noop("{who} became a customer: your prospect is won"),
    "won": gettext_noop("{who} became a customer"),
    "starving": gettext_noop("{who} waits in the queue for too long"),
    "fell": gettext_noop("{who} fell back from {from} to {to}"),
    "bought": gettext_noop("{who} became a customer"),
    "sequence": gettext_noop("{who} came to the end of a sequence"),
    "sequence_left": gettext_noop("{who} left a sequence: {reason}"),
    "acted": "{who} {event}",
    "due": gettext_noop("{who}: what you agreed on is for today"),
    "stale": gettext_noop("{who}: nothing happened for a while"),
    "definition": "{notice}",
    "hook_failing": gettext_noop("The receiver of a webhook takes nothing"),
    "hook_gone": gettext_noop("A webhook was disabled: its receiver answered 410 Gone"),
    "hook_disabled": gettext_noop("A webhook was disabled: it failed for too long"),
    "proof": gettext_noop("A check of the data found something wrong"),
    "trouble": "{trouble}",
}
# Where the same code says something else to another audience.
_BY_KIND: Final[Mapping[tuple[NoticeKind, str], str]] = {
    (NoticeKind.GIVEN, "passed_on"): gettext_noop("{by} gave you {who}"),
    (NoticeKind.TAKEN, "passed_on"): gettext_noop("{by} gave {who} to somebody else"),
    (NoticeKind.MOVED, "passed_on"): gettext_noop("{by} gave {who} to another rep"),
    (NoticeKind.MOVED, "released"): gettext_noop("{who} went back to the queue: {reason}"),
    (NoticeKind.TAKEN, "expired"): gettext_noop("The time to claim {who} is over; offered again"),
}
_SEVERAL: Final[Mapping[NoticeKind, str]] = {
    NoticeKind.GIVEN: gettext_noop("{n} prospects were given to you"),
    NoticeKind.DEADLINE: gettext_noop("Time runs out with {n} of your prospects"),
    NoticeKind.ACTED: gettext_noop("{n} signs from your prospects"),
    NoticeKind.DUE: gettext_noop("{n} conversations of yours need you today"),
    NoticeKind.TAKEN: gettext_noop("{n} prospects were taken from you"),
    NoticeKind.STAGE: gettext_noop("{n} contacts of yours changed stage"),
    NoticeKind.QUEUE: gettext_noop("{n} in the queue"),
    NoticeKind.WON: gettext_noop("{n} prospects became customers"),
    NoticeKind.RETURNED: gettext_noop("{n} prospects were returned to Marketing"),
    NoticeKind.ESCALATED: gettext_noop("{n} prospects were not claimed in time"),
    NoticeKind.STARVING: gettext_noop("Prospects wait in the queue for too long"),
    NoticeKind.MOVED: gettext_noop("{n} prospects changed hands in the team"),
    NoticeKind.SEQUENCE: gettext_noop("{n} contacts ended a sequence"),
    NoticeKind.DEFINITION: gettext_noop("{n} things about definitions"),
    NoticeKind.HOOK: gettext_noop("{n} webhooks are in trouble"),
    NoticeKind.PROOF: gettext_noop("{n} checks of the data found something wrong"),
    NoticeKind.OPERATION: gettext_noop("{n} parts of Ripen are in trouble"),
}
_RELEASED: Final[Mapping[str, str]] = {
    "by_hand": gettext_noop("its rep released it"),
    "no_attempt": gettext_noop("nobody got in touch in time"),
    "rep_away": gettext_noop("its rep is away or has left"),
}
SOMEBODY: Final = gettext_noop("Somebody")
NAMED: Final = 3


def say_one(kind: NoticeKind, what: str, *, words: Mapping[str, Any]) -> str:
    """Return the sentence for one thing. ``words`` holds what its sentence names, of which there may be more."""
    pattern = _BY_KIND.get((kind, what)) or _ONE.get(what, "{who}")
    return gettext(pattern).format_map(_Words(words))


def say_several(kind: NoticeKind, number: int) -> str:
    """Return the sentence for several things of a kind."""
    return gettext(_SEVERAL[kind]).format(n=format_number(number))


def say_names(names: Sequence[str], number: int) -> str:
    """Name the first few of ``number``: ``Ann, Ben and 3 more``."""
    first = list(dict.fromkeys(names))[:NAMED]
    left = number - len(first)
    if left > 0:
        named = {"names": ", ".join(first), "number": format_number(left)}
        return gettext("%(names)s and %(number)s more") % named if first else ""
    if len(first) < 2:
        return "".join(first)
    return gettext("%(names)s and %(last)s") % {"names": ", ".join(first[:-1]), "last": first[-1]}


def say_reason(reason: str) -> str:
    """Why a handoff was released or returned, in words."""
    if reason in _RELEASED:
        return gettext(_RELEASED[reason])
    if reason in StopReason.values:
        return str(StopReason(reason).label)
    if reason in ReturnReason.values:
        return in_sentence(str(ReturnReason(reason).label))
    return gettext("no reason was given")


class _Words(dict[str, Any]):
    """What a sentence names; what is not known any more is left open rather than failing."""

    def __missing__(self, key: str) -> str:
        return gettext(SOMEBODY) if key == "by" else "…"

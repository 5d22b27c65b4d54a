"""What people are told, in words: one sentence for one thing, one for several of a kind."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from funnel.enums import NoticeKind, ReturnReason, StopReason

# By what was told; ``{who}`` is the contact, ``{by}`` who did it, the rest comes from the item.
_ONE: Final[Mapping[str, str]] = {
    "kept": "{who} is kept for you",
    "passed_on": "{who} was passed on",
    "offered": "{who} is ready for Sales",
    "back": "{who} is back in the queue",
    "claim_soon": "Time runs out to claim {who}",
    "attempt_soon": "Time runs out to get in touch with {who}",
    "claimed_by_other": "{by} claimed {who}, who was kept for you",
    "released": "{by} put {who} back in the queue",
    "released_by_clock": "{who} went back to the queue: {reason}",
    "taken_over": "{by} took {who} over",
    "returned": "{by} returned {who} to Marketing: {reason}",
    "expired": "Nobody claimed {who} in time; offered again",
    "withdrawn": "{who}, kept for you, is no longer ready for Sales",
    "won_yours": "{who} became a customer: your prospect is won",
    "won": "{who} became a customer",
    "starving": "{who} waits in the queue for too long",
    "fell": "{who} fell back from {from} to {to}",
    "bought": "{who} became a customer",
    "sequence": "{who} came to the end of a sequence",
    "sequence_left": "{who} left a sequence: {reason}",
    "acted": "{who} {event}",
    "due": "{who}: what you agreed on is for today",
    "stale": "{who}: nothing happened for a while",
    "definition": "{notice}",
    "hook_failing": "The receiver of a webhook takes nothing",
    "hook_gone": "A webhook was disabled: its receiver answered 410 Gone",
    "hook_disabled": "A webhook was disabled: it failed for too long",
}
# Where the same code says something else to another audience.
_BY_KIND: Final[Mapping[tuple[NoticeKind, str], str]] = {
    (NoticeKind.GIVEN, "passed_on"): "{by} gave you {who}",
    (NoticeKind.TAKEN, "passed_on"): "{by} gave {who} to somebody else",
    (NoticeKind.MOVED, "passed_on"): "{by} gave {who} to another rep",
    (NoticeKind.MOVED, "released"): "{who} went back to the queue: {reason}",
    (NoticeKind.TAKEN, "expired"): "The time to claim {who} is over; offered again",
}
_SEVERAL: Final[Mapping[NoticeKind, str]] = {
    NoticeKind.GIVEN: "{n} prospects were given to you",
    NoticeKind.DEADLINE: "Time runs out with {n} of your prospects",
    NoticeKind.ACTED: "{n} signs from your prospects",
    NoticeKind.DUE: "{n} conversations of yours need you today",
    NoticeKind.TAKEN: "{n} prospects were taken from you",
    NoticeKind.STAGE: "{n} contacts of yours changed stage",
    NoticeKind.QUEUE: "{n} in the queue",
    NoticeKind.WON: "{n} prospects became customers",
    NoticeKind.RETURNED: "{n} prospects were returned to Marketing",
    NoticeKind.ESCALATED: "{n} prospects were not claimed in time",
    NoticeKind.STARVING: "Prospects wait in the queue for too long",
    NoticeKind.MOVED: "{n} prospects changed hands in the team",
    NoticeKind.SEQUENCE: "{n} contacts ended a sequence",
    NoticeKind.DEFINITION: "{n} things about definitions",
    NoticeKind.HOOK: "{n} webhooks are in trouble",
}
_RELEASED: Final[Mapping[str, str]] = {
    "by_hand": "its rep released it",
    "no_attempt": "nobody got in touch in time",
    "rep_away": "its rep is away or has left",
}
SOMEBODY: Final = "Somebody"
NAMED: Final = 3


def say_one(kind: NoticeKind, what: str, *, words: Mapping[str, Any]) -> str:
    """Return the sentence for one thing. ``words`` holds what its sentence names, of which there may be more."""
    pattern = _BY_KIND.get((kind, what)) or _ONE.get(what, "{who}")
    return pattern.format_map(_Words(words))


def say_several(kind: NoticeKind, number: int) -> str:
    """Return the sentence for several things of a kind."""
    return _SEVERAL[kind].format(n=f"{number:,}")


def say_names(names: Sequence[str], number: int) -> str:
    """Name the first few of ``number``: ``Ann, Ben and 3 more``."""
    first = list(dict.fromkeys(names))[:NAMED]
    left = number - len(first)
    if left > 0:
        return f"{', '.join(first)} and {left:,} more" if first else ""
    return ", ".join(first[:-1]) + " and " + first[-1] if len(first) > 1 else "".join(first)


def say_reason(reason: str) -> str:
    """Why a handoff was released or returned, in words."""
    if reason in _RELEASED:
        return _RELEASED[reason]
    if reason in StopReason.values:
        return str(StopReason(reason).label)
    return ReturnReason(reason).label.lower() if reason in ReturnReason.values else "no reason was given"


class _Words(dict[str, Any]):
    """What a sentence names; what is not known any more is left open rather than failing."""

    def __missing__(self, key: str) -> str:
        return SOMEBODY if key == "by" else "…"

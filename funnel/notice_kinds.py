"""Whom each kind of notice is for, and how it reaches each role unless the person chooses otherwise. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext, gettext_noop

from contacts.enums import Role
from funnel.enums import MailMode, NoticeKind


@dataclass(frozen=True, slots=True)
class Ways:
    """How something reaches a person: shown in the app or not, and mailed or not."""

    in_app: bool
    mail: MailMode

    @property
    def any(self) -> bool:
        """Whether it reaches them at all."""
        return self.in_app or self.mail is not MailMode.NEVER


@dataclass(frozen=True, slots=True)
class KindFacts:
    """What there is to know of a kind: its icon, what it means in a sentence (in English), and its ways by role.

    A role that is left out is never told: it is not its business, whatever its settings say.
    """

    icon: str
    meaning: str
    ways: Mapping[Role, Ways]

    @property
    def help(self) -> str:
        """What the kind means, in the reader's language."""
        return gettext(self.meaning)


SHOWN: Final = Ways(True, MailMode.NEVER)
DIGESTED: Final = Ways(True, MailMode.DIGEST)
MAILED: Final = Ways(True, MailMode.AT_ONCE)
# Not unless they ask for it.
ASKED: Final = Ways(False, MailMode.NEVER)

_R, _M, _L, _A = Role.REP, Role.MARKETER, Role.MANAGER, Role.ADMIN


def _selling(ways: Ways) -> Mapping[Role, Ways]:
    return dict.fromkeys((_R, _L, _A), ways)


KINDS: Final[Mapping[NoticeKind, KindFacts]] = {
    NoticeKind.GIVEN: KindFacts(
        "gift", gettext_noop("A prospect is kept for you, or somebody passed one on to you."), _selling(MAILED)
    ),
    NoticeKind.DEADLINE: KindFacts(
        "alarm-clock",
        gettext_noop("The time to claim what is kept for you, or to get in touch with whom you claimed, runs out."),
        _selling(MAILED),
    ),
    NoticeKind.ACTED: KindFacts(
        "message-circle",
        gettext_noop("A prospect of yours wrote, answered, or asked for something."),
        _selling(DIGESTED),
    ),
    NoticeKind.DUE: KindFacts(
        "calendar-clock",
        gettext_noop("What you agreed on is for today, or nothing happened for too long."),
        _selling(DIGESTED),
    ),
    NoticeKind.TAKEN: KindFacts(
        "hand",
        gettext_noop("A prospect of yours went back to the queue, to a colleague, or was no longer ready."),
        _selling(DIGESTED),
    ),
    NoticeKind.STAGE: KindFacts(
        "trending-down",
        gettext_noop("A contact that you own stands at a weaker stage now, or bought."),
        _selling(DIGESTED),
    ),
    NoticeKind.QUEUE: KindFacts(
        "inbox",
        gettext_noop(
            "Somebody is ready for Sales, and you may claim them. Not while you are away or hold as many as you may."
        ),
        {_R: SHOWN, _L: ASKED, _A: ASKED},
    ),
    NoticeKind.WON: KindFacts(
        "trophy", gettext_noop("A prospect became a customer."), {_R: SHOWN, _M: DIGESTED, _L: DIGESTED, _A: ASKED}
    ),
    NoticeKind.RETURNED: KindFacts(
        "corner-up-left",
        gettext_noop("Sales gave a prospect back, with a reason."),
        {_M: DIGESTED, _L: SHOWN, _A: ASKED},
    ),
    NoticeKind.ESCALATED: KindFacts(
        "triangle-alert",
        gettext_noop("Nobody claimed a prospect in time; it is offered again."),
        {_L: MAILED, _A: SHOWN},
    ),
    NoticeKind.STARVING: KindFacts(
        "hourglass", gettext_noop("A prospect waits in the queue for longer than you allow."), {_L: MAILED, _A: SHOWN}
    ),
    NoticeKind.MOVED: KindFacts(
        "users-round", gettext_noop("A prospect went back to the queue or to another rep."), {_L: DIGESTED, _A: ASKED}
    ),
    NoticeKind.SEQUENCE: KindFacts(
        "list-tree",
        gettext_noop("A contact came to the end of a sequence, or left it."),
        {_R: SHOWN, _M: DIGESTED, _L: ASKED, _A: ASKED},
    ),
    NoticeKind.DEFINITION: KindFacts(
        "book-open-check",
        gettext_noop("Ripen found something odd about a definition."),
        dict.fromkeys((_M, _L, _A), DIGESTED),
    ),
    NoticeKind.HOOK: KindFacts(
        "webhook",
        gettext_noop("A webhook's receiver takes nothing any more, or its endpoint was disabled."),
        {_A: MAILED},
    ),
    NoticeKind.PROOF: KindFacts(
        "shield-alert",
        gettext_noop("Ripen checks its own data all the time, and something did not add up."),
        {_A: MAILED},
    ),
    NoticeKind.OPERATION: KindFacts(
        "activity",
        gettext_noop("A worker is silent, facts wait too long, or the disk is nearly full, and it lasts."),
        {_A: MAILED},
    ),
}

_EAGERNESS: Final = (MailMode.NEVER, MailMode.DIGEST, MailMode.AT_ONCE)


def kinds_for(roles: Iterable[Role]) -> list[NoticeKind]:
    """The kinds that somebody with these roles may be told of, in the order in which they are listed."""
    held = set(roles)
    return [kind for kind, facts in KINDS.items() if held & facts.ways.keys()]


def default_ways(kind: NoticeKind, roles: Iterable[Role]) -> Ways:
    """How ``kind`` reaches somebody with these roles who chose nothing: of several roles, the more talkative counts."""
    found = [ways for role in roles if (ways := KINDS[kind].ways.get(role)) is not None]
    return Ways(
        any(ways.in_app for ways in found),
        max((ways.mail for ways in found), key=_EAGERNESS.index, default=MailMode.NEVER),
    )

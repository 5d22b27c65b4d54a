"""Bursts: what several e-mail events of a contact show together that none shows alone. Pure.

A link scanner follows every link of a mail within seconds, or the moment the mail is there; a person needs longer. What
is found grows with what is known and never shrinks, so that events may arrive in any order and any batches: looking
again at each arrival ends in the same marks.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import accumulate
from typing import Any, Final, NamedTuple

HONEYPOT: Final = "bot: followed a link that people cannot see"
MANY_LINKS: Final = "bot: several links of a mail within seconds"
AT_DELIVERY: Final = "bot: clicked within seconds of delivery"
# Weakest first: where several hold, the strongest is the reason that is shown.
REASONS: Final = (AT_DELIVERY, MANY_LINKS, HONEYPOT)

FEWEST_LINKS: Final = 3
WITHIN: Final = timedelta(seconds=5)
# Scanners sit in front of the mailbox: they may have clicked before the mail counts as delivered. A person cannot.
BEFORE_DELIVERY: Final = timedelta(seconds=60)
AROUND_HONEYPOT: Final = timedelta(seconds=60)
# What lies further apart does not bear on each other.
REACH: Final = max(WITHIN, BEFORE_DELIVERY, AROUND_HONEYPOT)


class Sort(StrEnum):
    """What an event is to a burst."""

    SENT = "sent"
    DELIVERED = "delivered"
    CLICKED = "clicked"


SORTS: Final[Mapping[str, Sort]] = {
    "email_sent": Sort.SENT,
    "email_delivered": Sort.DELIVERED,
    "email_clicked": Sort.CLICKED,
}


class Sign(NamedTuple):
    """One event of a contact as far as bursts are concerned.

    ``key`` is the caller's. ``mail`` names the mail that was sent (``""``: not known which). ``link`` is what was
    clicked (``""``: not known), ``is_honeypot`` tells that people cannot see that link.
    """

    key: Any
    mail: str
    sort: Sort
    at: datetime
    link: str = ""
    is_honeypot: bool = False


def mail_of(properties: Mapping[str, Any]) -> str:
    """Return what names the mail that an event is about, ``""`` where its properties do not tell."""
    for name in ("message_id", "email_id", "campaign"):
        value = properties.get(name)
        if isinstance(value, str) and value:
            return value
    return ""


def link_of(properties: Mapping[str, Any]) -> str:
    """Return the link that was clicked, ``""`` where the properties do not tell."""
    for name in ("url", "link"):
        value = properties.get(name)
        if isinstance(value, str) and value:
            return value
    return ""


def is_honeypot(properties: Mapping[str, Any], marker: str) -> bool:
    """Tell whether the link was laid for machines: the sender says so, or its address contains ``marker``."""
    return properties.get("honeypot") is True or bool(marker and marker in link_of(properties))


def find_bursts(signs: Iterable[Sign]) -> dict[Any, str]:
    """Return the clicks (by key) of one contact that a machine made, each with the strongest reason that holds."""
    mails: defaultdict[str, list[Sign]] = defaultdict(list)
    for sign in signs:
        mails[sign.mail].append(sign)
    found: dict[Any, str] = {}
    for mail, of_mail in mails.items():
        clicks = sorted((sign for sign in of_mail if sign.sort is Sort.CLICKED), key=lambda sign: sign.at)
        if not clicks:
            continue
        # Which delivery a click belongs to is known only where the mail is.
        arrivals = [sign for sign in of_mail if sign.sort is not Sort.CLICKED] if mail else []
        for reason, marked in (
            (AT_DELIVERY, _at_delivery(clicks, arrivals)),
            (MANY_LINKS, _many_links(clicks)),
            (HONEYPOT, _around_honeypots(clicks)),
        ):
            found |= dict.fromkeys(marked, reason)
    return found


def _at_delivery(clicks: Sequence[Sign], arrivals: Sequence[Sign]) -> list[Any]:
    def belongs(click: Sign, arrival: Sign) -> bool:
        before = BEFORE_DELIVERY if arrival.sort is Sort.DELIVERED else timedelta(0)
        return -before <= click.at - arrival.at <= WITHIN

    return [click.key for click in clicks if any(belongs(click, arrival) for arrival in arrivals)]


def _many_links(clicks: Sequence[Sign]) -> list[Any]:
    """Clicks that lie in a stretch of ``WITHIN`` with clicks on several links; ``clicks`` are in order of time."""
    links: Counter[str] = Counter()
    begins, ends = [0] * (len(clicks) + 1), [0] * (len(clicks) + 1)
    first = 0
    for place, click in enumerate(clicks):
        if click.link:
            links[click.link] += 1
        while click.at - clicks[first].at > WITHIN:
            gone = clicks[first].link
            if gone:
                links[gone] -= 1
                if not links[gone]:
                    del links[gone]
            first += 1
        if len(links) >= FEWEST_LINKS:
            begins[first] += 1
            ends[place + 1] += 1
    covered = accumulate(begun - ended for begun, ended in zip(begins, ends, strict=True))
    return [click.key for click, depth in zip(clicks, covered, strict=False) if depth]


def _around_honeypots(clicks: Sequence[Sign]) -> list[Any]:
    traps = [click.at for click in clicks if click.is_honeypot]
    return [click.key for click in clicks if any(abs(click.at - at) <= AROUND_HONEYPOT for at in traps)]

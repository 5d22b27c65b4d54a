"""How Ripen itself does, in words: what each part is called, how it is, and what to do where it is not well."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext, gettext_noop, ngettext

from config.web.formats import format_number, format_relative
from funnel.operation import Finding, Level

# What it is called, and the sentence of an alarm as a notice says it.
_PARTS: Final[Mapping[str, tuple[str, str]]] = {
    "database": (gettext_noop("Database"), gettext_noop("The database does not answer")),
    "broker": (gettext_noop("Broker"), gettext_noop("The broker does not answer")),
    "disk": (gettext_noop("Disk"), gettext_noop("The disk is nearly full")),
    "worker": (gettext_noop("Judging worker"), gettext_noop("The worker that judges is silent")),
    "beat": (gettext_noop("Clock (beat)"), gettext_noop("The clock that wakes the workers is silent")),
    "runs": (gettext_noop("Worker of long work"), gettext_noop("The worker of long work is silent")),
    "hooks": (gettext_noop("Worker of webhooks"), gettext_noop("The worker of webhooks is silent")),
    "due": (gettext_noop("Facts to judge"), gettext_noop("Facts wait too long for judgement")),
    "quarantined": (gettext_noop("Failed judgements"), gettext_noop("Some contacts could not be judged")),
    "reviews": (gettext_noop("Reviews"), gettext_noop("Reviews are overdue")),
    "refusing": (gettext_noop("Taking facts"), gettext_noop("No more facts are taken: too many wait")),
    "outbox": (gettext_noop("Consequences"), gettext_noop("Changes of stage wait too long for their consequences")),
    "telling": (gettext_noop("Telling people and webhooks"), gettext_noop("What happened waits too long to be told")),
    "deliveries": (gettext_noop("Webhooks"), gettext_noop("Webhooks cannot be delivered")),
    "mail": (gettext_noop("Mail"), gettext_noop("Mail does not leave")),
    "work": (gettext_noop("Jobs and runs"), gettext_noop("Long work waits or failed")),
    "replica": (gettext_noop("Standby"), gettext_noop("The standby is far behind")),
    "proof": (gettext_noop("Checks of the data"), gettext_noop("A check of the data found something wrong")),
}
# By part and by what was found.
_SAID: Final[Mapping[tuple[str, str], str]] = {
    ("database", "ok"): gettext_noop("Answers; {connections} of {most} connections, {size}."),
    ("database", "connections"): gettext_noop("{connections} of {most} connections are taken."),
    ("database", "transaction"): gettext_noop("A transaction has been open for {seconds}."),
    ("database", "down"): gettext_noop("Does not answer."),
    ("broker", "bad"): gettext_noop("Does not answer. Work goes on only where somebody asks for it."),
    ("disk", "ok"): gettext_noop("{free} free."),
    ("disk", "bad"): gettext_noop("Only {free} free."),
    ("due", "none"): gettext_noop("Every fact is judged."),
    ("quarantined", "ok"): gettext_noop("None."),
    ("refusing", "ok"): gettext_noop("Facts are taken as they come."),
    ("refusing", "bad"): gettext_noop("Senders are asked to come again later (503)."),
    ("mail", "bad"): gettext_noop("{failed} could not be sent since yesterday."),
    ("work", "bad"): gettext_noop("{failed} failed since yesterday."),
    ("replica", "ok"): gettext_noop("{name} is {seconds} behind."),
    ("replica", "bad"): gettext_noop("{name} is {seconds} behind."),
    ("proof", "stale"): gettext_noop("The last was {at}."),
    ("proof", "none"): gettext_noop("None was made yet."),
}


def _first_waits(number: int) -> str:
    return ngettext("{number} waits, for {seconds}.", "{number} wait, the first for {seconds}.", number)


# The same where the number of the first figure decides between one and many.
_COUNTED: Final[Mapping[tuple[str, str], tuple[str, Callable[[int], str]]]] = {
    ("broker", "ok"): (
        "messages",
        lambda n: ngettext("Answers; {messages} message waits.", "Answers; {messages} messages wait.", n),
    ),
    ("due", "ok"): ("number", _first_waits),
    ("due", "bad"): ("number", _first_waits),
    ("quarantined", "bad"): (
        "number",
        lambda n: ngettext(
            "{number} fact belongs to a contact whose judgement failed five times.",
            "{number} facts belong to contacts whose judgement failed five times.",
            n,
        ),
    ),
    ("reviews", "ok"): ("number", lambda n: ngettext("{number} is overdue.", "{number} are overdue.", n)),
    ("reviews", "bad"): (
        "number",
        lambda n: ngettext("{number} is overdue, by {seconds}.", "{number} are overdue, the first by {seconds}.", n),
    ),
    ("outbox", "ok"): (
        "number",
        lambda n: ngettext("{number} change of stage waits.", "{number} changes of stage wait.", n),
    ),
    ("outbox", "bad"): (
        "number",
        lambda n: ngettext(
            "{number} change of stage waits, for {seconds}.",
            "{number} changes of stage wait, the first for {seconds}.",
            n,
        ),
    ),
    ("telling", "ok"): ("number", lambda n: ngettext("{number} waits to be told.", "{number} wait to be told.", n)),
    ("telling", "bad"): (
        "number",
        lambda n: ngettext(
            "{number} waits to be told, for {seconds}.", "{number} wait to be told, the first for {seconds}.", n
        ),
    ),
    ("deliveries", "ok"): (
        "number",
        lambda n: ngettext("{number} message is due.", "{number} messages are due.", n),
    ),
    ("deliveries", "bad"): (
        "failing",
        lambda n: ngettext(
            "{failing} receiver fails; dead letters since yesterday: {dead}.",
            "{failing} receivers fail; dead letters since yesterday: {dead}.",
            n,
        ),
    ),
    ("deliveries", "late"): (
        "number",
        lambda n: ngettext(
            "{number} message is due, for {seconds}.", "{number} messages are due, the first for {seconds}.", n
        ),
    ),
    ("mail", "ok"): ("number", lambda n: ngettext("{number} is due.", "{number} are due.", n)),
    ("mail", "late"): (
        "number",
        lambda n: ngettext("{number} is due, for {seconds}.", "{number} are due, the first for {seconds}.", n),
    ),
    ("work", "ok"): (
        "number",
        lambda n: ngettext("{running} under way, {number} waits.", "{running} under way, {number} wait.", n),
    ),
    ("work", "late"): (
        "number",
        lambda n: ngettext(
            "{number} waits to begin, for {seconds}.", "{number} wait to begin, the first for {seconds}.", n
        ),
    ),
    ("proof", "ok"): (
        "sample",
        lambda n: ngettext(
            "Everything held for {sample} contact, {at}.", "Everything held for {sample} contacts, {at}.", n
        ),
    ),
    ("proof", "bad"): (
        "number",
        lambda n: ngettext("{number} thing did not hold, {at}.", "{number} things did not hold, {at}.", n),
    ),
}
_WORKING: Final = gettext_noop("Last sign of life {at}.")
_SILENT: Final = gettext_noop("No sign of life for more than half a minute; the last one {at}.")
_NEVER_SEEN: Final = gettext_noop("No sign of life.")
_UNKNOWN: Final = gettext_noop("Could not be asked.")
_WORKERS: Final = frozenset({"worker", "beat", "runs", "hooks"})
_ADVICE: Final[Mapping[str, str]] = {
    "database": gettext_noop("Look at its connections and log; end what has been idle in a transaction."),
    "broker": gettext_noop("Start it again. Nothing is lost: what it held are hints, and the rows they hint at wait."),
    "disk": gettext_noop("Make room before it is full: old logs, exports and uploads in the state folder first."),
    "worker": gettext_noop("Start it again and read its log. Facts are stored meanwhile and judged at their own time."),
    "beat": gettext_noop("Start it again: without it nothing that falls due by time is noticed."),
    "runs": gettext_noop("Start it again: what-ifs, publications, imports and exports wait for it."),
    "hooks": gettext_noop("Start it again: messages to other systems wait for it."),
    "due": gettext_noop("Where the worker lives, it cannot keep up: give it more processes, or look what slows it."),
    "quarantined": gettext_noop("Run manage.py verify: it names the contacts and the errors. Mend the cause, rebuild."),
    "reviews": gettext_noop("As for facts to judge: no worker takes them, or not fast enough."),
    "refusing": gettext_noop("As for facts to judge. Senders that keep to Retry-After lose nothing."),
    "outbox": gettext_noop("Read the worker's log: drawing consequences fails or is too slow."),
    "telling": gettext_noop("Read the logs of the workers: telling fails, and manage.py verify names the rows."),
    "deliveries": gettext_noop("Look at the endpoint's attempts; replay dead letters when its receiver is back."),
    "mail": gettext_noop("Check EMAIL_URL and the mail server: the log has its answers."),
    "work": gettext_noop("Look at the list of jobs and at the runs of definitions, which say why."),
    "replica": gettext_noop("Look at the standby's log and its network; figures read there are old meanwhile."),
    "proof": gettext_noop("Run manage.py verify: it names what does not hold, and whom it concerns."),
}
# Where there is more to see, by the name of the page.
PLACES: Final[Mapping[str, str]] = {"deliveries": "hooks", "work": "jobs"}


@dataclass(frozen=True, slots=True)
class PartLine:
    """A part as the page shows it. ``tone`` and ``icon`` are those of its badge, ``since`` when its trouble began.

    ``anchor``: its heading in docs/operate.md; ``place``: the name of a page with more.
    """

    key: str
    name: str
    state: str
    tone: str
    icon: str
    said: str
    advice: str
    anchor: str
    place: str
    since: datetime | None


_BADGES: Final[Mapping[Level, tuple[str, str, str]]] = {
    Level.OK: (gettext_noop("in order"), "good", "check"),
    Level.UNKNOWN: (gettext_noop("unknown"), "", "circle-question-mark"),
    Level.WARNING: (gettext_noop("look at it"), "warn", "triangle-alert"),
    Level.ALARM: (gettext_noop("trouble"), "bad", "octagon-alert"),
}


def say_trouble(part: str) -> str:
    """The sentence of an alarm, in the reader's language; of a part that is not known any more, that of all."""
    return gettext(_PARTS[part][1]) if part in _PARTS else gettext("Ripen itself is in trouble")


def say_operation(findings: list[Finding], *, since: Mapping[str, datetime], now: datetime) -> list[PartLine]:
    """Put findings into words; ``since`` says of alarms that last when they began."""
    return [_line(finding, since.get(finding.key), now) for finding in findings]


def _line(finding: Finding, since: datetime | None, now: datetime) -> PartLine:
    state, tone, icon = _BADGES[finding.level]
    wrong = finding.level in {Level.WARNING, Level.ALARM}
    return PartLine(
        key=finding.key,
        name=gettext(_PARTS[finding.key][0]),
        state=gettext(state),
        tone=tone,
        icon=icon,
        said=_say(finding, now),
        advice=gettext(_ADVICE[finding.key]) if wrong else "",
        anchor=finding.key,
        place=PLACES.get(finding.key, ""),
        since=since if wrong else None,
    )


def _say(finding: Finding, now: datetime) -> str:
    if finding.key in _WORKERS and finding.level is not Level.UNKNOWN:
        seen = finding.figures.get("at") is not None
        pattern = gettext(_NEVER_SEEN if not seen else _WORKING if finding.level is Level.OK else _SILENT)
    elif finding.said == "unknown":
        pattern = gettext(_UNKNOWN)
    elif (finding.key, finding.said) in _COUNTED:
        figure, pattern_for = _COUNTED[finding.key, finding.said]
        pattern = pattern_for(finding.figures[figure])
    else:
        pattern = gettext(_SAID[finding.key, finding.said])
    words = {name: _WRITTEN.get(name, _as_it_is)(value, now) for name, value in finding.figures.items()}
    return pattern.format_map(words)


def _as_it_is(value: Any, now: datetime) -> str:
    return format_number(value) if isinstance(value, int) else str(value)


def _duration(seconds: float, now: datetime) -> str:
    """A rough duration: whoever reads it wants to know whether it is seconds or hours."""
    if seconds < 100:
        return gettext("{n} s").format(n=format_number(round(seconds)))
    if seconds < 6_000:
        return gettext("{n} min").format(n=format_number(round(seconds / 60)))
    return gettext("{n} h").format(n=format_number(round(seconds / 3_600)))


def _size(value: int, now: datetime) -> str:
    return str(filesizeformat(value))


def _moment(value: datetime | None, now: datetime) -> str:
    return "" if value is None else format_relative(value, now=now)


_WRITTEN: Final[Mapping[str, Callable[[Any, datetime], str]]] = {
    "seconds": _duration,
    "size": _size,
    "free": _size,
    "at": _moment,
}

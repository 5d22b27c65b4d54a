"""Which tables there are, and what their columns mean: the heads of pages and CSV files, and the keys of the JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from funnel.selectors.figures import AGES

# What a cell holds: see Kind.
Cell = Any


class Kind(StrEnum):
    """What a column's cells are.

    ``stage``: a stage's key ("" is arrival; shown by the definition's label); ``share``: a share of 1, ``seconds``: a
    length of time, ``moment``, ``month`` (its first day), ``flag``: yes or no. None is "not known".
    """

    TEXT = "text"
    STAGE = "stage"
    NUMBER = "number"
    SHARE = "share"
    SECONDS = "seconds"
    MOMENT = "moment"
    MONTH = "month"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its key in JSON and CSV, its head on the page, what its cells are and what they mean."""

    key: str
    label: str
    kind: Kind
    help: str = ""
    shown: bool = True


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A table: its name in addresses and in the JSON, its title, and its columns."""

    name: str
    title: str
    columns: tuple[Column, ...]


def _stage(key: str, label: str, meaning: str = "") -> Column:
    return Column(key, label, Kind.STAGE, meaning)


def _number(key: str, label: str, meaning: str = "") -> Column:
    return Column(key, label, Kind.NUMBER, meaning)


def _share(key: str, label: str, meaning: str = "") -> Column:
    return Column(key, label, Kind.SHARE, meaning)


def _seconds(key: str, label: str, meaning: str = "") -> Column:
    return Column(key, label, Kind.SECONDS, meaning)


def _text(key: str, label: str, meaning: str = "", *, shown: bool = True) -> Column:
    return Column(key, label, Kind.TEXT, meaning, shown)


_CLOCK = (
    _number("met", "In time", "ended before the deadline, in business hours"),
    _number("missed", "Too late"),
    _number("running", "Still running"),
    _number("void", "Not measured", "something else ended it in time, or no clock ran"),
    _share("attained", "Attained", "of those that were in time or too late"),
)
_VERDICTS = (
    _number("offered", "Offered"),
    _number("decided", "With a verdict", "accepted, won in a rep's hands, or returned"),
    _number("accepted", "Accepted"),
    _share("acceptance", "Acceptance", "of those with a verdict"),
    _number("returned", "Returned"),
)

_SPECS: Final = (
    TableSpec(
        "stages",
        "Contacts by stage",
        (
            _stage("stage", "Stage"),
            _number("before", "At the start"),
            _number("entries", "Entries"),
            _number("exits", "Exits"),
            _number("after", "At the end"),
            _number("change", "Change"),
        ),
    ),
    TableSpec(
        "entered_at",
        "New contacts that began beyond the weakest stage",
        (_stage("stage", "Stage"), _number("contacts", "Contacts")),
    ),
    TableSpec(
        "steps",
        "Conversion by pair of stages",
        (
            _stage("origin", "From"),
            _stage("target", "To"),
            _number("reached", "Reached", "the first stage or a stronger one, for the first time in the period"),
            _number("strict", "Straight on", "their next move led from the first stage to the second"),
            _share("strict_rate", "Strict"),
            _number("loose", "Got there at all", "by now, skips and detours included"),
            _share("loose_rate", "Loose"),
            _number("skipped", "Skipped", "of those that got there, how many never stood at the first"),
        ),
    ),
    TableSpec(
        "velocities",
        "How long it took",
        (
            _stage("origin", "From"),
            _stage("target", "To"),
            _number("moves", "Contacts", "that reached the second stage in the period"),
            _seconds("p10", "Fastest tenth"),
            _seconds("median", "Median"),
            _seconds("p90", "Slowest tenth"),
            Column("exact", "Exact", Kind.FLAG, "else within 2 %", shown=False),
        ),
    ),
    TableSpec(
        "flows",
        "Moves between stages",
        (
            _stage("origin", "From"),
            _stage("target", "To"),
            _text("way", "Way", "up, down, or in for arrivals"),
            _number("moves", "Moves"),
        ),
    ),
    TableSpec(
        "cohorts",
        "Cohorts by month",
        (
            Column("month", "Month", Kind.MONTH),
            _number("size", "Contacts"),
            Column("watched_days", "Watched for", Kind.NUMBER, "whole days, since the month's last day", shown=False),
            *(_number(f"within_{days}", f"{days} d", f"within {days} days") for days in AGES),
            _number("ever", "By now"),
        ),
    ),
    TableSpec(
        "sources",
        "Conversion by source",
        (
            _text("value", "Value", "empty: not known"),
            _number("reached", "Reached"),
            _number("converted", "Converted"),
            _share("rate", "Rate"),
        ),
    ),
    TableSpec(
        "offers",
        "What became of the offers",
        (
            _text("figure", "Figure", shown=False),
            _text("label", "Offers"),
            _number("count", "Number"),
            _share("share", "Share"),
            _text("share_of", "Of"),
        ),
    ),
    TableSpec(
        "clocks",
        "Clocks",
        (
            _text("clock", "Clock", shown=False),
            _text("label", "From"),
            *_CLOCK,
            _seconds("median", "Median"),
            _seconds("p90", "Slowest tenth"),
        ),
    ),
    TableSpec(
        "unowned",
        "Time without a Sales owner",
        (
            _seconds("median", "Median", "from the first offer to the claim"),
            _seconds("p90", "Slowest tenth"),
            _seconds("total", "Together", "all waits that began in the period"),
            Column("oldest", "Longest waiting", Kind.MOMENT, "since when"),
        ),
    ),
    TableSpec(
        "reps",
        "By rep",
        (
            _text("rep_id", "Id", shown=False),
            _text("rep", "Rep"),
            _number("taken", "Taken"),
            _seconds("claim_median", "Median to claim"),
            _share("claims_attained", "Claimed in time"),
            _share("attempts_attained", "Tried in time"),
            _number("accepted", "Accepted"),
            _number("decided", "With a verdict"),
            _share("acceptance", "Acceptance"),
            _number("returned", "Returned"),
            _number("won", "Won"),
            _number("released", "Released"),
            _number("in_hand", "In hand"),
        ),
    ),
    TableSpec(
        "reasons",
        "Why they came back",
        (
            _text("reason", "Code", shown=False),
            _text("label", "Reason"),
            _number("returned", "Returned"),
            _share("share", "Share"),
        ),
    ),
    TableSpec(
        "rules",
        "Returned by rule",
        (
            _text("definition", "Definition", shown=False),
            _text("kind", "Kind", "signal, fit or evidence"),
            _text("rule", "Key", shown=False),
            _text("label", "Rule"),
            *_VERDICTS,
            _share("return_rate", "Return rate"),
            _share("excess", "Above all", "the surest part of what its return rate has over that of all offers"),
            Column("ranked", "Ranked", Kind.FLAG, "whether it has verdicts enough", shown=False),
            _text("top_reason", "Most often"),
        ),
    ),
    TableSpec(
        "rule_reasons",
        "Reasons by rule",
        (
            _text("definition", "Definition", shown=False),
            _text("kind", "Kind"),
            _text("rule", "Key", shown=False),
            _text("label", "Rule"),
            _text("reason", "Code", shown=False),
            _text("reason_label", "Reason"),
            _number("returned", "Returned"),
        ),
    ),
    TableSpec(
        "source_feedback",
        "Acceptance by source",
        (_text("value", "Value", "empty: not known"), *_VERDICTS, _number("won", "Won")),
    ),
)
TABLES: Final = {spec.name: spec for spec in _SPECS}
# What can be asked for at once, with its title and its tables.
PARTS: Final[dict[str, tuple[str, Sequence[str]]]] = {
    "counts": ("Stages", ("stages", "entered_at")),
    "conversion": ("Conversion", ("steps",)),
    "velocity": ("Velocity", ("velocities",)),
    "flows": ("Flows", ("flows",)),
    "cohorts": ("Cohorts", ("cohorts",)),
    "sources": ("Sources", ("sources",)),
    "handoffs": ("Handoffs", ("offers", "clocks", "unowned", "reps", "reasons")),
    "rules": ("Returned by rule", ("rules", "rule_reasons", "source_feedback")),
}
DEFAULT_PARTS: Final = ("counts", "conversion", "velocity", "cohorts", "flows")

"""Which tables there are, and what their columns mean: the heads of pages and CSV files, and the keys of the JSON.

Titles, heads and meanings are English here, for the API's documentation; pages translate what they show of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from django.utils.translation import gettext_noop

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
    _number("met", gettext_noop("In time"), gettext_noop("ended before the deadline, in business hours")),
    _number("missed", gettext_noop("Too late")),
    _number("running", gettext_noop("Still running")),
    _number("void", gettext_noop("Not measured"), gettext_noop("something else ended it in time, or no clock ran")),
    _share("attained", gettext_noop("Attained"), gettext_noop("of those that were in time or too late")),
)
_VERDICTS = (
    _number("offered", gettext_noop("Offered")),
    _number("decided", gettext_noop("With a verdict"), gettext_noop("accepted, won in a rep's hands, or returned")),
    _number("accepted", gettext_noop("Accepted")),
    _share("acceptance", gettext_noop("Acceptance"), gettext_noop("of those with a verdict")),
    _number("returned", gettext_noop("Returned")),
)

_SPECS: Final = (
    TableSpec(
        "stages",
        gettext_noop("Contacts by stage"),
        (
            _stage("stage", gettext_noop("Stage")),
            _number("before", gettext_noop("At the start")),
            _number("entries", gettext_noop("Entries")),
            _number("exits", gettext_noop("Exits")),
            _number("after", gettext_noop("At the end")),
            _number("change", gettext_noop("Change")),
        ),
    ),
    TableSpec(
        "entered_at",
        gettext_noop("New contacts that began beyond the weakest stage"),
        (_stage("stage", gettext_noop("Stage")), _number("contacts", gettext_noop("Contacts"))),
    ),
    TableSpec(
        "steps",
        gettext_noop("Conversion by pair of stages"),
        (
            _stage("origin", gettext_noop("From")),
            _stage("target", gettext_noop("To")),
            _number(
                "reached",
                gettext_noop("Reached"),
                gettext_noop("the first stage or a stronger one, for the first time in the period"),
            ),
            _number(
                "strict",
                gettext_noop("Straight on"),
                gettext_noop("their next move led from the first stage to the second"),
            ),
            _share("strict_rate", gettext_noop("Strict")),
            _number("loose", gettext_noop("Got there at all"), gettext_noop("by now, skips and detours included")),
            _share("loose_rate", gettext_noop("Loose")),
            _number(
                "skipped",
                gettext_noop("Skipped"),
                gettext_noop("of those that got there, how many never stood at the first"),
            ),
        ),
    ),
    TableSpec(
        "velocities",
        gettext_noop("How long it took"),
        (
            _stage("origin", gettext_noop("From")),
            _stage("target", gettext_noop("To")),
            _number("moves", gettext_noop("Contacts"), gettext_noop("that reached the second stage in the period")),
            _seconds("p10", gettext_noop("Fastest tenth")),
            _seconds("median", gettext_noop("Median")),
            _seconds("p90", gettext_noop("Slowest tenth")),
            Column("exact", "Exact", Kind.FLAG, "else within 2 %", shown=False),
        ),
    ),
    TableSpec(
        "flows",
        gettext_noop("Moves between stages"),
        (
            _stage("origin", gettext_noop("From")),
            _stage("target", gettext_noop("To")),
            _text("way", gettext_noop("Way"), gettext_noop("up, down, or in for arrivals")),
            _number("moves", gettext_noop("Moves")),
        ),
    ),
    TableSpec(
        "cohorts",
        gettext_noop("Cohorts by month"),
        (
            Column("month", gettext_noop("Month"), Kind.MONTH),
            _number("size", gettext_noop("Contacts")),
            Column("watched_days", "Watched for", Kind.NUMBER, "whole days, since the month's last day", shown=False),
            *(_number(f"within_{days}", f"{days} d", f"within {days} days") for days in AGES),
            _number("ever", gettext_noop("By now")),
        ),
    ),
    TableSpec(
        "sources",
        gettext_noop("Conversion by source"),
        (
            _text("value", gettext_noop("Value"), gettext_noop("empty: not known")),
            _number("reached", gettext_noop("Reached")),
            _number("converted", gettext_noop("Converted")),
            _share("rate", gettext_noop("Rate")),
        ),
    ),
    TableSpec(
        "offers",
        gettext_noop("What became of the offers"),
        (
            _text("figure", "Figure", shown=False),
            _text("label", gettext_noop("Offers")),
            _number("count", gettext_noop("Number")),
            _share("share", gettext_noop("Share")),
            _text("share_of", gettext_noop("Of")),
        ),
    ),
    TableSpec(
        "clocks",
        gettext_noop("Clocks"),
        (
            _text("clock", "Clock", shown=False),
            _text("label", gettext_noop("From")),
            *_CLOCK,
            _seconds("median", gettext_noop("Median")),
            _seconds("p90", gettext_noop("Slowest tenth")),
        ),
    ),
    TableSpec(
        "unowned",
        gettext_noop("Time without a Sales owner"),
        (
            _seconds("median", gettext_noop("Median"), gettext_noop("from the first offer to the claim")),
            _seconds("p90", gettext_noop("Slowest tenth")),
            _seconds("total", gettext_noop("Together"), gettext_noop("all waits that began in the period")),
            Column("oldest", gettext_noop("Longest waiting"), Kind.MOMENT, gettext_noop("since when")),
        ),
    ),
    TableSpec(
        "reps",
        gettext_noop("By rep"),
        (
            _text("rep_id", "Id", shown=False),
            _text("rep", gettext_noop("Rep")),
            _number("taken", gettext_noop("Taken")),
            _seconds("claim_median", gettext_noop("Median to claim")),
            _share("claims_attained", gettext_noop("Claimed in time")),
            _share("attempts_attained", gettext_noop("Tried in time")),
            _number("accepted", gettext_noop("Accepted")),
            _number("decided", gettext_noop("With a verdict")),
            _share("acceptance", gettext_noop("Acceptance")),
            _number("returned", gettext_noop("Returned")),
            _number("won", gettext_noop("Won")),
            _number("released", gettext_noop("Released")),
            _number("in_hand", gettext_noop("In hand")),
        ),
    ),
    TableSpec(
        "reasons",
        gettext_noop("Why they came back"),
        (
            _text("reason", "Code", shown=False),
            _text("label", gettext_noop("Reason")),
            _number("returned", gettext_noop("Returned")),
            _share("share", gettext_noop("Share")),
        ),
    ),
    TableSpec(
        "rules",
        gettext_noop("Returned by rule"),
        (
            _text("definition", "Definition", shown=False),
            _text("kind", gettext_noop("Kind"), gettext_noop("signal, fit or evidence")),
            _text("rule", "Key", shown=False),
            _text("label", gettext_noop("Rule")),
            *_VERDICTS,
            _share("return_rate", gettext_noop("Return rate")),
            _share(
                "excess",
                gettext_noop("Above all"),
                gettext_noop("the surest part of what its return rate has over that of all offers"),
            ),
            Column("ranked", "Ranked", Kind.FLAG, "whether it has verdicts enough", shown=False),
            _text("top_reason", gettext_noop("Most often")),
        ),
    ),
    TableSpec(
        "rule_reasons",
        gettext_noop("Reasons by rule"),
        (
            _text("definition", "Definition", shown=False),
            _text("kind", gettext_noop("Kind")),
            _text("rule", "Key", shown=False),
            _text("label", gettext_noop("Rule")),
            _text("reason", "Code", shown=False),
            _text("reason_label", gettext_noop("Reason")),
            _number("returned", gettext_noop("Returned")),
        ),
    ),
    TableSpec(
        "source_feedback",
        gettext_noop("Acceptance by source"),
        (
            _text("value", gettext_noop("Value"), gettext_noop("empty: not known")),
            *_VERDICTS,
            _number("won", gettext_noop("Won")),
        ),
    ),
)
TABLES: Final = {spec.name: spec for spec in _SPECS}
# What can be asked for at once, with its title and its tables.
PARTS: Final[dict[str, tuple[str, Sequence[str]]]] = {
    "counts": (gettext_noop("Stages"), ("stages", "entered_at")),
    "conversion": (gettext_noop("Conversion"), ("steps",)),
    "velocity": (gettext_noop("Velocity"), ("velocities",)),
    "flows": (gettext_noop("Flows"), ("flows",)),
    "cohorts": (gettext_noop("Cohorts"), ("cohorts",)),
    "sources": (gettext_noop("Sources"), ("sources",)),
    "handoffs": (gettext_noop("Handoffs"), ("offers", "clocks", "unowned", "reps", "reasons")),
    "rules": (gettext_noop("Returned by rule"), ("rules", "rule_reasons", "source_feedback")),
}
DEFAULT_PARTS: Final = ("counts", "conversion", "velocity", "cohorts", "flows")

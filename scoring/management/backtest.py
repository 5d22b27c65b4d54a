"""``manage.py definition backtest``: a definition held against what really happened, from the shell."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from contacts.services.work import CannotRun
from scoring.definition import DefinitionDocument
from scoring.management.publishing import read_file
from scoring.models import Definition
from scoring.selectors import definition_document, find_definition
from scoring.services.backtest import backtest
from scoring.services.observing import HORIZON_DAYS, MODES, read_outcome, read_times

_FILES = (".yaml", ".yml")


def add_backtest_arguments(parser: CommandParser) -> None:
    """Declare what the sub-command takes."""
    parser.add_argument("definition", metavar="KEY|FILE.yaml", help="key, key@version, or a definition as YAML")
    parser.add_argument("--mode", choices=MODES, default=MODES[0], help="at which moments contacts are looked at")
    parser.add_argument(
        "--horizon-days", type=int, default=HORIZON_DAYS, metavar="N", help=f"outcomes so soon count ({HORIZON_DAYS})"
    )
    parser.add_argument(
        "--outcome", default="", metavar="EVIDENCE|KINDS", help="an evidence of the definition, or kinds with commas"
    )
    parser.add_argument("--since", default="", metavar="DATE", help="first day to look at contacts (the earliest)")
    parser.add_argument("--until", default="", metavar="DATE", help="last day to look at contacts (the latest)")
    parser.add_argument("--stage", default="", metavar="KEY", help="from which stage on a contact is flagged (handoff)")
    parser.add_argument("--json", action="store_true", help="as JSON")


def tell_backtest(options: dict[str, Any], *, now: datetime) -> str:
    """Do what was asked on the shell; returns the text to print.

    Raises:
        CommandError: there is no such definition or file, or what is asked makes no sense.
        DefinitionError: the file holds no sound definition.
    """
    document, version = _named(options["definition"])
    try:
        times = read_times(options)
        found = backtest(
            document,
            now=now,
            mode=times.mode,
            horizon_days=times.horizon_days,
            since=times.since,
            until=times.until,
            outcome=read_outcome(options["outcome"], document),
            stage=options["stage"],
            version=version,
        )
    except CannotRun as error:
        raise CommandError(str(error)) from None
    return json.dumps(found, indent=2) if options["json"] else "\n".join(_told(found))


def _named(name: str) -> tuple[DefinitionDocument, str]:
    """The definition that was named, and how to call it."""
    path = Path(name)
    if path.suffix in _FILES:
        return read_file(path), path.name
    try:
        row = find_definition(name)
    except Definition.DoesNotExist as error:
        raise CommandError(str(error)) from None
    return definition_document(row), f"{row.key}@{row.version}"


def _told(found: dict[str, Any]) -> Iterator[str]:
    asked, people, lead = found["asked"], found["population"], found["lead"]
    moments = "at month ends" if asked["mode"] == "month-ends" else "at their own times"
    yield f"{found['definition']} against {asked['outcome']['label']} within {asked['horizon_days']} days"
    yield (
        f"{people['observations']:,} observations of {people['observed']:,} contacts {moments}"
        + (f", {people['first'][:10]} to {people['last'][:10]}" if people["observations"] else "")
        + f"; {people['outcomes']:,} followed by the outcome ({_percent(people['rate'])}), "
        f"of {people['converted']:,} contacts"
    )
    left = found["left_out"]
    yield (
        f"left out: {left['after_outcome']:,} after the outcome, {left['horizon_open']:,} whose horizon is still open, "
        f"{left['thinned']:,} of contacts with many"
    )
    yield from (f"note: {text}" for text in found["warnings"])
    yield ""
    yield "How well it ranks (area under the ROC curve; 0.5 is chance)"
    yield from (f"  {_figure(area['auc']):>6}  {_between(area)}  {area['label']}" for area in found["auc"])
    yield ""
    yield from _table("At the stage or above", [(row["label"], row["or_above"]) for row in found["stages"]])
    yield ""
    cuts = [row for row in found["thresholds"] if row["observations"]]
    best = sorted(cuts, key=lambda row: -row["at_least"])[:12]
    yield from _table("Fit and engagement of at least", [(f"{row['at_least']:g}", row) for row in reversed(best)])
    yield ""
    label = asked["stage"]["label"]
    yield f"Lead time, from the first time at {label!r} or above to the outcome"
    yield (
        f"  {lead['flagged']:,} of {lead['buyers']:,} flagged before, {lead['never']:,} never, "
        f"nothing was known before of {lead['unknown']:,}; "
        f"median {_days(lead['median_days'])}, 90 % within {_days(lead['p90_days'])}"
    )
    yield ""
    yield f"{'Rules':<44}{'weighs in':>12}{'rate':>9}{'lift':>8}  95 % interval"
    for rule in found["rules"]:
        note = "" if rule["enough"] else "  (few)"
        yield (
            f"  {rule['label'][:41]:<42}{rule['observations']:>12,}{_percent(rule['rate']):>9}"
            f"{_figure(rule['lift']):>8}  {_between(rule)}{note}"
        )


def _table(title: str, rows: list[tuple[str, dict[str, Any]]]) -> Iterator[str]:
    yield f"{title:<32}{'observations':>14}{'share':>9}{'precision':>11}{'recall':>9}{'lift':>7}"
    for label, row in rows:
        yield (
            f"  {label[:29]:<30}{row['observations']:>14,}{_percent(row['share']):>9}{_percent(row['precision']):>11}"
            f"{_percent(row['recall']):>9}{_figure(row['lift']):>7}"
        )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _days(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} days"


def _between(row: dict[str, Any]) -> str:
    return "" if row["low"] is None else f"{row['low']:.2f} to {row['high']:.2f}"

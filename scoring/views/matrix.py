"""A run's migration matrix as a table: from which stage to which, every number a link to the contacts behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext

from config.web import charts
from config.web.formats import format_number
from scoring.definition import STAGE_KEYS, DefinitionDocument
from scoring.wording import amount


@dataclass(frozen=True, slots=True)
class Cell:
    """One number of a matrix; ``way``: up, down, same, or empty where nobody is. ``said`` names it in words.

    ``shade``: 1 to 4, how large a part of those who stood there it is.
    """

    contacts: int
    way: str
    url: str
    said: str
    shade: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One stage to come from, with a cell for each stage to go to."""

    key: str
    label: str
    cells: tuple[Cell, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows by the stages of the first definition, columns by those of the second, weakest first."""

    columns: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]
    totals: tuple[int, ...]
    contacts: int


def matrix_of(run_id: int, result: Mapping[str, Any]) -> Matrix:
    """Lay out the matrix of a what-if or a comparison."""
    counts = {(cell["from"], cell["to"]): int(cell["contacts"]) for cell in result["matrix"]}
    origins, targets = _stages(result, "from", counts, 0), _stages(result, "to", counts, 1)
    rows = []
    for key, label in origins:
        total = sum(counts.get((key, target), 0) for target, _ in targets)
        cells = tuple(_cell(run_id, (key, label), target, counts.get((key, target[0]), 0), total) for target in targets)
        rows.append(Row(key, label, cells, total))
    totals = tuple(sum(row.cells[place].contacts for row in rows) for place in range(len(targets)))
    return Matrix(tuple(targets), tuple(rows), totals, sum(totals))


def _stages(
    result: Mapping[str, Any], side: str, counts: Mapping[tuple[str, str], int], place: int
) -> list[tuple[str, str]]:
    """(key, label) of a side's stages; one that only contacts of the past still hold comes first, under its key."""
    used = [(stage["key"], stage["label"]) for stage in result["stages"][side]]
    known = {key for key, _ in used}
    former = {cell[place] for cell in counts} - known
    return [(key, key.replace("_", " ").capitalize()) for key in STAGE_KEYS if key in former] + used


def _cell(run_id: int, origin: tuple[str, str], target: tuple[str, str], contacts: int, total: int) -> Cell:
    way = _way(origin[0], target[0]) if contacts else ""
    said = _said(origin, target) % {"number": format_number(contacts), "origin": origin[1], "target": target[1]}
    return Cell(
        contacts, way, cell_url(run_id, origin[0], target[0]) if contacts else "", said, _shade(contacts, total)
    )


def cell_url(run_id: int, origin: str, target: str) -> str:
    """Where the contacts behind a number are listed."""
    return f"{reverse('run-contacts', args=[run_id])}?{urlencode({'from': origin, 'to': target})}"


def _said(origin: tuple[str, str], target: tuple[str, str]) -> str:
    if origin[0] == target[0] and origin[1] == target[1]:
        return gettext("%(number)s stay at %(target)s")
    return gettext("%(number)s from %(origin)s to %(target)s")


def _shade(contacts: int, total: int) -> int:
    """How deep a cell is painted; few of many are seen, too."""
    share = contacts / total if total else 0.0
    return sum(share > bound for bound in (0, 0.05, 0.2, 0.5))


def _way(origin: str, target: str) -> str:
    if origin == target:
        return "same"
    return "up" if STAGE_KEYS.index(target) > STAGE_KEYS.index(origin) else "down"


@dataclass(frozen=True, slots=True)
class Handoff:
    """Contacts who would come into what Sales is offered (or leave it), from one stage to another."""

    origin: tuple[str, str]
    target: tuple[str, str]
    contacts: int
    url: str


def handoffs_of(
    run_id: int, result: Mapping[str, Any], *, current: DefinitionDocument | None, tried: DefinitionDocument
) -> tuple[list[Handoff], list[Handoff]]:
    """The cells behind ``opens`` and behind ``withdraws`` of a what-if, most contacts first.

    ``current``: the definition that was in force then; None where it is gone, then nothing can be said.
    """
    if current is None:
        return [], []
    now = {stage.key for stage in current.stages if stage.handoff}
    then = {stage.key for stage in tried.stages if stage.handoff}
    labels = [{stage["key"]: stage["label"] for stage in result["stages"][side]} for side in ("from", "to")]
    opened, left = [], []
    for cell in sorted(result["matrix"], key=lambda cell: -int(cell["contacts"])):
        origin, target = cell["from"], cell["to"]
        found = Handoff(
            (origin, labels[0].get(origin, origin)),
            (target, labels[1].get(target, target)),
            int(cell["contacts"]),
            cell_url(run_id, origin, target),
        )
        if target in then and origin not in now:
            opened.append(found)
        if origin in now and target not in then:
            left.append(found)
    return opened, left


def score_chart(bands: Sequence[Mapping[str, Any]]) -> charts.Columns:
    """The distribution of engagement and fit together, now and under the draft, side by side."""
    return charts.columns(
        [_band(band) for band in bands],
        [
            charts.Series("before", gettext("Now"), tuple(int(band["before"]) for band in bands)),
            charts.Series("after", gettext("Under the draft"), tuple(int(band["after"]) for band in bands)),
        ],
        stacked=False,
    )


def _band(band: Mapping[str, Any]) -> str:
    low, high = band["from"], band["to"]
    if low is None:
        return f"<{amount(high)}"
    return f"{amount(low)}+" if high is None else f"{amount(low)}–{amount(high)}"

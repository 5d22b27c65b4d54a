"""A run's migration matrix as a table: from which stage to which, every number a link to the contacts behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from config.web import charts
from config.web.formats import format_number
from scoring.definition import STAGE_KEYS


@dataclass(frozen=True, slots=True)
class Cell:
    """One number of a matrix; ``way``: up, down, same, or empty where nobody is. ``said`` names it in words."""

    contacts: int
    way: str
    url: str
    said: str


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
        cells = tuple(_cell(run_id, (key, label), target, counts.get((key, target[0]), 0)) for target in targets)
        rows.append(Row(key, label, cells, sum(cell.contacts for cell in cells)))
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


def _cell(run_id: int, origin: tuple[str, str], target: tuple[str, str], contacts: int) -> Cell:
    way = _way(origin[0], target[0]) if contacts else ""
    url = f"{reverse('run-contacts', args=[run_id])}?{urlencode({'from': origin[0], 'to': target[0]})}"
    said = f"{format_number(contacts)} from {origin[1]} to {target[1]}"
    return Cell(contacts, way, url if contacts else "", said)


def _way(origin: str, target: str) -> str:
    if origin == target:
        return "same"
    return "up" if STAGE_KEYS.index(target) > STAGE_KEYS.index(origin) else "down"


def score_chart(bands: Sequence[Mapping[str, Any]]) -> charts.Columns:
    """The distribution of engagement and fit together, now and under the draft, side by side."""
    return charts.columns(
        [_band(band) for band in bands],
        [
            charts.Series("before", "Now", tuple(int(band["before"]) for band in bands)),
            charts.Series("after", "Under the draft", tuple(int(band["after"]) for band in bands)),
        ],
        stacked=False,
    )


def _band(band: Mapping[str, Any]) -> str:
    low, high = band["from"], band["to"]
    if low is None:
        return f"<{high:g}"
    return f"{low:g}+" if high is None else f"{low:g}–{high:g}"

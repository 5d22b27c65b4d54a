"""Tables as the page shows them: cells by kind, each number with the address of who is behind it."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from funnel.selectors.tables import (
    Asked,
    Column,
    FigureTable,
    HandoffsBehind,
    PeopleBehind,
    written,
)

# In addresses, where nothing and "from nowhere" differ.
NOWHERE = "(new)"


@dataclass(frozen=True, slots=True)
class ShownCell:
    """A cell: its value by the column's kind, and where its number leads; ``head``: it names its row."""

    kind: str
    value: Any
    url: str = ""
    head: bool = False


@dataclass(frozen=True, slots=True)
class ShownTable:
    """A table with its title, the heads of the columns that are shown, and where it can be downloaded."""

    name: str
    title: str
    heads: tuple[Column, ...]
    rows: tuple[tuple[ShownCell, ...], ...]
    csv_url: str


def shown_table(table: FigureTable, asked: Asked) -> ShownTable:
    """Make a table ready for its template."""
    heads = tuple(column for column in table.spec.columns if column.shown)
    rows = []
    for row in table.rows:
        cells = []
        for place, column in enumerate(heads):
            value = row.cells[column.key]
            behind = row.behind.get(column.key)
            url = behind_url(behind, asked) if behind is not None and value else ""
            cells.append(ShownCell(column.kind.value, value, url, head=place == 0))
        rows.append(tuple(cells))
    return ShownTable(table.spec.name, table.spec.title, heads, tuple(rows), csv_url(table.spec.name, asked))


def csv_url(name: str, asked: Asked) -> str:
    """Where a table can be downloaded."""
    return f"{reverse('funnel-csv', args=[name])}?{urlencode(written(asked))}"


def part_url(name: str, asked: Asked) -> str:
    """Where a part of the page is."""
    return f"{reverse('funnel-part', args=[name])}?{urlencode(written(asked))}"


def behind_url(behind: PeopleBehind | HandoffsBehind, asked: Asked) -> str:
    """Where those behind a number are listed."""
    segment = behind.segment or asked.segment
    if isinstance(behind, HandoffsBehind):
        query = written(Asked(asked.period, asked.preset, segment, asked.facet, asked.origin, asked.target))
        return f"{reverse('funnel-handoffs')}?{urlencode(query | dict(behind.asked))}"
    preset = asked.preset if behind.period is None else ""
    period = behind.period or asked.period
    query = written(Asked(period, preset, segment, asked.facet, asked.origin, asked.target))
    query["number"] = behind.behind.number.value
    for name, stage in (("from_stage", behind.behind.origin), ("to_stage", behind.behind.target)):
        if stage is not None:
            query[name] = stage or NOWHERE
    return f"{reverse('funnel-people')}?{urlencode(query)}"

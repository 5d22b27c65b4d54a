"""Tables as the page shows them: cells by kind, each number with the address of who is behind it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy, pgettext_lazy

from contacts.enums import Direction, Motion
from funnel.feedback import RuleKind
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
# Codes in cells, as pages say them.
RULE_KINDS: Final = {
    RuleKind.SIGNAL.value: gettext_lazy("signal"),
    RuleKind.FIT.value: gettext_lazy("fit"),
    RuleKind.EVIDENCE.value: gettext_lazy("evidence"),
}
_WAYS: Final = {
    "up": pgettext_lazy("way of a move", "up"),
    "down": pgettext_lazy("way of a move", "down"),
    "in": pgettext_lazy("way of a move", "in"),
}
_FACETS: Final[Mapping[str, Mapping[str, Any]]] = {
    "motion": dict(Motion.choices),
    "direction": dict(Direction.choices),
}
# Heads of columns, by key, whose English word another language says in several ways.
_HEADS: Final = {
    "origin": pgettext_lazy("stage", "From"),
    "target": pgettext_lazy("stage", "To"),
    "change": pgettext_lazy("difference", "Change"),
}


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
            cells.append(ShownCell(column.kind.value, _said(column, value, asked), url, head=place == 0))
        rows.append(tuple(cells))
    return ShownTable(
        name=table.spec.name,
        title=gettext(table.spec.title),
        heads=tuple(_head(column) for column in heads),
        rows=tuple(rows),
        csv_url=csv_url(table.spec.name, asked),
    )


def _head(column: Column) -> Column:
    """A column with its words in the reader's language."""
    label = str(_HEADS[column.key]) if column.key in _HEADS else gettext(column.label)
    return replace(column, label=label, help=gettext(column.help) if column.help else "")


def _said(column: Column, value: Any, asked: Asked) -> Any:
    """A cell's value; of a code, the word for it."""
    words: Mapping[str, Any] = {}
    if column.key == "way":
        words = _WAYS
    elif column.key == "kind":
        words = RULE_KINDS
    elif column.key == "value" and value:
        words = _FACETS.get(asked.facet, {})
    return words.get(value, value)


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

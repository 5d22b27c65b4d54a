"""The funnel's tables as CSV, in the definition's labels; words of ours are English, whoever reads the file."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from typing import Any

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_noop, override

from contacts.services.exporting import Table, stream_table
from funnel.selectors.tables import Cell, Column, FigureTable, Kind

Read = Callable[[Mapping[str, Any]], Any]
# What stages are called whose origin is no stage; pages translate it.
ARRIVAL = gettext_noop("New contacts")


def stream_figures(table: FigureTable, *, labels: Mapping[str, str]) -> Iterator[bytes]:
    """Return the table as CSV, in parts: a column for each of its own, a stage's key beside its label.

    Shares are numbers from 0 to 1, lengths of time seconds, moments ISO 8601, months ``2026-03``; what is not known is
    empty.
    """
    columns: dict[str, Read] = {}
    for column in table.spec.columns:
        columns[column.key] = _reader(column, labels)
        if column.kind is Kind.STAGE:
            columns[f"{column.key}_key"] = _as_it_is(column.key)
    return stream_table(Table(columns, [[dict(row.cells) for row in table.rows]]))


def _reader(column: Column, labels: Mapping[str, str]) -> Read:
    return lambda row: _text(row[column.key], column, labels)


def _as_it_is(key: str) -> Read:
    return lambda row: row[key]


def _text(cell: Cell, column: Column, labels: Mapping[str, str]) -> Any:
    if column.kind is Kind.STAGE:
        return labels.get(cell, cell) if cell else ARRIVAL
    if column.kind is Kind.FLAG:
        return "yes" if cell else "no"
    if isinstance(cell, Promise):
        with override(settings.LANGUAGE_CODE):
            return str(cell)
    if isinstance(cell, datetime):
        return cell.isoformat()
    return f"{cell:%Y-%m}" if isinstance(cell, date) else cell

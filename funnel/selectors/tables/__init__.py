"""The funnel's figures as tables: what page, JSON and CSV show comes from here, so that they cannot differ."""

from funnel.selectors.tables.asked import PARAMETERS, PRESETS, UNKNOWN, Asked, read_asked, written
from funnel.selectors.tables.building import FigureTable, HandoffsBehind, PeopleBehind, Row, Tables
from funnel.selectors.tables.specs import DEFAULT_PARTS, PARTS, TABLES, Cell, Column, Kind, TableSpec

__all__ = [
    "DEFAULT_PARTS",
    "PARAMETERS",
    "PARTS",
    "PRESETS",
    "TABLES",
    "UNKNOWN",
    "Asked",
    "Cell",
    "Column",
    "FigureTable",
    "HandoffsBehind",
    "Kind",
    "PeopleBehind",
    "Row",
    "TableSpec",
    "Tables",
    "read_asked",
    "written",
]

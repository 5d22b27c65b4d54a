"""The parts of the page: for each the tables, and the charts that are drawn of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from django.utils.translation import gettext

from config.web import charts
from config.web.formats import format_number
from config.web.sankey import sankey
from funnel.selectors.figures import AGES, has_shares
from funnel.selectors.tables import PARTS, Asked, FigureTable, Tables
from funnel.services.figures_csv import ARRIVAL
from funnel.views.analytics.showing import RULE_KINDS, behind_url, shown_table
from scoring.models import Definition

# The parts that follow from transitions: they come with the page where rollups answer them.
MOVES: Final = ("counts", "conversion", "flows", "velocity", "cohorts", "sources")
LATER: Final = ("handoffs", "rules")


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page: its name, its title and what its template shows."""

    name: str
    title: str
    shown: Mapping[str, Any]

    @property
    def template(self) -> str:
        """What it is rendered by."""
        return f"funnel/analytics/section_{self.name}.html"


def is_at_once(name: str, asked: Asked) -> bool:
    """Whether rollups answer one of ``MOVES``; the others are counted from the moves, after the page."""
    return has_shares(asked.segment, asked.facet) if name == "sources" else asked.segment.is_rolled_up


def section(name: str, tables: Tables, labels: Mapping[str, str], definition: Definition) -> Section:
    """Make a part ready for its template."""
    found = {table.spec.name: table for table in tables.part(name)}
    make = _MAKERS.get(name, _plain)
    shown: dict[str, Any] = {table: shown_table(figures, tables.asked) for table, figures in found.items()}
    shown |= make(found, tables, labels)
    if name == "rules":
        shown["rule_rows"] = _rule_rows(found["rules"], tables.asked, definition)
    return Section(name, gettext(PARTS[name][0]), shown)


Found = Mapping[str, FigureTable]


def _plain(found: Found, tables: Tables, labels: Mapping[str, str]) -> dict[str, Any]:
    return {}


def _conversion(found: Found, tables: Tables, labels: Mapping[str, str]) -> dict[str, Any]:
    """The funnel: how many reached each stage in the period, and how many went on from each to the next."""
    order = list(labels)
    steps = {(row.cells["origin"], row.cells["target"]): row.cells for row in found["steps"].rows}
    ways = [steps[pair] for pair in pairwise(order) if pair in steps]
    # Of the strongest nobody goes on; who reached it is who the way to it took its time of.
    last = next((one.moves for one in tables.report.velocities if (one.origin, one.target) == tuple(order[-2:])), 0)
    reached = [*((way["origin"], way["reached"]) for way in ways), (order[-1], last)]
    bars = charts.funnel_bars([(key, labels[key], value) for key, value in reached])
    return {
        "funnel": [
            {"bar": bar, "step": step, "next": labels[step["target"]] if step else ""}
            for bar, step in zip(bars, [*ways, None], strict=True)
        ]
    }


def _flows(found: Found, tables: Tables, labels: Mapping[str, str]) -> dict[str, Any]:
    rows = [(row.cells["origin"], row.cells["target"], row.cells["moves"]) for row in found["flows"].rows]
    return {"sankey": sankey(labels, rows, arrival=gettext(ARRIVAL))}


def _cohorts(found: Found, tables: Tables, labels: Mapping[str, str]) -> dict[str, Any]:
    """The heat map, and the share of all cohorts that had gone on after so many days."""
    rows = found["cohorts"].rows
    counts = [[row.cells[f"within_{days}"] for days in AGES] for row in rows]
    sizes = [row.cells["size"] for row in rows]
    heat = charts.heat(
        [
            [None if count is None else (count, size, True) for count in line] + [(row.cells["ever"], size, False)]
            for row, line, size in zip(rows, counts, sizes, strict=True)
        ]
    )
    together: list[float | None] = []
    for age in range(len(AGES)):
        # Only who has been watched that long tells about that age.
        watched = [(line[age], size) for line, size in zip(counts, sizes, strict=True) if line[age] is not None]
        whole = sum(size for _, size in watched)
        together.append(sum(count for count, _ in watched) / whole if whole else None)
    urls = [{key: behind_url(behind, tables.asked) for key, behind in row.behind.items()} for row in rows]
    return {
        "ages": AGES,
        "heat": [
            {
                "month": row.cells["month"],
                "size": row.cells["size"],
                "size_url": links["size"] if row.cells["size"] else "",
                "cells": cells[:-1],
                "ever": cells[-1],
                "ever_url": links["ever"] if row.cells["ever"] else "",
            }
            for row, cells, links in zip(rows, heat, urls, strict=True)
        ],
        "curve": charts.curves(
            [gettext("%(number)s d") % {"number": format_number(days)} for days in AGES],
            [(tables.asked.target, gettext("reached %(stage)s") % {"stage": labels[tables.asked.target]}, together)],
        )
        if any(share is not None for share in together)
        else None,
        "origin_label": labels[tables.asked.origin],
        "target_label": labels[tables.asked.target],
    }


def _sources(found: Found, tables: Tables, labels: Mapping[str, str]) -> dict[str, Any]:
    return {
        "origin_label": labels[tables.asked.origin],
        "target_label": labels[tables.asked.target],
        "facet": tables.asked.facet,
    }


def _handoffs(found: Found, tables: Tables, labels: Mapping[str, str]) -> dict[str, Any]:
    counts = {row.cells["figure"]: row.cells for row in found["offers"].rows}
    urls = {
        row.cells["figure"]: behind_url(row.behind["count"], tables.asked)
        for row in found["offers"].rows
        if row.behind and row.cells["count"]
    }
    reasons = [
        ("", row.cells["label"], row.cells["returned"], behind_url(row.behind["returned"], tables.asked))
        for row in found["reasons"].rows
    ]
    return {
        "offer": counts,
        "offer_urls": urls,
        "clock": {row.cells["clock"]: row.cells for row in found["clocks"].rows},
        "waits": found["unowned"].rows[0].cells,
        "reason_bars": charts.bars(reasons),
    }


def _rules(found: Found, tables: Tables, labels: Mapping[str, str]) -> dict[str, Any]:
    """The rules with their reasons, the surely worst first, and whether the first is worth a word."""
    rows = found["rules"].rows
    first = rows[0].cells if rows else None
    worst = first if first is not None and first["excess"] else None
    return {"worst": worst, "facet": tables.asked.facet}


def _rule_rows(rules: FigureTable, asked: Asked, definition: Definition) -> list[dict[str, Any]]:
    """The rules, each with the definition it is a rule of: the one in force, else the latest version of its key."""
    keys = {row.cells["definition"] for row in rules.rows}
    latest = Definition.objects.filter(key__in=keys).order_by("key", "-version").distinct("key")
    owners = {row.key: row for row in latest.defer("document")} | {definition.key: definition}
    return [
        {
            "cells": row.cells,
            "kind": RULE_KINDS[row.cells["kind"]],
            "urls": {key: behind_url(behind, asked) for key, behind in row.behind.items() if row.cells[key]},
            "definition": owners.get(row.cells["definition"]),
        }
        for row in rules.rows
    ]


Maker = Callable[[Found, Tables, Mapping[str, str]], dict[str, Any]]
_MAKERS: Final[Mapping[str, Maker]] = {
    "conversion": _conversion,
    "flows": _flows,
    "cohorts": _cohorts,
    "sources": _sources,
    "handoffs": _handoffs,
    "rules": _rules,
}

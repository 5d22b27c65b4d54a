"""The funnel's figures, as pages, JSON and CSV ask for them; defined in funnel/analytics.py and docs/analytics.md."""

from funnel.selectors.figures.people import Behind, Number, People, people_behind
from funnel.selectors.figures.reports import AGES, FACETS, cohorts, counted_stages, report, shares

__all__ = [
    "AGES",
    "FACETS",
    "Behind",
    "Number",
    "People",
    "cohorts",
    "counted_stages",
    "people_behind",
    "report",
    "shares",
]

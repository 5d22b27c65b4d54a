"""The funnel's figures, as pages, JSON and CSV ask for them; defined in funnel/analytics.py and docs/analytics.md."""

from funnel.analytics import AGES
from funnel.selectors.figures.people import Behind, Number, People, people_behind
from funnel.selectors.figures.reports import FACETS, cohorts, flows, report, shares
from funnel.selectors.figures.rolled_up import has_shares
from funnel.selectors.figures.sums import counted_stages

__all__ = [
    "AGES",
    "FACETS",
    "Behind",
    "Number",
    "People",
    "cohorts",
    "counted_stages",
    "flows",
    "has_shares",
    "people_behind",
    "report",
    "shares",
]

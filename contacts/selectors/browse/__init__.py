"""The contact list: what is asked, what that means, and a page of whom it finds."""

from contacts.selectors.browse.asked import FALL, NOBODY, RIPEN, Problem, Query, Sort
from contacts.selectors.browse.choices import filter_values, possible_owners, source_channels, tag_names
from contacts.selectors.browse.conditions import FALLS_LOOKED_AT, contact_filters, standing_filters
from contacts.selectors.browse.listing import (
    COUNT_CAP,
    PAGE_SIZE,
    ContactPage,
    StageCount,
    browse_contacts,
    count_query,
    count_stages,
    ids_of_view,
)
from contacts.selectors.browse.rows import ListedContact
from contacts.selectors.search import SEARCH_CAP

__all__ = [
    "COUNT_CAP",
    "FALL",
    "FALLS_LOOKED_AT",
    "NOBODY",
    "PAGE_SIZE",
    "RIPEN",
    "SEARCH_CAP",
    "ContactPage",
    "ListedContact",
    "Problem",
    "Query",
    "Sort",
    "StageCount",
    "browse_contacts",
    "contact_filters",
    "count_query",
    "count_stages",
    "filter_values",
    "ids_of_view",
    "possible_owners",
    "source_channels",
    "standing_filters",
    "tag_names",
]

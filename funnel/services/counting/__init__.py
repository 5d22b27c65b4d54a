"""Keeping the rollups that the funnel's figures are read from (funnel/models/rollups.py, docs/adr/0024)."""

from funnel.services.counting.keeping import (
    BATCH,
    count_contacts,
    count_due,
    forget_contacts,
    hold_counting,
    recount_all,
)
from funnel.services.counting.verification import verify_cells, verify_counted, verify_rollups

__all__ = [
    "BATCH",
    "count_contacts",
    "count_due",
    "forget_contacts",
    "hold_counting",
    "recount_all",
    "verify_cells",
    "verify_counted",
    "verify_rollups",
]

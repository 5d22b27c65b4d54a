"""Keeping the rollups that the funnel's figures are read from (funnel/models/rollups.py, docs/adr/0024)."""

from funnel.services.counting.keeping import count_contacts, count_due, forget_contacts, recount_all
from funnel.services.counting.verification import verify_cells, verify_counted, verify_rollups

__all__ = [
    "count_contacts",
    "count_due",
    "forget_contacts",
    "recount_all",
    "verify_cells",
    "verify_counted",
    "verify_rollups",
]

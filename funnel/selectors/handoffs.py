"""Handoffs as the API lists them."""

from django.db.models import Prefetch, QuerySet

from funnel.models import Handoff, HandoffMove
from funnel.selectors.cards import with_activity


def all_handoffs() -> "QuerySet[Handoff]":
    """Handoffs with contact, company, rep, whom they are kept for, last activity and moves loaded, unordered."""
    moves = HandoffMove.objects.select_related("by", "to_rep").order_by("number")
    rows = with_activity(Handoff.objects.select_related("contact__company", "claimed_by", "assigned_to"))
    return rows.prefetch_related(Prefetch("moves", queryset=moves))

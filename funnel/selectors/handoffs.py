"""Handoffs as the API lists them."""

from django.db.models import Prefetch, QuerySet

from funnel.models import Handoff, HandoffMove


def all_handoffs() -> "QuerySet[Handoff]":
    """Handoffs with contact, company, rep, whom they are kept for, and their moves in order loaded, unordered."""
    moves = HandoffMove.objects.select_related("by", "to_rep").order_by("number")
    rows = Handoff.objects.select_related("contact__company", "claimed_by", "assigned_to")
    return rows.prefetch_related(Prefetch("moves", queryset=moves))

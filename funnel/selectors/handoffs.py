"""Handoffs as the API lists them."""

from django.db.models import QuerySet

from funnel.models import Handoff


def all_handoffs() -> "QuerySet[Handoff]":
    """Handoffs with contact, company, rep and whom they are kept for loaded, unordered."""
    return Handoff.objects.select_related("contact__company", "claimed_by", "assigned_to")

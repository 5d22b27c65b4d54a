"""Closed vocabularies of the consequence app."""

from django.db.models import TextChoices


class HandoffState(TextChoices):
    """offered -> claimed -> accepted -> won | returned; an unclaimed offer may expire or be withdrawn.

    ``suspended``: its contact became part of another that has an open handoff of its own; it comes back when they part.
    """

    OFFERED = "offered", "offered"
    CLAIMED = "claimed", "claimed"
    ACCEPTED = "accepted", "accepted"
    WON = "won", "won"
    RETURNED = "returned", "returned"
    EXPIRED = "expired", "expired"
    WITHDRAWN = "withdrawn", "withdrawn"
    SUSPENDED = "suspended", "suspended"


OPEN_STATES = (HandoffState.OFFERED, HandoffState.CLAIMED, HandoffState.ACCEPTED)


class ReturnReason(TextChoices):
    """Why a rep hands a contact back to Marketing."""

    NO_RESPONSE = "no_response", "No response"
    NO_WANT = "no_want", "Does not want it"
    CANNOT_BUY_NOW = "cannot_buy_now", "Cannot buy now"
    NO_AUTHORITY = "no_authority", "No authority to buy"
    NO_MEANS = "no_means", "No means to buy"
    BAD_DATA = "bad_data", "Bad data"
    DUPLICATE = "duplicate", "Duplicate"
    OTHER = "other", "Other"

"""What becomes of handoffs when a person is erased, and what is told of them when they ask."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Coalesce

from contacts.registry import Erasing
from funnel.enums import OPEN_STATES, HandoffState
from funnel.models import Handoff


def erase_handoffs(erasing: Erasing) -> None:
    """Let the husk keep the handoffs with their dates, their reps and the reasons of returns; what was said goes.

    What is open, a claimed one too, is withdrawn: erasure is a right and waits for no conversation. A rep who is just
    making a move is not waited for either, for they wait for the contact: the erasure begins again a moment later.

    Raises:
        OperationalError: somebody is making a move with one of them.
    """
    rows = Handoff.objects.filter(contact__in=erasing.contact_ids)
    list(rows.order_by("pk").select_for_update(nowait=True).values_list("pk"))
    ends = Q(state__in=[*OPEN_STATES, HandoffState.SUSPENDED])
    rows.update(
        contact=erasing.husk_id,
        origin_contact_id=None,
        state=Case(When(ends, then=Value(HandoffState.WITHDRAWN)), default=F("state")),
        closed_at=Coalesce("closed_at", Value(erasing.now)),
        suspended_by=None,
        suspended_from="",
        evidence={},
        note="",
    )


def export_handoffs(contact_ids: Sequence[int]) -> Mapping[str, Any]:
    """Tell every offer of these contacts to Sales, with the evidence it was made on and what became of it."""
    rows = Handoff.objects.filter(contact__in=contact_ids).select_related("claimed_by").order_by("offered_at", "id")
    return {
        "handoffs": [
            {
                "id": str(row.pk),
                "contact": str(row.contact_id),
                "state": row.state,
                "stage": row.stage,
                "offered_at": row.offered_at,
                "claimed_at": row.claimed_at,
                "claimed_by": row.claimed_by.get_full_name() or row.claimed_by.email if row.claimed_by else None,
                "accepted_at": row.accepted_at,
                "closed_at": row.closed_at,
                "reason": row.reason,
                "note": row.note,
                "evidence": row.evidence,
            }
            for row in rows
        ]
    }

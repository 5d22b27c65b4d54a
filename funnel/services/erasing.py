"""What becomes of handoffs when a person is erased, and what is told of them when they ask."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.db import connection

from contacts.registry import Erasing
from funnel.models import Handoff, HandoffMove
from funnel.moves import ERASE
from funnel.selectors.people import name_of
from funnel.services.making import make_moves

_FORGET_IN_PROOFS: Final = """
UPDATE funnel_proof SET contact_ids = ARRAY(SELECT id FROM unnest(contact_ids) AS id WHERE id <> ALL(%s))
WHERE contact_ids && %s::bigint[]
"""


def erase_handoffs(erasing: Erasing) -> None:
    """Let the husk keep the handoffs with their dates, their reps and the reasons of returns; what was said goes.

    What is open, a claimed one too, is withdrawn: erasure is a right and waits for no conversation. A rep who is just
    making a move is not waited for either, for they wait for the contact: the erasure begins again a moment later.

    Raises:
        OperationalError: somebody is making a move with one of them.
    """
    rows = Handoff.objects.filter(contact__in=erasing.contact_ids)
    ids = list(rows.order_by("pk").select_for_update(nowait=True).values_list("pk", flat=True))
    make_moves(ERASE, Handoff.objects.filter(pk__in=ids), now=erasing.now)
    Handoff.objects.filter(pk__in=ids).update(
        contact=erasing.husk_id, origin_contact_id=None, evidence={}, routing={}, note="", next_at=None
    )
    HandoffMove.objects.filter(handoff__in=ids).update(note="")
    _forget_in_proofs(erasing.contact_ids)


def _forget_in_proofs(contact_ids: Sequence[int]) -> None:
    """Scheduled checks that found something wrong with them look at them no more."""
    with connection.cursor() as cursor:
        cursor.execute(_FORGET_IN_PROOFS, [list(contact_ids), list(contact_ids)])


def export_handoffs(contact_ids: Sequence[int]) -> Mapping[str, Any]:
    """Tell every offer of these contacts to Sales, with the evidence it was made on and what became of it."""
    rows = (
        Handoff.objects.filter(contact__in=contact_ids)
        .select_related("claimed_by")
        .prefetch_related("moves__by", "moves__to_rep")
        .order_by("offered_at", "id")
    )
    return {
        "handoffs": [
            {
                "id": str(row.pk),
                "contact": str(row.contact_id),
                "state": row.state,
                "stage": row.stage,
                "offered_at": row.offered_at,
                "claimed_at": row.claimed_at,
                "claimed_by": name_of(row.claimed_by) if row.claimed_by else None,
                "accepted_at": row.accepted_at,
                "closed_at": row.closed_at,
                "reason": row.reason,
                "note": row.note,
                "evidence": row.evidence,
                "routing": row.routing,
                "outcome": row.outcome,
                "next_at": row.next_at,
                "moves": [
                    {
                        "number": move.number,
                        "move": move.name,
                        "at": move.at,
                        "by": name_of(move.by) if move.by else None,
                        "to": name_of(move.to_rep) if move.to_rep else None,
                        "reason": move.reason,
                        "note": move.note,
                    }
                    for move in sorted(row.moves.all(), key=lambda move: move.number)
                ],
            }
            for row in rows
        ]
    }

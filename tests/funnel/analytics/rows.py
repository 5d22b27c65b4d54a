"""Handoffs and their moves as rows, told hour by hour."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

from django.contrib.auth.models import User

from contacts.models import Contact
from funnel.analytics import Period
from funnel.enums import HandoffState
from funnel.models import Handoff, HandoffMove

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
MARCH = Period(date(2026, 3, 1), date(2026, 3, 31))
_numbers = count(1)

# Where a move leads to.
_TO = {
    "offer": "offered", "claim": "claimed", "accept": "accepted", "release": "offered", "return": "returned",
    "win": "won", "expire": "expired", "withdraw": "withdrawn", "reassign": "claimed", "outcome": "claimed",
}  # fmt: skip


def hour(number: float) -> datetime:
    """So many hours after nine on the first Monday of March."""
    return NINE + timedelta(hours=number)


def tell(
    *moves: tuple[Any, ...], rep: User | None = None, contact: Mapping[str, Any] | None = None, **columns: Any
) -> Handoff:
    """A handoff that made these moves: (name, hour, the hour of the deadline that ran until then or None, more)."""
    owner = Contact.objects.create(first_name=f"Contact {next(_numbers)}", **(contact or {}))
    state = ""
    holder: User | None = None
    claimed_at = accepted_at = closed_at = None
    rows = []
    for number, (name, at, due, *more) in enumerate(moves):
        given = more[0] if more else {}
        before, was = holder, state
        state = given.get("to_state", _TO[name])
        if name in ("claim", "reassign"):
            holder, claimed_at = given.get("rep", rep), hour(at)
        if name == "accept":
            accepted_at = hour(at)
        if name == "release":
            holder = claimed_at = accepted_at = None
        if state in ("returned", "won", "expired", "withdrawn"):
            closed_at = hour(at)
        rows.append(
            HandoffMove(
                number=number,
                name=name,
                from_state=was,
                to_state=state,
                from_rep=before,
                to_rep=holder,
                at=hour(at),
                due_at=None if due is None else hour(due),
                reason=given.get("reason", ""),
            )
        )
    reasons = [row.reason for row in rows if row.name == "return"]
    handoff = Handoff.objects.create(
        contact=owner,
        state=HandoffState(state),
        stage="sales_prospect",
        offered_at=hour(moves[0][1]),
        first_offered_at=columns.pop("first_offered_at", hour(moves[0][1])),
        claimed_by=holder,
        claimed_at=claimed_at,
        accepted_at=accepted_at,
        closed_at=closed_at,
        reason=reasons[-1] if reasons else "",
        moves_made=len(rows) - 1,
        **columns,
    )
    for row in rows:
        row.handoff = handoff
    HandoffMove.objects.bulk_create(rows)
    return handoff


def evidence(*signals: str, fit: Sequence[str] = (), criteria: Sequence[str] = (), key: str = "default") -> Any:
    """Evidence to which these rules contributed."""
    return {
        "sentence": "Ready.",
        "definition": f"{key}@1",
        "lines": [{"rule": rule, "label": rule.capitalize(), "points": 5.0, "cap": False} for rule in signals],
        "fit_lines": [{"rule": rule, "label": rule.capitalize(), "points": 10.0} for rule in fit],
        "criteria": [{"rule": rule, "label": rule.capitalize()} for rule in criteria],
    }

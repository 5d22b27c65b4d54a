"""The sequences of a contact, as its journey shows them."""

from typing import Any

from django.contrib.auth.models import AnonymousUser, User

from funnel.enums import EnrolmentState, StepState
from funnel.permissions import can_enrol
from funnel.selectors.sequences import enrolments_of, sequence_for
from funnel.views.sequences.shown import ahead_of, way_badge


def sequences_of(contact_id: int, *, stage: str, user: User | AnonymousUser) -> dict[str, Any]:
    """Return what a contact's card of sequences shows: each with how it stands, and the one they may be enrolled in."""
    rows = enrolments_of(contact_id)
    may_enrol = can_enrol(user)
    offered = sequence_for(stage) if may_enrol else None
    under_way = {row.sequence_id for row in rows if row.state == EnrolmentState.ACTIVE}
    return {
        "sequences": [
            (row, way_badge(row), ahead_of(row), sum(run.state == StepState.SENT for run in row.runs.all()))
            for row in rows
        ],
        "open_sequence": offered if offered is not None and offered.pk not in under_way else None,
        "may_enrol": may_enrol,
    }

"""Contacts whose history is told directly: when each stood where."""

from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

from contacts.models import Contact, Standing
from funnel.analytics import Period
from funnel.services.counting import count_due
from scoring.enums import Cause
from scoring.models import Publication, Transition

FIRST = datetime(2026, 3, 2, 9, tzinfo=UTC)
SPRING = Period(date(2026, 3, 1), date(2026, 5, 31))
_numbers = count(1)


def lived(*stages: tuple[str, float], **facets: Any) -> Contact:
    """A contact that came to each of these stages so many days after the first of them."""
    definition = Publication.objects.latest("effective_at").definition
    contact = Contact.objects.create(first_name=f"Life {next(_numbers)}", **facets)
    before = ""
    for stage, days in stages:
        Transition.objects.create(
            contact=contact,
            from_stage=before,
            to_stage=stage,
            effective_at=FIRST + timedelta(days=days),
            cause=Cause.EVENT,
            definition=definition,
            engagement_mp=0,
            fit_mp=0,
            consumed_at=FIRST,
        )
        before = stage
    last = FIRST + timedelta(days=stages[-1][1])
    Standing.objects.create(
        contact=contact,
        stage=before,
        furthest_stage=before,
        stage_since=last,
        last_activity_at=last,
        evaluated_at=last,
        engagement_mp=0,
        fit_mp=0,
    )
    return contact


def count_all() -> None:
    """Let the rollups hear of it."""
    while count_due(now=FIRST):
        pass


def tell_a_spring() -> None:
    """Eight contacts of March to May.

    Of six that reached Lead, one went straight on to Customer, one by Marketing prospect (a detour), one fell back and
    came again; one began as Marketing prospect and so reached Lead by skipping it.
    """
    web = {"source_channel": "web", "source_motion": "lead_generation", "source_direction": "inbound", "country": "DE"}
    fair = {"source_channel": "fair", "source_campaign": "spring", "source_direction": "outbound"}
    lived(("audience", 0), **web)
    lived(("audience", 0), ("lead", 1), **web)
    lived(("audience", 0), ("lead", 1), ("customer", 11), **web)
    lived(("audience", 0), ("lead", 2), ("marketing_prospect", 5), ("customer", 40), **fair)
    lived(("audience", 0), ("lead", 3), ("audience", 20), ("lead", 30), **fair)
    lived(("marketing_prospect", 4), ("sales_prospect", 8), **fair)
    lived(("lead", 40), ("customer", 45))
    lived(("audience", 120), ("lead", 121), **web)
    count_all()

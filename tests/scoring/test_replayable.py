"""Replayable judgement: shuffle, repeat, delay or batch the messages as you like, the outcome is the same."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts.models import AttributeChange, Event, Identity, Standing
from scoring.models import Transition
from scoring.services.evaluate import drain_due
from scoring.services.explain import explain_contact
from scoring.services.rebuild import rebuild_contacts
from tests.scoring.facts import incoming, record

pytestmark = pytest.mark.django_db

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
END = START + timedelta(days=120)
EMAILS = ("ann@acme.example", "bob@acme.example")

TRAITS = st.one_of(
    st.none(),
    st.sampled_from(
        [
            {"job_title": "Head of Operations"},
            {"job_title": "Student"},
            {"means": "no"},
            {"means": "yes", "authority": "yes"},
            {"details_confirmed": True},
            {"company": {"domain": "acme.example", "employees": 200, "industry": "software"}},
            {"company": {"domain": "acme.example", "employees": 3}},
        ]
    ),
)
KINDS = st.sampled_from(
    [
        None, "list_imported", "email_clicked", "page_viewed", "newsletter_subscribed", "asset_downloaded",
        "social_question", "call_connected", "demo_requested", "purchased", "refunded", "handoff_returned",
    ]
)  # fmt: skip
# Few distinct times, so that facts of one instant are common.
SPECS = st.lists(
    st.tuples(KINDS, st.integers(0, 14).map(lambda n: START + timedelta(days=n * 7)), st.sampled_from(EMAILS), TRAITS),
    min_size=1,
    max_size=12,
)


def send(specs: Sequence[Any], order: Sequence[int], cuts: set[int], drains: set[int]) -> None:
    """Record the messages in this order, a new batch at each cut, judging after some of them."""
    batch: list[Any] = []
    for place, number in enumerate(order):
        kind, at, email, traits = specs[number]
        named: dict[str, Any] = {"with": "Sam"} if kind == "call_connected" else {}
        batch.append(incoming(kind, at, email=email, traits=traits, message_id=f"message {number}", **named))
        if place in cuts or place == len(order) - 1:
            record(*batch, at=END)
            batch = []
            if place in drains:
                drain()
    drain()


def drain() -> None:
    while drain_due(now=END):
        pass


def outcome() -> dict[str, Any]:
    """Everything a user could see, by e-mail instead of row ids."""
    email_of = dict(Identity.objects.values_list("contact_id", "value"))
    message_of: dict[Any, str] = dict(Event.objects.values_list("pk", "message_id"))
    standings = Standing.objects.values_list(
        "contact_id", "stage", "stage_since", "furthest_stage", "engagement_mp", "fit_mp", "last_activity_at",
        "evaluated_at", "review_at",
    )  # fmt: skip
    transitions = Transition.objects.filter(superseded_at=None).values_list(
        "contact_id", "effective_at", "from_stage", "to_stage", "cause", "cause_event_id", "engagement_mp", "fit_mp"
    )
    explained = {email_of[pk]: explain_contact(contact_id=pk, at=END) for pk in sorted(email_of)}
    return {
        "standings": sorted((email_of[pk], *rest) for pk, *rest in standings),
        "transitions": sorted(
            (email_of[pk], *rest[:4], message_of.get(rest[4], ""), *rest[5:]) for pk, *rest in transitions
        ),
        "ledgers": {
            email: sorted((line["kind"] or "", line["occurred_at"] or "", line["points"]) for line in why["ledger"])
            for email, why in explained.items()
        },
        "sentences": {email: why["sentence"] for email, why in explained.items()},
        "events": Event.objects.count(),
        "changes": AttributeChange.objects.exclude(name="company").count(),
    }


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(specs=SPECS, data=st.data())
def test_order_repetition_and_batching_change_nothing(specs: list[Any], data: st.DataObject) -> None:
    straight = sorted(range(len(specs)), key=lambda number: specs[number][1])
    repeated = data.draw(st.lists(st.sampled_from(range(len(specs))), max_size=5))
    order = data.draw(st.permutations([*range(len(specs)), *repeated]))
    places = st.sets(st.integers(0, len(order) - 1))
    cuts, drains = data.draw(places), data.draw(places)

    with transaction.atomic():
        send(specs, straight, set(), set())
        expected = outcome()
        transaction.set_rollback(True)
    with transaction.atomic():
        # Within one batch a message id may come twice too.
        send(specs, list(order), cuts, drains)
        found = outcome()
        assert found == expected
        rebuild_contacts(now=END)
        assert outcome() == expected
        transaction.set_rollback(True)


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(specs=SPECS)
def test_living_through_it_equals_learning_it_afterwards(specs: list[Any]) -> None:
    """Judged day by day as it happened, or all at once a season later: the same history."""
    with transaction.atomic():
        for number, (kind, at, email, traits) in sorted(enumerate(specs), key=lambda item: item[1][1]):
            named: dict[str, Any] = {"with": "Sam"} if kind == "call_connected" else {}
            record(incoming(kind, at, email=email, traits=traits, message_id=f"message {number}", **named))
            for hours in (0, 30):
                while drain_due(now=at + timedelta(hours=hours)):
                    pass
        drain()
        lived = outcome()
        transaction.set_rollback(True)
    with transaction.atomic():
        send(specs, range(len(specs)), set(), set())
        learned = outcome()
        transaction.set_rollback(True)
    assert lived == learned

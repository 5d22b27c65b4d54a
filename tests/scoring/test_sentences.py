"""Reasons of many contacts at once: the same words as the Why of each, for a fixed number of queries."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.models import Contact
from scoring.selectors import compile_row, find_definition
from scoring.services.evaluate import drain_due
from scoring.services.explain import explain_contact
from scoring.services.sentences import StageReason, recorded_reasons, stage_reasons
from tests.scoring.facts import FITTING, contact_id_of, incoming, record

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
PEOPLE = {
    "ann": [("newsletter_subscribed", 9), ("demo_requested", 2)],
    "bob": [("newsletter_subscribed", 40)],
    "cyd": [("list_imported", 5)],
    "dan": [("social_question", 3), ("page_viewed", 1)],
    "eve": [("demo_requested", 50)],
    "fay": [("purchased", 1)],
}


@pytest.fixture
def contacts() -> list[int]:
    """People of every stage, judged by the drain."""
    for name, history in PEOPLE.items():
        for kind, days in history:
            record(incoming(kind, NOW - days * DAY, email=f"{name}@acme.example", traits=FITTING))
    drain_due(now=NOW)
    return [contact_id_of(f"{name}@acme.example") for name in PEOPLE]


def told(why: dict[str, Any]) -> StageReason:
    return StageReason(why["stage"]["key"], why["stage"]["label"], why["sentence"])


def test_reasons_of_many_are_those_of_each(contacts: list[int]) -> None:
    for at in (NOW, NOW - 4 * DAY, NOW - 45 * DAY, NOW + 20 * DAY):
        found = recorded_reasons(contact_ids=contacts, at=at)
        assert found == {pk: told(explain_contact(contact_id=pk, at=at)) for pk in contacts}
        for key in ("reaction", "bona-fide"):
            row = find_definition(key)
            replayed = stage_reasons(contact_ids=contacts, compiled=compile_row(row), at=at, prior_stages=None)
            assert replayed == {pk: told(explain_contact(contact_id=pk, at=at, definition=row)) for pk in contacts}
    assert {reason.stage_key for reason in recorded_reasons(contact_ids=contacts, at=NOW).values()} == {
        "audience", "lead", "marketing_prospect", "sales_prospect", "customer",
    }  # fmt: skip


def test_a_reason_of_what_publishing_would_do_comes_from_the_stage_before(contacts: list[int]) -> None:
    eve = contact_id_of("eve@acme.example")
    compiled = compile_row(find_definition("default"))
    kept = stage_reasons(contact_ids=[eve], compiled=compiled, at=NOW, prior_stages={eve: "sales_prospect"})[eve]
    fresh = stage_reasons(contact_ids=[eve], compiled=compiled, at=NOW, prior_stages={eve: "lead"})[eve]
    assert kept == StageReason(
        "sales_prospect", "Sales prospect", "Sales prospect: kept because it asked for a demo on 11 Jan."
    )
    assert fresh == StageReason("lead", "Lead", "Lead: asked for a demo on 11 Jan.")


@pytest.mark.parametrize(
    "ask",
    [
        lambda ids: recorded_reasons(contact_ids=ids, at=NOW),
        lambda ids: recorded_reasons(contact_ids=ids, at=NOW + 30 * DAY),
        lambda ids: stage_reasons(
            contact_ids=ids, compiled=compile_row(find_definition("reaction")), at=NOW, prior_stages=None
        ),
        lambda ids: stage_reasons(
            contact_ids=ids,
            compiled=compile_row(find_definition("reaction")),
            at=NOW,
            prior_stages=dict.fromkeys(ids, "lead"),
        ),
    ],
    ids=["recorded", "recorded, folded on", "replayed", "judged once"],
)
def test_the_number_of_queries_does_not_grow(
    contacts: list[int], ask: Callable[[list[int]], dict[int, StageReason]]
) -> None:
    def queries(ids: list[int]) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert list(ask(ids)) == ids
        return len(captured)

    assert queries(contacts[:1]) == queries(contacts[3:])


def test_contacts_that_are_gone_are_left_out(contacts: list[int]) -> None:
    ann, bob, *_ = contacts
    Contact.objects.filter(pk=bob).update(merged_into=ann)
    assert list(recorded_reasons(contact_ids=[ann, bob, 999_999_999], at=NOW)) == [ann]
    assert recorded_reasons(contact_ids=[bob], at=NOW) == {}
    compiled = compile_row(find_definition("reaction"))
    assert stage_reasons(contact_ids=[bob], compiled=compiled, at=NOW, prior_stages=None) == {}

"""A definition of every construct, through the database: any order, repetition or batching gives the same history."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts.models import Source, Standing
from scoring.definition import load_yaml
from scoring.engine import Assessor, compile_definition
from scoring.matching import load_kinds
from scoring.selectors import load_facts
from scoring.services.drafts import store_draft
from scoring.services.evaluate import drain_due
from scoring.services.explain import explain_contact
from scoring.services.publish import publish_definition
from scoring.services.rebuild import rebuild_contacts
from scoring.services.verification import verify_judgements
from tests.scoring.facts import contact_id_of, incoming, record
from tests.scoring.test_replayable import outcome

pytestmark = pytest.mark.django_db

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
END = START + timedelta(days=120)
DAY = timedelta(days=1)
RICH = load_yaml(Path(__file__).with_name("rich.yaml").read_text())

FACTS = st.sampled_from(
    [
        ("page_viewed", {"page": "/pricing/eu", "seconds": "4"}),
        ("page_viewed", {"page": "/guide/start", "seconds": 90}),
        ("page_viewed", {"page": "/Guide/start", "channel": "mail"}),
        ("page_viewed", {"seconds": "a while"}),
        ("asset_downloaded", {"asset": "a"}),
        ("asset_downloaded", {"asset": "b", "channel": "mail"}),
        ("asset_downloaded", {}),
        ("form_submitted", {"channel": "mail"}),
        ("unsubscribed", {}),
        ("purchased", {}),
        ("churned", {}),
        ("handoff_returned", {"reason": "no_response"}),
    ]
)
SPECS = st.lists(
    st.tuples(FACTS, st.integers(1, 14).map(lambda n: START + n * 7 * DAY), st.sampled_from([None, "VP"])),
    min_size=1,
    max_size=10,
)


def publish_rich() -> None:
    Source.objects.get_or_create(name="shop")
    row = store_draft(document=RICH, by=None)
    publish_definition(definition_id=row.pk, by=None, now=START)


def event(specs: Sequence[Any], number: int) -> Any:
    (kind, properties), at, title = specs[number]
    made = incoming(
        kind, at, message_id=f"message {number}", traits={"job_title": title} if title else {}, **properties
    )
    made.channel = properties.get("channel", "")
    return made


def send(specs: Sequence[Any], order: Sequence[int], cuts: set[int], drains: set[int]) -> None:
    """Record in this order, a new batch at each cut, judging after some of them."""
    batch: list[Any] = []
    for place, number in enumerate(order):
        batch.append(event(specs, number))
        if place in cuts or place == len(order) - 1:
            record(*batch, at=END)
            batch = []
            if place in drains:
                drain()
    drain()


def drain() -> None:
    while drain_due(now=END):
        pass


@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(specs=SPECS, data=st.data())
def test_order_repetition_and_batching_change_nothing(specs: list[Any], data: st.DataObject) -> None:
    repeated = data.draw(st.lists(st.sampled_from(range(len(specs))), max_size=4))
    order = data.draw(st.permutations([*range(len(specs)), *repeated]))
    places = st.sets(st.integers(0, len(order) - 1))
    cuts, drains = data.draw(places), data.draw(places)
    with transaction.atomic():
        publish_rich()
        send(specs, sorted(range(len(specs)), key=lambda number: specs[number][1]), set(), set())
        expected = outcome()
        transaction.set_rollback(True)
    with transaction.atomic():
        publish_rich()
        send(specs, list(order), cuts, drains)
        assert outcome() == expected
        assert list(verify_judgements(now=END)) == []
        rebuild_contacts(now=END)
        assert outcome() == expected
        transaction.set_rollback(True)


def judged(*facts: tuple[str, dict[str, Any]], at: datetime = START + DAY) -> dict[str, Any]:
    publish_rich()
    made = [event([(fact, at + number * timedelta(minutes=1), None)], 0) for number, fact in enumerate(facts)]
    for number, one in enumerate(made):
        one.message_id = f"fact {number}"
    record(*made)
    drain()
    return explain_contact(contact_id=contact_id_of(), at=at + timedelta(hours=1))


def points(why: dict[str, Any]) -> list[tuple[str, float]]:
    return [(line["rule"], round(line["points"])) for line in why["ledger"]]


def test_each_asset_weighs_once_whatever_it_is_called() -> None:
    facts: list[tuple[str, dict[str, Any]]] = [("asset_downloaded", {"asset": name}) for name in ("a", "a", "b")]
    facts += [("asset_downloaded", {}), ("asset_downloaded", {"asset": None})]
    assert points(judged(*facts)) == [("asset", 10)] * 3


def test_floors_and_caps_are_lines_of_the_ledger() -> None:
    pages: list[tuple[str, dict[str, Any]]] = [("page_viewed", {"seconds": 1})] * 3
    why = judged(*pages, ("unsubscribed", {}))
    assert points(why) == [
        ("left", -15),
        ("bounce", -3),
        ("bounce", -3),
        ("view", 2),
        ("bounce", -3),
        ("view", 2),
        ("web", 5),
        ("", 15),
    ]
    assert why["scores"]["engagement"] == round(sum(line["points"] for line in why["ledger"]), 3) == 0
    assert [line["label"] for line in why["ledger"] if line["cap"]] == [
        "Web: never below zero",
        "Engagement: never below zero",
    ]


@pytest.mark.parametrize(
    ("facts", "stage", "sentence"),
    [
        ([("email_clicked", {})], "lead", "It would be enough that it downloaded an asset."),
        (
            [("form_submitted", {})],
            "sales_prospect",
            'It would be enough that it viewed a page (page "/pricing").',
        ),
        ([("purchased", {}), ("churned", {})], "lead", None),
    ],
)
def test_the_step_applied_changes_the_stage(
    facts: list[tuple[str, dict[str, Any]]], stage: str, sentence: str | None
) -> None:
    following = judged(*facts)["next_stage"]
    assert following["key"] == stage
    step = following["smallest_step"]
    assert sentence is None or step["sentence"] == sentence
    apply(step, START + DAY + timedelta(hours=1))
    assert Standing.objects.get(contact_id=contact_id_of()).stage == stage


def apply(step: dict[str, Any], at: datetime) -> None:
    record(incoming(None, at, traits=step["attributes"]))
    for one in step["events"]:
        for number in range(one["times"]):
            made = incoming(one["kind"], at, message_id=f"{one} {number}", **one["properties"])
            made.channel = one["properties"].get("channel", "")
            record(made)
    drain_at = at + timedelta(minutes=5)
    while drain_due(now=drain_at):
        pass


def test_the_number_of_queries_does_not_grow_with_the_contacts() -> None:
    compiled, assessor = compile_definition(RICH, load_kinds()), Assessor(RICH)
    emails = [f"{number}@example.com" for number in range(3)]
    record(*[incoming("page_viewed", START, email=email, page="/guide/a") for email in emails])
    ids = np.array(sorted(map(contact_id_of, emails)), dtype=np.int64)
    used = []
    for chosen in (ids[:1], ids):
        with CaptureQueriesContext(connection) as captured:
            load_facts(chosen, compiled, assessor)
        used.append(len(captured))
    assert used[0] == used[1]

"""What an offer is frozen with: as the contact's own explanation has it, for many contacts at once."""

import re
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.models import Standing
from funnel.models import Handoff
from funnel.services.consequences import draw_consequences
from funnel.services.evidence import freeze_evidence
from scoring.services.evaluate import drain_due
from scoring.services.explain import explain_contact
from tests.funnel.conftest import FITTING, World


def prospects(world: World, number: int) -> list[int]:
    """So many contacts in a handoff stage, judged and not yet offered."""
    for place in range(number):
        world.happens(f"person{place}@acme.example", "demo_requested", traits=FITTING)
        for _ in range(place + 1):
            world.happens(f"person{place}@acme.example", "page_viewed")
    drain_due(now=world.now)
    return list(Standing.objects.filter(stage="sales_prospect").order_by("pk").values_list("pk", flat=True))


def test_many_are_frozen_as_each_is_explained_alone(world: World) -> None:
    ids = prospects(world, 4)
    frozen = freeze_evidence(stages=dict.fromkeys(ids, "sales_prospect"), at=world.now)
    assert sorted(frozen) == ids
    for contact_id, evidence in frozen.items():
        why = explain_contact(contact_id=contact_id, at=world.now)
        assert evidence["sentence"] == why["sentence"]
        assert evidence["lines"] == why["ledger"]
        assert evidence["engagement"] == why["scores"]["engagement"]
        assert evidence["questions"] == [asked["gate"] for asked in why["questions"]]


def test_offers_cost_the_same_number_of_queries_however_many_there_are(world: World) -> None:
    ids = prospects(world, 4)
    numbers = []
    for chosen in (ids[:1], ids):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            freeze_evidence(stages=dict.fromkeys(chosen, "sales_prospect"), at=world.now)
        numbers.append(len(queries))
    assert numbers[0] == numbers[1]


def test_who_cannot_be_explained_does_not_keep_others_from_being_offered(world: World) -> None:
    ids = prospects(world, 3)
    broken = ids[1]

    def fail(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if "FROM contacts_attributechange" in sql and re.search(rf"\b{broken}\b", str(params)):
            raise ValueError("cannot be explained")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail):
        assert draw_consequences(now=world.now) == 3
    assert set(Handoff.objects.values_list("contact_id", flat=True)) == {ids[0], ids[2]}

"""Preview equals reality, on the demo data and a clock that stands still.

What a what-if says of each contact is what publishing does to it; taken back again, everybody stands as before.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from pytest_django.plugin import DjangoDbBlocker

from contacts.models import Contact, Due, Standing
from funnel.models import Handoff
from funnel.services.consequences import draw_consequences
from funnel.services.demo import seed_demo
from scoring.definition import DefinitionDocument, load_yaml, read_document, to_builtins
from scoring.engine.facts import IntArray
from scoring.models import Definition, Transition
from scoring.services.drafts import store_draft
from scoring.services.evaluate import drain_due
from scoring.services.publish import judge_publication, publish_definition, roll_back_publication
from scoring.services.rebuild import rebuild_contacts
from scoring.services.what_if import WhatIf, what_if
from tests.scoring.facts import incoming, record
from tests.scoring.worlds import PRESETS

SEEDED = datetime(2026, 6, 17, 14, tzinfo=UTC)
# Two days on, some have scores that crossed a threshold meanwhile and that nobody has looked at.
NOW = SEEDED + timedelta(days=2)
JUST_BEFORE = NOW - timedelta(microseconds=1)

Change = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture(scope="module")
def demo(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """One demo for all drafts, with a few facts that nobody has judged yet; undone at the end."""
    with django_db_blocker.unblock(), transaction.atomic():
        seed_demo(contacts=400, events=4_000, seed=7, now=SEEDED, report=lambda line: None)
        for number, email in enumerate(sorted(_emails())[:12]):
            kind = ("demo_requested", "asset_downloaded", "page_viewed", "churned")[number % 4]
            # Every third one is late: its contact's timeline starts over.
            record(incoming(kind, SEEDED - timedelta(days=90) if number % 3 == 0 else NOW, email=email), at=NOW)
        yield
        transaction.set_rollback(True)


def _emails() -> Iterable[str]:
    return Contact.objects.exclude(email="").values_list("email", flat=True)


def _default(change: Change) -> DefinitionDocument:
    return read_document(change(Definition.objects.get(key="default", version=1).document))


def _preset(name: str) -> DefinitionDocument:
    document = load_yaml((PRESETS / f"{name}.yaml").read_text())
    return read_document({**to_builtins(document), "approval": []})


def _signals(document: dict[str, Any], **changes: dict[str, Any]) -> dict[str, Any]:
    """The document with other settings for the named signals."""
    signals = [{**signal, **changes.get(signal["key"], {})} for signal in document["signals"]]
    return {**document, "signals": signals}


def _with_signal(document: dict[str, Any], signal: dict[str, Any]) -> dict[str, Any]:
    return {**document, "signals": [signal, *document["signals"]]}


def _generous(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "signals": [{**one, "points": one["points"] * 2} for one in document["signals"]]}


def _fewer_stages(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "stages": [one for one in document["stages"] if one["key"] != "marketing_prospect"]}


def _property_match(document: dict[str, Any]) -> dict[str, Any]:
    pricing = {"kinds": ["page_viewed"], "properties": {"path": {"prefix": "/pricing"}}}
    return _with_signal(document, {"key": "pricing", "label": "Saw the prices", "match": pricing, "points": 25})


def _once_per(document: dict[str, Any]) -> dict[str, Any]:
    # Each page weighs once, however often it was seen.
    return _signals(document, page_view={"points": 6, "group": "", "count": {"once_per": "path"}})


def _group_floor(document: dict[str, Any]) -> dict[str, Any]:
    # Opens weigh against browsing, which never falls below nothing.
    browsing = [{**group, "cap": 40, "floor_at_zero": True} for group in document["groups"]]
    return {
        **_signals(document, open={"points": -4, "group": "browsing"}, page_view={"points": 5}),
        "groups": browsing,
        "floor_at_zero": True,
    }


def _a_few_a_week(document: dict[str, Any]) -> dict[str, Any]:
    few = {"at_most": 2, "within_days": 7}
    return _signals(document, page_view={"points": 9, "group": "", "count": few}, form={"count": {"latest": 1}})


DRAFTS: dict[str, Callable[[], DefinitionDocument]] = {
    "generous": lambda: _default(_generous),
    "fewer stages": lambda: _default(_fewer_stages),
    "a property": lambda: _default(_property_match),
    "once per property": lambda: _default(_once_per),
    "floors": lambda: _default(_group_floor),
    "a few a week": lambda: _default(_a_few_a_week),
    "reaction": lambda: _preset("reaction"),
    "scored-vetted": lambda: _preset("scored-vetted"),
}


def preview(document: DefinitionDocument) -> tuple[WhatIf, dict[int, tuple[str, str]]]:
    """The what-if, and the stages before and after of each contact as its cells name them."""
    moves: dict[int, tuple[str, str]] = {}

    def keep(cells: Iterable[tuple[str, str, IntArray]]) -> None:
        for origin, target, ids in cells:
            moves.update(dict.fromkeys(ids.tolist(), (origin, target)))

    return what_if(document, now=NOW, chunk=150, keep=keep), moves


def standings() -> list[dict[str, Any]]:
    return [dict(row) for row in Standing.objects.order_by("pk").values()]


def drain(until: datetime) -> None:
    while drain_due(now=until):
        pass


@pytest.mark.django_db
@pytest.mark.parametrize("name", DRAFTS)
def test_each_contact_moves_as_foreseen_and_comes_back(demo: None, name: str) -> None:
    document = DRAFTS[name]()
    assert Due.objects.exists()
    assert Standing.objects.filter(review_at__lte=NOW).exists()
    seen = standings()
    found, moves = preview(document)
    assert standings() == seen, "a preview changes nothing"

    drain(JUST_BEFORE)
    before = standings()
    again, same_moves = preview(document)
    assert (again.matrix, same_moves) == (found.matrix, moves)

    draft = store_draft(document=document, by=None)
    publication = publish_definition(definition_id=draft.pk, by=None, now=NOW, quiet=True)
    assert publication.effective_at == found.at
    judge_publication(publication, chunk=70)
    drain(publication.effective_at)
    made = Transition.objects.filter(effective_at=found.at, cause="publication", superseded_at=None)
    changed = {row.contact_id: (row.from_stage, row.to_stage) for row in made}
    assert changed == {contact_id: cell for contact_id, cell in moves.items() if cell[0] != cell[1]}
    assert len(changed) == found.moved > 0
    assert {row["contact_id"]: row["stage"] for row in standings()} == {pk: to for pk, (_, to) in moves.items()}
    handed_over = [stage.key for stage in document.stages if stage.handoff]
    entered = [pk for pk, (origin, target) in moves.items() if target in handed_over and origin != "sales_prospect"]
    assert found.opens == len(entered)

    roll_back_publication(now=NOW)
    rebuild_contacts(now=JUST_BEFORE)
    assert standings() == before


@pytest.mark.django_db
def test_consequences_in_between_do_not_keep_a_stage_from_coming_back(demo: None) -> None:
    while draw_consequences(now=NOW) + drain_due(now=NOW):
        pass
    before = {row["contact_id"]: (row["stage"], row["furthest_stage"], row["stage_since"]) for row in standings()}
    offered = set(Handoff.objects.filter(state="offered").values_list("contact_id", flat=True))
    found, _ = preview(DRAFTS["reaction"]())
    assert found.opens > 0

    draft = store_draft(document=DRAFTS["reaction"](), by=None)
    publication = publish_definition(definition_id=draft.pk, by=None, now=NOW, quiet=False)
    judge_publication(publication)
    while draw_consequences(now=NOW) + drain_due(now=NOW):
        pass
    assert set(Handoff.objects.filter(state="offered").values_list("contact_id", flat=True)) > offered

    roll_back_publication(now=NOW)
    rebuild_contacts(now=NOW)
    while draw_consequences(now=NOW) + drain_due(now=NOW):
        pass
    after = {row["contact_id"]: (row["stage"], row["furthest_stage"], row["stage_since"]) for row in standings()}
    assert after == before
    assert set(Handoff.objects.filter(state="offered").values_list("contact_id", flat=True)) == offered

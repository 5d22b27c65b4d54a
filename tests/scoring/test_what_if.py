"""What-if before publish: the preview equals reality, and rolling back restores every stage."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command

from contacts.models import Standing
from scoring.definition import DefinitionDocument, dump_yaml, load_yaml, read_document
from scoring.models import Definition, Publication, Transition
from scoring.selectors import published_definition
from scoring.services.drafts import store_draft
from scoring.services.evaluate import drain_due
from scoring.services.publish import (
    NotPublishable,
    judge_publication,
    publish_definition,
    roll_back_publication,
)
from scoring.services.rebuild import rebuild_contacts
from scoring.services.what_if import what_if
from tests.scoring.facts import FITTING, incoming, record
from tests.scoring.worlds import PRESETS

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
KINDS = [
    "list_imported", "email_clicked", "newsletter_subscribed", "form_submitted", "asset_downloaded",
    "social_question", "trade_show_conversation", "call_connected", "demo_requested", "purchased", "churned",
]  # fmt: skip


def populate() -> None:
    """Forty contacts with histories that reach every stage; some have facts and reviews that nobody judged yet."""
    for number in range(40):
        traits = FITTING if number % 3 else {"job_title": "Student"}
        for step in range(1 + number % 4):
            kind = KINDS[(number * 5 + step * 3) % len(KINDS)]
            at = NOW - (70 - number - 9 * step) * DAY
            named: dict[str, Any] = {"with": "Sam"} if number % 2 else {}
            record(incoming(kind, min(at, NOW - DAY), email=f"p{number}@x{number}.example", traits=traits, **named))
        if number == 30:
            while drain_due(now=NOW - 10 * DAY):
                pass


def changed(change: dict[str, Any]) -> DefinitionDocument:
    document = Definition.objects.get(key="default", version=1).document
    return read_document({**document, **change})


def drafts() -> dict[str, DefinitionDocument]:
    document = Definition.objects.get(key="default", version=1).document
    generous = [{**signal, "points": signal["points"] * 2} for signal in document["signals"]]
    fewer = [stage for stage in document["stages"] if stage["key"] != "marketing_prospect"]
    return {
        "generous": changed({"signals": generous}),
        "fewer stages": changed({"stages": fewer}),
        "reaction": load_yaml((PRESETS / "reaction.yaml").read_text()),
        "no target": changed({"fit": {}}),
    }


@pytest.mark.parametrize("name", ["generous", "fewer stages", "reaction", "no target"])
def test_the_preview_equals_publishing_and_rolling_back_restores(name: str) -> None:
    populate()
    document = drafts()[name]
    foreseen = what_if(document, now=NOW)
    assert not Publication.objects.filter(effective_at=NOW).exists()
    while drain_due(now=NOW - timedelta(microseconds=1)):
        pass
    before = list(Standing.objects.order_by("pk").values())
    assert what_if(document, now=NOW).matrix == foreseen.matrix

    publication = publish_definition(definition_id=store_draft(document=document, by=None).pk, by=None, now=NOW)
    assert publication.effective_at == NOW
    judge_publication(publication, chunk=7)
    while drain_due(now=NOW):
        pass
    moves = Counter(
        Transition.objects.filter(effective_at=NOW, cause="publication", superseded_at=None).values_list(
            "from_stage", "to_stage"
        )
    )
    assert moves == {pair: number for pair, number in foreseen.matrix.items() if pair[0] != pair[1]}
    assert foreseen.moved == sum(moves.values()) > 0
    assert foreseen.contacts == len(before)
    published = list(Standing.objects.order_by("pk").values())
    rebuild_contacts(now=NOW)
    assert list(Standing.objects.order_by("pk").values()) == published

    roll_back_publication(now=NOW)
    rebuild_contacts(now=NOW - timedelta(microseconds=1))
    assert list(Standing.objects.order_by("pk").values()) == before


def test_a_publication_comes_after_every_judgement_made_before_it() -> None:
    record(incoming("demo_requested", NOW, traits=FITTING))
    drain_due(now=NOW)
    draft = store_draft(document=changed({"fit": {}}), by=None)
    publication = publish_definition(definition_id=draft.pk, by=None, now=NOW - DAY)
    assert publication.effective_at > NOW


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_connections_judge_a_publication_like_one() -> None:
    populate()
    while drain_due(now=NOW - timedelta(microseconds=1)):
        pass
    foreseen = what_if(drafts()["generous"], now=NOW)
    draft = store_draft(document=drafts()["generous"], by=None)
    publication = publish_definition(definition_id=draft.pk, by=None, now=NOW)
    judge_publication(publication, chunk=3, connections=2)
    while drain_due(now=NOW):
        pass
    moved = Transition.objects.filter(effective_at=NOW, cause="publication")
    assert moved.count() == foreseen.moved > 0
    before = list(Standing.objects.order_by("pk").values())
    rebuild_contacts(now=NOW)
    assert list(Standing.objects.order_by("pk").values()) == before


def test_what_cannot_be_published_says_why() -> None:
    row, document = published_definition()
    with pytest.raises(NotPublishable, match="is in force already"):
        publish_definition(definition_id=row.pk, by=None, now=NOW)
    vetted = Definition.objects.get(key="scored-vetted")
    with pytest.raises(NotPublishable, match="needs the approval of Marketing and Sales"):
        publish_definition(definition_id=vetted.pk, by=None, now=NOW)
    with pytest.raises(NotPublishable, match="there is none to go back to"):
        roll_back_publication(now=NOW)
    assert store_draft(document=document, by=None).version == 2


def test_from_the_shell(tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        out = StringIO()
        call_command("definition", *arguments, stdout=out)
        return out.getvalue().strip()

    populate()
    path = tmp_path / "generous.yaml"
    path.write_text(dump_yaml(drafts()["generous"]))
    with time_machine.travel(NOW, tick=False):
        told = json.loads(run("what-if", str(path), "--json"))
        assert told["moved"] == sum(cell["contacts"] for cell in told["matrix"] if cell["from"] != cell["to"])
        assert run("what-if", str(path)).startswith(f"{told['moved']} of 40 contacts would change their stage")
        assert run("import", str(path)) == "default@2 stored as a draft"
        assert run("publish", "default", "--quiet").startswith("default v2 is in force")
        assert run("rollback") == "default v2 taken back; default v1 is in force"
    path.write_text("key: [")
    with pytest.raises(CommandError, match="no readable YAML"):
        run("what-if", str(path))
    path.write_text(dump_yaml(drafts()["generous"]).replace("demo_requested", "demo_wished"))
    with pytest.raises(CommandError, match="'demo_wished' is no known event kind"):
        run("import", str(path))
    with pytest.raises(CommandError, match="There is no definition 'nobody'"):
        run("publish", "nobody")

"""The why page asked about another day, another definition and another contact; flags, likelihood, hostile names."""

import json
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role
from contacts.models import Contact
from scoring.definition.document import Learned
from scoring.models import Definition, LearnedModel
from scoring.services.evaluate import drain_due
from tests.factories import make_contact, make_source, make_user

pytestmark = pytest.mark.django_db

FITTING: dict[str, Any] = {
    "job_title": "Head of Operations",
    "company": {"name": "Acme", "domain": "acme.example", "industry": "software", "employees": 200},
}


def ago(**passed: float) -> str:
    return (datetime.now(UTC) - timedelta(**passed)).isoformat()


def person(name: str, *events: dict[str, Any], **traits: Any) -> Contact:
    contact = make_contact(*events, first_name=name, last_name="", **{**FITTING, **traits})
    while drain_due(now=datetime.now(UTC)):
        pass
    return contact


@pytest.fixture
def pages() -> Client:
    client = Client()
    client.force_login(make_user(Role.MARKETER))
    return client


def read(client: Client, contact: Contact, **query: str) -> str:
    answer = client.get(f"/contacts/{contact.pk}/why/", query)
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def test_another_contact_by_id_or_address_stands_beside(pages: Client) -> None:
    ada = person("Ada", {"kind": "demo_requested"})
    ben = person("Ben", {"kind": "newsletter_subscribed"}, job_title="Student", email="ben@acme.example")
    for name in (str(ben.pk), "BEN@acme.example "):
        page = read(pages, ada, compare_with=name)
        assert "Side by side" in page
        assert "Ada asked for a demo on" in page
        assert "Fit, where it differs" in page
        assert page.count("versus-who") >= 8
    assert "Side by side" not in read(pages, ada)
    assert "There is no contact of this name, id or e-mail address." in read(pages, ada, compare_with="qqq zzz")
    read(pages, ada, compare_with="\0")
    assert "This is one contact." in read(pages, ada, compare_with=str(ada.pk))


def test_another_contact_by_name_or_one_of_those_it_may_mean(pages: Client) -> None:
    ada = person("Ada", {"kind": "demo_requested"})
    ben = person("Bentley", {"kind": "newsletter_subscribed"}, email="ben@acme.example")
    page = read(pages, ada, compare_with="bentley")
    assert "Side by side" in page
    assert "Whom do you mean?" not in page
    other = person("Bentley", {"kind": "newsletter_subscribed"}, email="other@acme.example")
    page = read(pages, ada, compare_with="bentley")
    assert "Whom do you mean?" in page
    assert "Side by side" not in page
    for one in (ben, other):
        assert f'href="?compare_with={one.pk}"' in page
    assert "Side by side" in read(pages, ada, compare_with=str(other.pk))


def test_stages_far_from_where_it_stands_are_folded(pages: Client) -> None:
    ada = person("Ada", {"kind": "newsletter_subscribed"})
    folds = re.findall(r'<details class="stage-criteria fold"( open)?>', read(pages, ada))
    # Strongest first: customer and sales prospect are far from a lead.
    assert folds == ["", "", " open", " open", " open"]


def test_day_definition_and_other_contact_work_together(pages: Client) -> None:
    ada = person("Ada", {"kind": "email_clicked", "occurred_at": ago(days=9)}, {"kind": "demo_requested"})
    ben = person("Ben", {"kind": "newsletter_subscribed", "occurred_at": ago(days=9)})
    day = (datetime.now(UTC) - timedelta(days=3)).date().isoformat()
    page = read(pages, ada, at=day, definition="reaction@1", compare_with=str(ben.pk))
    assert "judged under reaction v1, as if it had always been in force" in page
    assert re.search(r'why-sentence">Prospect since .*clicked in an e-mail', page)
    assert "Ada clicked in an e-mail on" in page
    assert re.search(r'<option value="reaction@1" selected>Reaction v1 \(draft\)', page, re.IGNORECASE)
    assert f'value="{day}"' in page
    assert f'name="compare_with" value="{ben.pk}"' in page
    wrong = read(pages, ada, definition="nothing@7", at="x", compare_with="0")
    assert wrong.count('class="field-error"') == 3
    assert wrong.count('aria-invalid="true"') == 3


def test_answers_are_said_in_the_readers_language(pages: Client) -> None:
    """What a gate closes at and what was found are words of ours; what a company wrote itself stays as it is."""
    contact = person("Ann", {"kind": "demo_requested", "occurred_at": ago(days=2)}, authority="no")
    german = {"Accept-Language": "de"}
    page = unescape(pages.get(f"/contacts/{contact.pk}/why/", headers=german).content.decode())
    assert "Authority nicht „nein“" in page
    definition = Definition.objects.get(key="default")
    rules = unescape(pages.get(f"/definitions/{definition.pk}/", headers=german).content.decode())
    assert "„nein“" in rules
    assert "„no“" not in page + rules


def test_a_day_before_anything_was_known(pages: Client) -> None:
    ada = person("Ada", {"kind": "demo_requested"})
    page = read(pages, ada, at="2020-01-01")
    assert 'why-sentence">Not known yet on 1 Jan' in page
    assert "stands here" not in page


def test_what_is_out_of_the_ordinary_is_flagged(pages: Client) -> None:
    stranger = person("Ada", {"kind": "list_imported"}, job_title="Student", company={"domain": "tiny.example"})
    flagged = read(pages, stranger, definition="demand-gen@1")
    assert "Out of the ordinary for this stage" in flagged
    assert "Out of the ordinary" not in read(pages, person("Ben", {"kind": "list_imported"}), definition="demand-gen@1")


def test_a_learned_score_is_shown_with_its_factors(pages: Client) -> None:
    ada = person("Ada", {"kind": "demo_requested"})
    assert "Likelihood of buying" not in read(pages, ada)
    row = Definition.objects.get(key="default", version=1)
    weights = Learned(
        intercept=-2.0,
        signals={signal["key"]: 0.02 for signal in row.document["signals"] if not signal.get("group")},
        fit_rules={rule["key"]: -0.25 for rule in row.document["fit"]["rules"]},
        trained_at=ago(days=2),
        auc=0.91,
        outcomes=4321,
    )
    LearnedModel.objects.create(definition=row, weights=msgspec.to_builtins(weights), trained_at=datetime.now(UTC))
    page = read(pages, ada)
    assert "Likelihood of buying, learned" in page
    assert "an AUC of 0.91" in page
    assert "4,321 outcomes" in page
    assert "no stage asks for it" in page
    assert "What everybody starts from" in page
    told = run("explain", str(ada.pk))
    assert "(beside the score, no criterion, AUC 0.91)" in told


def test_names_and_attributes_are_shown_as_text(pages: Client) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    ada = person(hostile, {"kind": "demo_requested"}, job_title=f"Head {hostile}")
    ben = person('"><script>alert(2)</script>', {"kind": "newsletter_subscribed"}, job_title=hostile)
    for query in ({}, {"compare_with": str(ben.pk)}, {"compare_with": hostile}, {"definition": hostile}):
        raw = pages.get(f"/contacts/{ada.pk}/why/", query).content
        assert b"<img src=x" not in raw
        assert b"<script>alert" not in raw


def test_a_long_life_is_told_in_sums_until_all_is_asked_for(pages: Client) -> None:
    ada = person("Ada", *({"kind": "page_viewed", "occurred_at": ago(hours=hour)} for hour in range(1, 260)))
    page = read(pages, ada)
    assert "234 further events" in page
    assert page.count("<td>Viewed a page</td>") == 25
    every = re.search(r'href="(\?[^"]*ledger=all[^"]*)"', page)
    assert every is not None
    assert read(pages, ada, ledger="all").count("<td>Viewed a page</td>") == 259


def test_number_of_queries_is_fixed_whatever_is_asked(pages: Client) -> None:
    few = person("Ada", {"kind": "demo_requested"})
    many = person("Ben", *({"kind": "page_viewed", "occurred_at": ago(hours=hour)} for hour in range(1, 30)))

    def queries(one: Contact, other: Contact) -> int:
        with CaptureQueriesContext(connection) as captured:
            read(pages, one, compare_with=str(other.pk), definition="reaction@1")
        return len(captured)

    queries(few, few)
    assert queries(few, few) == queries(few, many) == queries(many, few)


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_the_shell_compares_too() -> None:
    ada = person("Ada", {"kind": "demo_requested"}, {"kind": "page_viewed", "occurred_at": ago(days=1)})
    ben = person("Ben", {"kind": "newsletter_subscribed"}, job_title="Student", email="ben@acme.example")
    told = run("explain", str(ada.pk), "--compare-with", "ben@acme.example").splitlines()
    start = told.index("Ada compared with Ben")
    assert told[start + 1].startswith("Ada asked for a demo on")
    assert any("Student or intern" in line for line in told[start:])
    found = json.loads(run("explain", str(ada.pk), "--compare-with", str(ben.pk), "--json"))
    assert found["contrast"]["other"]["name"] == "Ben"
    with pytest.raises(CommandError, match="There is no contact 'nobody'"):
        run("explain", str(ada.pk), "--compare-with", "nobody")


def test_every_key_of_the_answer_is_documented() -> None:
    ada, ben = person("Ada", {"kind": "demo_requested"}), person("Ben", {"kind": "newsletter_subscribed"})
    found = json.loads(run("explain", str(ada.pk), "--compare-with", str(ben.pk), "--json"))
    text = (Path(__file__).parents[2] / "docs" / "explaining.md").read_text()
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    told = {word for cell in re.findall(r"`([^`]+)`", text) for word in re.findall(r"\w+", cell)}
    names: set[str] = set()

    def gather(node: Any) -> None:
        if isinstance(node, dict):
            names.update(node)
            for value in node.values():
                gather(value)
        elif isinstance(node, list):
            for value in node:
                gather(value)

    # Attribute names are whatever the step asks for.
    found["next_stage"]["smallest_step"]["attributes"] = {}
    gather(found)
    assert names - told == set()


def test_the_api_gives_the_same(client: Client) -> None:
    ada = person("Ada", *({"kind": "page_viewed", "occurred_at": ago(hours=hour)} for hour in range(1, 260)))
    ben = person("Ben", {"kind": "newsletter_subscribed"})
    _, key = make_source()

    def ask(**query: str) -> Any:
        path = f"/api/v1/contacts/{ada.pk}/why/"
        return client.get(path, query, headers={"Authorization": f"Bearer {key}"})

    assert len(ask().json()["ledger"]) < 210
    every = ask(ledger="all", compare_with=str(ben.pk)).json()
    assert sum(line["events"] for line in every["ledger"]) == 259
    assert every["contrast"]["contact"]["name"] == "Ada"
    for bad in ({"ledger": "some"}, {"compare_with": "999999999"}, {"compare_with": "x"}):
        answer = ask(**bad)
        assert answer.status_code == 400
        assert list(answer.json()["fields"]) == list(bad)

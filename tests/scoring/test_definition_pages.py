"""The pages of definitions: what the list says of each version, what changes before publishing, in any language."""

from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role, WorkState
from scoring.enums import RunKind
from scoring.ideas import IDEAS
from scoring.models import Definition, Publication, Run
from scoring.services.drafts import change_draft, copy_to_draft
from scoring.services.evaluate import drain_due
from scoring.services.runs import start_run
from scoring.services.work import work_off_runs
from tests.factories import make_contact, make_user
from tests.scoring.editing import fields_of, post, url

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def mara(client: Client) -> User:
    user = make_user(Role.MARKETER, first_name="Mara", last_name="Marketer")
    client.force_login(user)
    return user


def read(client: Client, path: str, **headers: str) -> str:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200, answer.content.decode()[:2000]
    return unescape(answer.content.decode())


def judged(number: int) -> None:
    for _ in range(number):
        make_contact({"kind": "newsletter_subscribed"})
    while drain_due(now=datetime.now(UTC)):
        pass


def default() -> Definition:
    return Definition.objects.get(key="default", version=1)


def stricter(by: User) -> Definition:
    """A draft of the default whose Sales prospects fit better."""
    draft = copy_to_draft(definition_id=default().pk, by=by)
    document: dict[str, Any] = draft.document
    for stage in document["stages"]:
        for part in (stage.get("enter", {}), stage.get("keep", {})):
            for criterion in part.get("all", []):
                if "fit" in criterion and stage["key"] == "sales_prospect":
                    criterion["fit"]["at_least"] = 25
    return change_draft(definition_id=draft.pk, document=document, by=by, revision=1, now=NOW)


def test_the_list_says_whom_each_version_judges_and_what_the_shipped_ones_are_for(client: Client, mara: User) -> None:
    judged(2)
    draft = stricter(mara)
    start_run(kind=RunKind.WHAT_IF, definition=draft, by=mara)
    work_off_runs()
    page = read(client, "/definitions/")
    assert all(str(idea) in page for idea in IDEAS.values())
    first, second = page.index(f'href="/definitions/{default().pk}/"'), page.index(f'href="/definitions/{draft.pk}/"')
    current, newest = page[first:second], page[second : page.index("</tr>", second)]
    assert "draft" in newest
    assert "0 would move" in newest
    assert "by Mara Marketer" in newest
    assert "in force" in current
    assert '<a href="/contacts/">2</a>' in current


def test_while_a_publication_is_judged_both_versions_have_their_contacts(client: Client, mara: User) -> None:
    judged(1)
    draft = stricter(mara)
    client.post(f"/definitions/{draft.pk}/publish/now/", {"quiet": "yes"})
    Run.objects.filter(kind=RunKind.PUBLISH).update(state=WorkState.RUNNING, done=3_000, total=10_000)
    page = read(client, "/definitions/")
    assert '<a href="/contacts/">3,000</a>' in page
    assert '<td class="is-number">7,000</td>' in page


def test_a_version_that_was_rolled_back_says_so(client: Client, mara: User) -> None:
    draft = stricter(mara)
    client.post(f"/definitions/{draft.pk}/publish/now/", {"quiet": "yes"})
    work_off_runs()
    client.post(f"/definitions/{draft.pk}/publish/roll-back/")
    work_off_runs()
    page = read(client, "/definitions/")
    assert "rolled back" in page[page.index(f'href="/definitions/{draft.pk}/"') :]


def test_the_list_costs_the_same_for_one_draft_and_for_three(client: Client, mara: User) -> None:
    costs = []
    for number in (1, 2):
        for _ in range(number):
            run = start_run(kind=RunKind.WHAT_IF, definition=stricter(mara), by=mara)
            Run.objects.filter(pk=run.pk).update(
                state=WorkState.FINISHED, finished_at=NOW, result={"moved": 1, "contacts": 2}
            )
        read(client, "/definitions/")
        with CaptureQueriesContext(connection) as captured:
            read(client, "/definitions/")
        costs.append(len(captured))
    assert costs[0] == costs[1]


def test_a_draft_says_what_changes_before_it_is_published(client: Client, mara: User) -> None:
    draft = stricter(mara)
    for path in (f"/definitions/{draft.pk}/", f"/definitions/{draft.pk}/publish/"):
        page = read(client, path)
        assert "What changes from v1" in page
        assert "<del>fit of at least 20</del>" in page
        assert "<ins>fit of at least 25</ins>" in page
    assert "What changes from" not in read(client, f"/definitions/{default().pk}/")
    same = copy_to_draft(definition_id=default().pk, by=mara)
    assert "Nothing differs from Ripen default v1." in read(client, f"/definitions/{same.pk}/")


def test_publishing_and_rolling_back_name_their_consequences_with_numbers(client: Client, mara: User) -> None:
    make_contact({"kind": "asset_downloaded", "occurred_at": (datetime.now(UTC) - timedelta(hours=1)).isoformat()})
    judged(1)
    tried = Definition.objects.get(key="demand-gen")
    start_run(kind=RunKind.WHAT_IF, definition=tried, by=mara)
    work_off_runs()
    page = read(client, f"/definitions/{tried.pk}/publish/")
    dialog = page[page.index('<dialog class="dialog" id="publish"') :]
    assert "2 of 2 contacts would change their stage" in dialog
    assert "0 would be offered to Sales" in dialog
    client.post(f"/definitions/{tried.pk}/publish/now/", {"quiet": "yes"})
    work_off_runs()
    page = read(client, f"/definitions/{tried.pk}/publish/")
    dialog = page[page.index('<dialog class="dialog" id="roll-back"') :]
    assert "Rolling back puts Ripen default v1 in force again" in dialog
    assert "Publishing it moved 2 contacts" in dialog


def test_a_what_if_leads_to_the_handoffs_it_would_withdraw(client: Client, mara: User) -> None:
    make_contact(
        {"kind": "demo_requested", "occurred_at": (datetime.now(UTC) - timedelta(hours=1)).isoformat()},
        job_title="Head of Operations",
        company={"name": "Acme", "domain": "acme.example", "industry": "software", "employees": 200},
    )
    judged(0)
    tried = Definition.objects.get(key="demand-gen")
    run = start_run(kind=RunKind.WHAT_IF, definition=tried, by=mara)
    work_off_runs()
    page = read(client, f"/definitions/{tried.pk}/what-if/")
    card = page[page.index('id="handoffs"') :]
    assert "lose the offer" in card
    assert f"/runs/{run.pk}/contacts/?from=sales_prospect&to=marketing_prospect" in card
    assert "matrix-cell is-down shade-4" in page


PATHS = ("", "edit/", "edit/?view=yaml", "what-if/", "compare/", "backtest/", "learn/", "publish/", "discard/")


def test_every_page_stands_in_german_too(client: Client, mara: User) -> None:
    judged(2)
    draft = stricter(mara)
    other = Definition.objects.get(key="reaction")
    for kind, beside in ((RunKind.WHAT_IF, None), (RunKind.COMPARE, other), (RunKind.BACKTEST, None)):
        start_run(kind=kind, definition=draft, by=mara, other=beside)
    work_off_runs()
    run = Run.objects.get(kind=RunKind.WHAT_IF)
    pages = ["/definitions/", "/definitions/import/", f"/runs/{run.pk}/contacts/?from=lead&to=lead"]
    pages += [f"/definitions/{draft.pk}/{path}" for path in PATHS]
    pages += [f"/definitions/{default().pk}/publish/", f"/definitions/{other.pk}/"]
    for path in pages:
        assert '<html lang="de">' in read(client, path, accept_language="de"), path
    assert Publication.objects.count() == 1


def test_problems_are_told_in_german_too_and_nothing_is_saved(client: Client, mara: User) -> None:
    draft = stricter(mara)
    fields = fields_of(client.get(url(draft)).content.decode())
    fields |= {"signals.0.points": ["many"], "signals.1.half_life_days": ["-1"], "fit.rules.0.label": [""]}
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "de"
    page = post(client, url(draft), {**fields, "do": "save"})
    assert '<html lang="de">' in page
    assert page.count("data-at=") == 3
    draft.refresh_from_db()
    assert draft.revision == 2

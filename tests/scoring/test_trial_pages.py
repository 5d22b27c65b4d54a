"""Trying and publishing definitions as people do it: order, watch, read the matrix, look behind a number."""

from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role, WorkState
from contacts.models import Contact, Standing
from scoring.enums import RunKind
from scoring.models import Definition, Notice, Publication, Run
from scoring.services.evaluate import drain_due
from scoring.services.runs import start_run
from scoring.services.work import work_off_runs
from tests.factories import make_contact, make_user

pytestmark = pytest.mark.django_db

FITTING: dict[str, Any] = {
    "job_title": "Head of Operations",
    "company": {"name": "Acme", "domain": "acme.example", "industry": "software", "employees": 200},
}


def person(client: Client, role: Role, name: str) -> User:
    user = make_user(role, first_name=name, last_name=role.label)
    client.force_login(user)
    return user


@pytest.fixture
def marketer(client: Client) -> User:
    return person(client, Role.MARKETER, "Mara")


def draft(key: str) -> Definition:
    return Definition.objects.get(key=key)


def contact_with(kind: str, email: str) -> Contact:
    contact = make_contact(
        {"kind": kind, "occurred_at": (datetime.now(UTC) - timedelta(hours=1)).isoformat()}, email=email, **FITTING
    )
    while drain_due(now=datetime.now(UTC)):
        pass
    return contact


def read(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, answer.content.decode()[:2000]
    return unescape(answer.content.decode())


def test_a_marketer_tries_a_draft_and_looks_behind_a_number(client: Client, marketer: User) -> None:
    contact_with("asset_downloaded", "ann@acme.example")
    contact_with("newsletter_subscribed", "ben@acme.example")
    tried = draft("demand-gen")

    ordered = client.post(f"/definitions/{tried.pk}/what-if/")
    assert "waiting for a worker" in read(client, ordered["Location"])
    assert work_off_runs() == 1

    page = read(client, ordered["Location"])
    assert "of 2 contacts would change their stage" in page
    assert 'aria-label="1 from Lead to Prospect (Marketing)"' in page
    run = Run.objects.get()
    behind = read(client, f"/runs/{run.pk}/contacts/?from=lead&to=marketing_prospect")
    assert "ann@acme.example" in behind
    assert "ben@acme.example" not in behind
    assert "Lead since" in behind
    assert "Prospect (Marketing): downloaded an asset on" in behind


def test_a_comparison_names_both_definitions_and_who_differs(client: Client, marketer: User) -> None:
    contact_with("email_clicked", "ann@acme.example")
    first, second = draft("reaction"), draft("default")

    page = client.post(f"/definitions/{first.pk}/compare/", {"other": second.pk})["Location"]
    work_off_runs()

    text = read(client, page)
    assert "0.0 %" in text
    assert "reaction@1" in text
    assert "default@1" in text
    behind = read(client, f"/runs/{Run.objects.get().pk}/contacts/?from=sales_prospect&to=lead")
    assert "Prospect since" in behind
    assert "Lead since" in behind


def test_a_wrong_answer_is_shown_at_its_field_and_nothing_is_ordered(client: Client, marketer: User) -> None:
    tried = draft("reaction")
    for path, body, said in (
        ("compare", {"other": "77777"}, "Select a valid choice"),
        ("backtest", {"mode": "month-ends", "horizon_days": "0"}, "greater than or equal to 1"),
        (
            "backtest",
            {"mode": "month-ends", "horizon_days": "9", "since": "2026-02-01", "until": "2026-01-01"},
            "The period ends before it begins",
        ),
    ):
        answer = client.post(f"/definitions/{tried.pk}/{path}/", body)
        assert answer.status_code == 422
        assert said in unescape(answer.content.decode())
    assert not Run.objects.exists()


def test_a_rep_sees_what_was_tried_and_orders_nothing(client: Client) -> None:
    person(client, Role.REP, "Rolf")
    tried = draft("demand-gen")
    run = start_run(kind=RunKind.WHAT_IF, definition=tried, by=None)
    work_off_runs()

    assert "contacts would change their stage" in read(client, f"/definitions/{tried.pk}/what-if/")
    for path in (
        f"/definitions/{tried.pk}/what-if/",
        f"/definitions/{tried.pk}/publish/now/",
        f"/definitions/{tried.pk}/publish/roll-back/",
        f"/runs/{run.pk}/cancel/",
    ):
        assert client.post(path).status_code == 403
    assert Run.objects.count() == 1


def test_a_run_that_waits_is_cancelled(client: Client, marketer: User) -> None:
    tried = draft("demand-gen")
    page = client.post(f"/definitions/{tried.pk}/what-if/")["Location"]

    client.post(f"/runs/{Run.objects.get().pk}/cancel/")

    assert work_off_runs() == 0
    assert "Cancelled" in read(client, page)


def test_a_run_that_failed_says_why_and_is_tried_again(client: Client, marketer: User) -> None:
    tried = draft("demand-gen")
    run = start_run(kind=RunKind.LEARN, definition=tried, by=marketer)
    work_off_runs()
    page = f"/definitions/{tried.pk}/learn/?run={run.pk}"
    assert "There is nothing to look back at" in read(client, page)

    client.post(f"/runs/{run.pk}/retry/")

    assert "waiting for a worker" in read(client, page)
    again = client.post(f"/runs/{run.pk}/retry/", follow=True)
    assert "Only what failed is tried again" in unescape(again.content.decode())


def test_progress_asks_for_itself_and_loads_the_page_anew_at_the_end(client: Client, marketer: User) -> None:
    run = start_run(kind=RunKind.WHAT_IF, definition=draft("demand-gen"), by=marketer)
    Run.objects.filter(pk=run.pk).update(
        state=WorkState.RUNNING, started_at=datetime.now(UTC) - timedelta(seconds=10), done=1_000, total=3_000
    )

    part = client.get(f"/runs/{run.pk}/progress/", headers={"HX-Request": "true"})
    assert "1,000 of 3,000 contacts" in part.content.decode()
    assert 'hx-trigger="every 1s"' in part.content.decode()

    Run.objects.filter(pk=run.pk).update(state=WorkState.CANCELLED, finished_at=datetime.now(UTC))
    over = client.get(f"/runs/{run.pk}/progress/", headers={"HX-Request": "true"})
    assert over["HX-Refresh"] == "true"
    assert client.get(f"/runs/{run.pk}/progress/").status_code == 302


def test_publishing_quietly_and_rolling_back_restores_every_stage(client: Client, marketer: User) -> None:
    contact = contact_with("asset_downloaded", "ann@acme.example")
    tried = draft("demand-gen")
    assert "Not tried as it stands now" in read(client, f"/definitions/{tried.pk}/publish/")

    client.post(f"/definitions/{tried.pk}/publish/now/", {"quiet": "yes"})
    work_off_runs()

    assert Publication.objects.get(definition=tried).quiet
    assert Standing.objects.get(contact=contact).stage == "marketing_prospect"
    page = read(client, f"/definitions/{tried.pk}/publish/")
    assert "Rolling back puts Ripen default v1 in force again" in page

    client.post(f"/definitions/{tried.pk}/publish/roll-back/")
    work_off_runs()

    assert Standing.objects.get(contact=contact).stage == "lead"
    assert "rolled back" in read(client, f"/definitions/{tried.pk}/publish/")


def test_rolling_back_what_is_no_longer_in_force_takes_nothing_back(client: Client, marketer: User) -> None:
    tried = draft("demand-gen")
    answer = client.post(f"/definitions/{tried.pk}/publish/roll-back/", follow=True)
    assert "no longer in force; nothing was taken back" in unescape(answer.content.decode())
    assert not Publication.objects.filter(retracted_at__isnull=False).exists()


def test_both_teams_agree_before_it_can_be_published(client: Client, marketer: User) -> None:
    tried = draft("scored-vetted")
    page = f"/definitions/{tried.pk}/publish/"
    assert "It can be published once both teams have agreed" in read(client, page)
    client.post(f"{page}approve/", {"team": "marketing"})
    assert client.post(f"{page}approve/", {"team": "sales"}).status_code == 403
    client.post(f"{page}now/", {"quiet": "yes"})
    assert not Publication.objects.filter(definition=tried).exists()

    person(client, Role.MANAGER, "Mona")
    client.post(f"{page}approve/", {"team": "sales"})
    assert "Mara Marketer agreed" in read(client, page)
    client.post(f"{page}now/", {"quiet": "no"})

    assert not Publication.objects.get(definition=tried).quiet


def test_a_notice_stands_on_the_list_and_its_definition_until_somebody_dismisses_it(
    client: Client, marketer: User
) -> None:
    told = draft("reaction")
    notice = Notice.objects.create(definition=told, text="Its learned score has <drifted>.")
    assert "Its learned score has <drifted>." in read(client, "/definitions/")
    assert "Its learned score has" in read(client, f"/definitions/{told.pk}/what-if/")
    assert "Its learned score has" not in read(client, f"/definitions/{draft('default').pk}/")

    back = client.post(f"/notices/{notice.pk}/dismiss/", {"next": "/definitions/"})

    assert back["Location"] == "/definitions/"
    assert "Its learned score has" not in read(client, "/definitions/")


@pytest.mark.parametrize("path", ["learn", "what-if", "compare", "backtest", "publish"])
def test_pages_without_any_run_say_what_they_are_for(client: Client, marketer: User, path: str) -> None:
    assert draft("reaction").name in read(client, f"/definitions/{draft('reaction').pk}/{path}/")


def test_the_contacts_behind_a_number_cost_the_same_for_one_and_for_three(client: Client, marketer: User) -> None:
    costs = []
    for number in (1, 3):
        while Contact.objects.count() < number:
            contact_with("asset_downloaded", f"person{Contact.objects.count()}@acme.example")
        run = start_run(kind=RunKind.WHAT_IF, definition=draft("demand-gen"), by=marketer)
        work_off_runs()
        # What a person sees for the first time costs a little more.
        read(client, "/definitions/")
        with CaptureQueriesContext(connection) as captured:
            page = read(client, f"/runs/{run.pk}/contacts/?from=lead&to=marketing_prospect")
        assert page.count("data-row-link") == number
        costs.append(len(captured))
    assert costs[0] == costs[1]


@pytest.mark.parametrize(
    "query",
    ["", "?from=lead", "?from=%00&to=%00", "?from=lead&to=lead&after=x", "?from=lead&to=lead&after=9" + "9" * 30],
)
def test_odd_questions_about_a_cell_get_an_empty_page(client: Client, marketer: User, query: str) -> None:
    run = start_run(kind=RunKind.WHAT_IF, definition=draft("demand-gen"), by=marketer)
    work_off_runs()
    assert "Nobody here" in read(client, f"/runs/{run.pk}/contacts/{query}")

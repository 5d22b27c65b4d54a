"""The first steps of an installation: where they lead, what they do, and a checklist that goes when it is done."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from contacts.enums import Role, SourceKind
from contacts.models import ImportRun, Preferences, Source
from contacts.selectors.snippets import NO_KEY, first_event
from funnel.selectors.first_steps import checklist_of
from scoring.models import Definition, Publication
from scoring.selectors import published_definition
from tests.factories import make_user
from tests.funnel.conftest import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> User:
    return make_user(Role.ADMIN)


@pytest.fixture
def web(admin: User) -> Client:
    client = Client()
    client.force_login(admin)
    return client


def open_items(person: User) -> set[str]:
    """What the checklist still asks for; empty where there is none."""
    found = checklist_of(person)
    return {item.key for item in found.items if not item.done} if found else set()


def definition(key: str) -> Definition:
    return Definition.objects.filter(key=key).latest("version")


def key_in(page: str) -> str:
    found = re.search(r"Bearer (rpn_src_[\w-]+)", page)
    assert found is not None
    return found[1]


def send(key: str, **event: Any) -> None:
    answer = Client(headers={"Authorization": f"Bearer {key}"}).post(
        "/api/v1/events/", json.dumps(event), content_type="application/json"
    )
    assert answer.json()["rejected"] == [], answer.content


def test_the_first_visit_of_an_administrator_leads_there_once(web: Client) -> None:
    assert web.get("/")["Location"] == "/welcome/"
    page = web.get("/welcome/").content.decode()
    assert "What makes a lead, and what a prospect?" in page
    assert page.count('name="definition"') == 6
    overview = web.get("/")
    assert overview.status_code == 200
    assert "0 of 5 done" in overview.content.decode()


@pytest.mark.parametrize("role", [Role.REP, Role.MARKETER, Role.MANAGER])
def test_nobody_else_is_led_there_and_each_sees_what_is_theirs(role: Role) -> None:
    client = Client()
    client.force_login(make_user(role))
    overview = client.get("/")
    assert overview.status_code == 200
    assert "First steps" not in overview.content.decode()
    page = client.get("/welcome/?step=source").content.decode()
    assert "Create the source" not in page
    assert ("My hours" in page) is (role is not Role.MARKETER)
    assert ("?step=import" in page) is (role is not Role.REP)


def test_keeping_the_definition_in_force_is_a_choice(web: Client, admin: User) -> None:
    in_force, _ = published_definition()
    answer = web.post("/welcome/definition/", {"definition": in_force.pk})
    assert answer["Location"] == "/welcome/?step=source"
    assert open_items(admin) == {"source", "event", "import", "team", "webhook"}
    assert Publication.objects.count() == 1


def test_another_definition_is_published_while_nobody_is_judged(web: Client, admin: User) -> None:
    answer = web.post("/welcome/definition/", {"definition": definition("reaction").pk}, follow=True)
    assert "is in force from now on" in answer.content.decode()
    row, _ = published_definition()
    assert row.key == "reaction"
    assert Publication.objects.latest("effective_at").quiet
    assert "definition" not in open_items(admin)


def test_with_contacts_the_page_that_shows_what_would_change_takes_over(web: Client, world: World) -> None:
    world.prospect()
    row = definition("reaction")
    answer = web.post("/welcome/definition/", {"definition": row.pk})
    assert answer["Location"] == f"/definitions/{row.pk}/publish/"
    assert published_definition()[0].key == "default"


def test_where_both_teams_must_agree_nothing_is_published(web: Client) -> None:
    row = definition("scored-vetted")
    answer = web.post("/welcome/definition/", {"definition": row.pk})
    assert answer["Location"] == f"/definitions/{row.pk}/publish/"
    assert published_definition()[0].key == "default"


@pytest.mark.parametrize("given", ["", "x", "9" * 30, "²"])
def test_what_is_no_definition_is_said(web: Client, given: str) -> None:
    page = web.post("/welcome/definition/", {"definition": given}, follow=True).content.decode()
    assert "Choose one of the definitions" in page


def test_a_source_is_made_and_its_key_shown_in_that_answer_alone(web: Client, admin: User) -> None:
    made = web.post("/welcome/source/", {"name": "Website"})
    page = made.content.decode()
    key = key_in(page)
    assert page.count(key) == 4
    assert "no-store" in made["Cache-Control"]
    source = Source.objects.get(name="Website")
    assert (source.kind, source.scopes) == (SourceKind.SERVER, ["events:write"])
    later = web.get("/welcome/?step=source").content.decode()
    assert key not in later
    assert NO_KEY in later
    assert open_items(admin) >= {"event", "import"}

    waiting = web.get(f"/welcome/arrived/{source.pk}/").content.decode()
    assert "Waiting for the first event of Website" in waiting
    assert 'hx-trigger="every 2s"' in waiting
    send(key, **first_event(public=False))
    arrived = web.get(f"/welcome/arrived/{source.pk}/").content.decode()
    assert "Ann Example" in arrived
    assert "hx-trigger" not in arrived
    assert open_items(admin).isdisjoint({"source", "event"})


def test_the_first_event_of_a_key_for_browsers_is_one_that_it_may_send(web: Client) -> None:
    page = web.post("/welcome/source/", {"name": "Shop", "public": "on"}).content.decode()
    assert Source.objects.get(name="Shop").kind == SourceKind.PUBLIC
    send(key_in(page), **first_event(public=True))


def test_a_name_that_is_taken_is_said_at_the_field(web: Client) -> None:
    web.post("/welcome/source/", {"name": "Website"})
    again = web.post("/welcome/source/", {"name": "Website"})
    assert again.status_code == 422
    assert "There is a source called" in again.content.decode()
    assert web.get("/welcome/source/")["Location"] == "/welcome/?step=source"


def test_the_first_contacts_say_why_they_stand_there(web: Client, world: World) -> None:
    assert "Nobody is here yet" in web.get("/welcome/?step=contacts").content.decode()
    world.prospect()
    page = web.get("/welcome/?step=contacts").content.decode()
    assert "ann@acme.example" in page
    assert "Sales prospect since" in page


def test_the_checklist_goes_when_everything_is_done(web: Client, admin: User) -> None:
    web.post("/welcome/definition/", {"definition": published_definition()[0].pk})
    send(key_in(web.post("/welcome/source/", {"name": "Website"}).content.decode()), **first_event(public=False))
    ImportRun.objects.create(file_name="people.csv", rows=1, created=1, finished_at="2026-11-22T10:00Z")
    User.objects.create_user(username="rep@demo.example", email="rep@demo.example")
    assert open_items(admin) == {"team", "webhook"}
    assert "First steps" in web.get("/").content.decode()
    make_user(Role.REP)
    assert checklist_of(admin) is None
    assert "First steps" not in web.get("/").content.decode()


def test_the_checklist_is_put_away_and_brought_back(web: Client, admin: User) -> None:
    web.get("/welcome/")
    page = web.post("/welcome/dismiss/", follow=True).content.decode()
    assert "The first steps are put away" in page
    assert 'action="/welcome/recall/"' in page
    assert checklist_of(admin) is None
    assert Preferences.objects.get(user=admin).hides_first_steps
    other = make_user(Role.ADMIN)
    assert checklist_of(other) is not None
    web.post("/welcome/recall/")
    assert checklist_of(admin) is not None


def test_demo_data_needs_no_first_steps(admin: User) -> None:
    assert checklist_of(admin) is not None
    Source.objects.create(name="Website of the demo")
    assert checklist_of(admin) is None


@pytest.mark.parametrize("step", ["definition", "source", "import", "contacts"])
def test_each_step_costs_the_same_however_many_there_are(
    web: Client, world: World, step: str, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    web.get("/welcome/")
    counts = []
    for names in (("a",), ("b", "c")):
        for name in names:
            world.prospect(f"{name}@acme.example")
            web.post("/welcome/source/", {"name": name})
        with django_assert_max_num_queries(60) as captured:
            assert web.get(f"/welcome/?step={step}").status_code == 200
        counts.append(len(captured))
    assert counts[0] == counts[1], counts


def test_the_checklist_is_one_query(admin: User, django_assert_num_queries: Callable[..., Any]) -> None:
    checklist_of(admin)
    with django_assert_num_queries(1):
        assert checklist_of(admin) is not None

"""Sequences over HTTP: shapes, refusals and figures; the services behind are tested on their own."""

from typing import Any

import pytest

from contacts.enums import Role, Scope
from funnel.models import Enrolment, Sequence
from tests.funnel.callers import Api, api_of, api_of_source
from tests.funnel.sequences.conftest import Garden, mail_step, tool_step

URL = "/api/v1/sequences/"
MAIL = {"channel": "email", "subject": "Hello", "body": "Good day", "in_business_hours": False}
PLAN = {"name": "Welcome", "stage": "lead", "purpose": "newsletter", "steps": [MAIL]}


@pytest.fixture
def api(garden: Garden) -> Api:
    return api_of(garden.person(Role.MARKETER, "Mira Marketer"))


def patch(api: Api, url: str, body: Any, status: int = 200) -> Any:
    response = api.client.patch(url, body, content_type="application/json")
    assert response.status_code == status, response.content
    return response.json()


def test_a_program_writes_changes_activates_and_pauses_a_sequence(garden: Garden, api: Api) -> None:
    made = api.post(URL, PLAN, status=201)
    url = f"{URL}{made['id']}/"
    (step,) = made["steps"]
    assert (made["state"], made["version"], made["activated_at"]) == ("draft", 1, None)
    assert step == {
        **MAIL, "key": step["key"], "wait_days": 0, "wait_hours": 0, "call_to_action": "", "reference": ""
    }  # fmt: skip
    guide = {"channel": "webhook", "wait_days": 2, "call_to_action": "Download the guide", "reference": "g-1"}

    changed = patch(api, url, {"steps": [guide, {**step, "subject": "Hello again"}], "version": 1})

    assert (changed["version"], changed["name"]) == (2, "Welcome")
    assert [one["subject"] or one["reference"] for one in changed["steps"]] == ["g-1", "Hello again"]
    assert changed["steps"][1]["key"] == step["key"], "it stays the same step"
    assert patch(api, url, {"name": "Other", "version": 1}, status=409)["code"] == "stale"
    assert api.post(f"{url}activate/", {"backfill": True})["state"] == "active"
    assert api.post(f"{url}activate/", status=409)["code"] == "already_active"
    assert api.post(f"{url}pause/")["state"] == "paused"
    assert api.post(f"{url}pause/", status=409)["code"] == "not_active"
    assert [row["id"] for row in api.get(URL)["results"]] == [made["id"]]
    assert api.client.delete(url).status_code == 204
    assert not Sequence.objects.exists()


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"name": ""}, "name"),
        ({"stage": "customers"}, "stage"),
        ({"purpose": "world peace"}, "purpose"),
        ({"steps": [{**MAIL, "subject": "{nobody}"}]}, "steps.0.subject"),
        ({"steps": [MAIL, {**MAIL, "call_to_action": "Send a quote"}]}, "steps.1.call_to_action"),
        ({"steps": [{**MAIL, "body": "x" * 20_001}]}, "steps"),
        ({"steps": [MAIL] * 31}, "steps"),
        ({"name": "x\0y"}, "name"),
    ],
)
def test_what_is_wrong_is_named(garden: Garden, api: Api, said: dict[str, Any], field: str) -> None:
    error = api.post(URL, {**PLAN, **said}, status=400)

    assert [name for name in error["fields"] if name.startswith(field)], error
    assert not Sequence.objects.exists()


def test_contacts_go_in_and_out_and_the_report_counts_them(garden: Garden, api: Api) -> None:
    sequence = garden.active(mail_step(), tool_step(1))
    url = f"{URL}{sequence.pk}/"
    ann, bob = garden.lead(), garden.lead("bob@acme.example")
    garden.sweep()

    (second, first) = api.get(f"{url}enrolments/")["results"]

    assert (first["contact"], first["state"], first["how"]) == (str(ann.pk), "active", "entry")
    assert [(step["position"], step["state"]) for step in first["steps"]] == [(1, "sent"), (2, "waiting")]
    stopped = api.post(f"/api/v1/enrolments/{second['id']}/stop/")
    assert (stopped["state"], stopped["reason"]) == ("stopped", "by_hand")
    assert api.post(f"/api/v1/enrolments/{second['id']}/stop/", status=409)["code"] == "not_under_way"
    again = api.post(f"{url}enrolments/", {"contact": str(bob.pk)}, status=201)
    assert again["how"] == "hand"
    assert api.post(f"{url}enrolments/", {"contact": str(bob.pk)}, status=409)["code"] == "already_enrolled"
    assert api.post(f"{url}enrolments/", {"contact": str(10**17)}, status=400)["code"] == "unknown_contact"
    assert len(api.get(f"{url}enrolments/", contact=str(bob.pk))["results"]) == 2
    assert len(api.get(f"{url}enrolments/", state="stopped")["results"]) == 1
    assert api.get(f"{url}enrolments/", status=400, state="lost")["code"] == "invalid"
    figures = api.get(f"{url}figures/", days=7)
    assert (figures["enrolled"], figures["under_way"], figures["completed"], figures["days"]) == (3, 2, 0, 7)
    assert figures["stopped"] == [{"reason": "by_hand", "contacts": 1}]
    assert [(step["sent"], step["waiting"], step["stopped"]) for step in figures["steps"]] == [(2, 1, 0), (0, 1, 1)]
    assert figures["steps"][1]["reasons"] == [{"state": "stopped", "code": "by_hand", "contacts": 1}]
    assert api.get(f"{url}figures/", status=400, days=0)["code"] == "invalid"
    assert api.client.delete(url).json()["code"] == "in_use"


def test_a_source_with_the_scope_enrols_and_a_rep_does_not(garden: Garden) -> None:
    garden.lead()
    garden.later(minutes=1)
    sequence = garden.active(mail_step(1))
    url = f"{URL}{sequence.pk}/enrolments/"
    contact = {"contact": str(garden.lead("bob@acme.example").pk)}
    Enrolment.objects.all().delete()
    rep, tool = api_of(garden.person()), api_of_source(Scope.CONTACTS_WRITE)
    assert rep.post(url, contact, status=403)["code"] == "permission_denied"
    assert tool.post(url, contact, status=201)["how"] == "hand"


def test_lists_cost_as_many_queries_for_three_as_for_one(
    garden: Garden, api: Api, django_assert_num_queries: Any, django_assert_max_num_queries: Any
) -> None:
    sequence = garden.active(mail_step(), mail_step(1))
    garden.lead()
    garden.sweep()
    for url in (URL, f"{URL}{sequence.pk}/enrolments/"):
        api.get(url)
        with django_assert_max_num_queries(12) as one:
            assert len(api.get(url)["results"]) == 1
        if url == URL:
            others = [garden.draft(name=f"Other {number}") for number in range(2)]
        else:
            others = [garden.lead(f"more{number}@acme.example") for number in range(2)]  # type: ignore[misc]  # contacts
            garden.sweep()
        with django_assert_num_queries(len(one)):
            assert len(api.get(url)["results"]) == 1 + len(others)

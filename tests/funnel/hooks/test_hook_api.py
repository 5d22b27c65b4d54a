"""Webhooks through the API: endpoints, secrets, deliveries, replays; and what they are told of contacts."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from contacts.enums import Scope, SourceKind
from contacts.models import Identity
from contacts.services.erasing import LOCK
from contacts.services.merging import merge_contacts
from funnel.enums import AnnouncementType, DeliveryState
from funnel.models import Announcement, HookDelivery, HookEndpoint, HookMessage
from funnel.services.announcing import Told, announce
from funnel.services.handoffs import claim_handoff
from funnel.services.hooks.endpoints import MOST_ENDPOINTS
from funnel.services.hooks.forgetting import forget_hooks
from funnel.services.hooks.messages import take_announcements
from tests.factories import make_contact, make_source, make_token
from tests.funnel.conftest import World
from tests.funnel.hooks.conftest import Hooks, bodies
from tests.funnel.hooks.receiver import Receiver, receive

URL = "https://hooks.example.com/ripen"


class Api:
    """JSON in and out with a key."""

    def __init__(self, key: str) -> None:
        self.client = Client(headers={"Authorization": f"Bearer {key}"})

    def __call__(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        given = {"data": json.dumps(body), "content_type": "application/json"} if body is not None else {}
        answer = getattr(self.client, method)(f"/api/v1{path}", headers=headers, **given)
        return answer.status_code, answer.json() if answer.content else None


@pytest.fixture
def api(admin: User) -> Api:
    return Api(make_token(admin))


def test_an_endpoint_is_made_changed_disabled_and_deleted(api: Api) -> None:
    status, made = api("post", "/hooks/", {"url": URL, "description": "CRM", "types": ["handoff.won"]})
    assert status == 201
    assert (made["url"], made["types"], made["enabled"], made["failing_since"]) == (URL, ["handoff.won"], True, None)
    assert "secret" not in json.dumps(made).replace("secret holds", "")
    path = f"/hooks/{made['id']}/"

    assert api("patch", path, {"types": []})[1]["types"] == []
    assert api("patch", path, {"types": []})[1]["description"] == "CRM", "what is not given stays"
    assert api("post", f"{path}disable/")[1]["disabled_for"] == "by_hand"
    assert api("post", f"{path}test/")[1]["code"] == "disabled"
    assert api("post", f"{path}replay/", {"since": "2026-01-01T00:00:00Z"})[0] == 409
    assert api("post", f"{path}enable/")[1]["enabled"] is True
    assert [row["id"] for row in api("get", "/hooks/")[1]["results"]] == [made["id"]]
    assert api("delete", path)[0] == 204
    assert api("get", path)[0] == 404
    assert api("delete", path)[0] == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"url": "http://hooks.example.com/"}, "url"),
        ({"url": "https://127.0.0.1/"}, "url"),
        ({"url": "https://metadata.localhost/"}, "url"),
        ({"url": ""}, "url"),
        ({}, "url"),
        ({"url": URL, "types": ["handoff.lost"]}, "types.0"),
        ({"url": URL, "types": ["hook.failing"]}, "types.0"),
        ({"url": URL, "description": "x" * 201}, "description"),
    ],
)
def test_what_makes_no_endpoint(api: Api, body: object, field: str) -> None:
    status, answer = api("post", "/hooks/", body)
    assert (status, list(answer["fields"])) == (400, [field])
    assert not HookEndpoint.objects.exists()


def test_there_are_not_any_number_of_them(api: Api) -> None:
    HookEndpoint.objects.bulk_create(HookEndpoint(url=URL) for _ in range(MOST_ENDPOINTS))
    assert api("post", "/hooks/", {"url": URL})[0] == 400


def test_the_secret_can_be_read_and_rotated_and_is_stored_nowhere(api: Api, admin: User) -> None:
    path = f"/hooks/{api('post', '/hooks/', {'url': URL})[1]['id']}/"
    first = api("get", f"{path}secret/")[1]["secret"]
    assert first.startswith("whsec_")
    assert api("get", f"{path}secret/")[1]["secret"] == first

    status, rotated = api("post", f"{path}rotate/", None, **{"Idempotency-Key": "once"})
    assert (status, rotated["rotated_at"] is not None) == (200, True)
    second = api("get", f"{path}secret/")[1]["secret"]
    assert second != first
    api("post", f"{path}rotate/", None, **{"Idempotency-Key": "once"})
    assert api("get", f"{path}secret/")[1]["secret"] == second, "what is sent again rotates nothing"

    from tests.contacts.test_erasing import dump

    stored = dump()
    assert first.removeprefix("whsec_").lower() not in stored
    assert second.removeprefix("whsec_").lower() not in stored


def test_a_server_key_manages_webhooks_and_a_public_one_does_not(db: None) -> None:
    _, server = make_source([Scope.HOOKS_WRITE])
    _, public = make_source([Scope.HOOKS_WRITE], kind=SourceKind.PUBLIC)
    assert Api(server)("post", "/hooks/", {"url": URL})[0] == 201
    assert Api(public)("post", "/hooks/", {"url": URL})[0] == 403
    assert Api(public)("get", "/hooks/")[0] == 403
    assert HookEndpoint.objects.get().created_by is None


def test_deliveries_are_listed_read_and_replayed(api: Api, hooks: Hooks) -> None:
    with receive(500, 500, 500, 200) as receiver:
        endpoint = hooks.endpoint(receiver)
        path = f"/hooks/{endpoint.pk}/"
        tests = [api("post", f"{path}test/") for _ in range(3)]
        assert {status for status, _ in tests} == {202}
        hooks.catch_up()
        hooks.send()
        page = api("get", f"{path}deliveries/?state=dead&limit=2")[1]
        assert len(page["results"]) == 2
        assert page["next"]
        rest = api("get", page["next"].partition("/api/v1")[2])[1]
        listed = [*page["results"], *rest["results"]]
        assert [row["state"] for row in listed] == ["dead"] * 3
        assert len({row["id"] for row in listed}) == 3
        assert api("get", f"{path}deliveries/?state=delivered")[1]["results"] == []
        assert api("get", f"{path}deliveries/?status=dead")[0] == 400

        one = f"/hook-deliveries/{listed[0]['id']}/"
        detail = api("get", one)[1]
        assert detail["payload"]["type"] == "hook.test"
        assert [(row["number"], row["status"], row["fault"]) for row in detail["tries"]] == [(1, 500, "status")]
        assert api("post", f"{one}replay/")[1]["state"] == "waiting"
        hooks.catch_up()
        hooks.send()
        again = api("get", one)[1]
    assert (again["state"], again["message"]) == ("delivered", listed[0]["message"])
    assert [row["number"] for row in again["tries"]] == [2, 1]
    assert api("post", f"{path}replay/", {"since": hooks.now.isoformat()})[1] == {"replayed": 0}, (
        "tests are not replayed"
    )
    assert api("post", f"{path}replay/", {})[0] == 400
    assert api("get", "/hook-deliveries/999999/")[0] == 404
    assert api("get", "/hooks/999999/deliveries/")[0] == 404


def test_lists_cost_the_same_for_one_and_for_three(
    api: Api, hooks: Hooks, receiver: Receiver, django_assert_max_num_queries: Any
) -> None:
    counts: dict[str, list[int]] = {}
    for number in (1, 3):
        while HookEndpoint.objects.count() < number:
            hooks.endpoint(receiver)
        first = HookEndpoint.objects.earliest("pk")
        while HookDelivery.objects.filter(endpoint=first).count() < number:
            api("post", f"/hooks/{first.pk}/test/")
        for path in ("/hooks/", f"/hooks/{first.pk}/deliveries/"):
            with django_assert_max_num_queries(30) as captured:
                assert api("get", path)[0] == 200
            counts.setdefault(path, []).append(len(captured))
    assert all(one == three for one, three in counts.values()), counts


# --- What is told of contacts ----------------------------------------------------------------------------------------


def test_a_change_of_stage_names_what_a_receiver_needs_and_nothing_more(
    hooks: Hooks, receiver: Receiver, world: World
) -> None:
    hooks.endpoint(receiver, "contact.stage_changed")
    contact = world.happens("ann@acme.example", "page_viewed")
    Identity.objects.create(contact=contact, kind="external_id", value="crm-7")
    world.settle()
    world.later(minutes=1)
    world.prospect()
    hooks.now = world.now
    hooks.send()

    ann = next(body for body in bodies(receiver) if body["data"]["contact"]["id"] == str(contact.pk))
    assert ann["type"] == "contact.stage_changed"
    data = ann["data"]
    assert set(data) == {
        "contact", "transition", "from", "to", "cause", "sentence", "definition", "effective_at", "recorded_at",
    }  # fmt: skip
    assert data["contact"] == {"id": str(contact.pk), "email": "ann@acme.example", "external_ids": ["crm-7"]}
    assert data["to"] == {"key": "sales_prospect", "label": "Sales prospect"}
    assert data["from"]["key"] == "audience"
    assert data["cause"] == "event"
    assert "demo" in data["sentence"]
    assert data["definition"].startswith("default@")


def test_a_handoff_is_told_as_the_api_tells_it_without_the_ledger(
    api: Api, hooks: Hooks, receiver: Receiver, world: World
) -> None:
    hooks.endpoint(receiver, "handoff.offered", "handoff.claimed")
    rep = world.person()
    handoff = world.offer()
    claim_handoff(handoff_id=handoff.pk, by=rep, now=world.later(minutes=1))
    hooks.now = world.now
    take_announcements(now=hooks.now)
    hooks.send()

    offered, claimed = sorted(bodies(receiver), key=lambda body: body["timestamp"])
    assert [offered["type"], claimed["type"]] == ["handoff.offered", "handoff.claimed"]
    assert "lines" not in claimed["data"]["handoff"]["evidence"]
    assert claimed["data"]["handoff"]["evidence"]["sentence"]
    assert claimed["data"]["move"]["name"] == "claim"
    assert claimed["data"]["move"]["by"] == {"id": str(rep.pk), "name": "Rhea Rep", "email": rep.email}
    by_api = api("get", f"/handoffs/{handoff.pk}/")[1]
    said = claimed["data"]["handoff"]
    for name in ("id", "state", "stage", "claimed_by", "reason", "note"):
        assert said[name] == by_api[name], name
    assert said["contact"].items() >= {key: by_api["contact"][key] for key in ("id", "name", "email")}.items()


def test_a_merge_and_an_erasure_are_told_and_what_was_to_be_told_of_the_person_goes(
    hooks: Hooks, receiver: Receiver, world: World, admin: User
) -> None:
    from tests.contacts.test_erasing import erase

    hooks.endpoint(receiver)
    winner, loser = world.prospect(), world.happens("ann@elsewhere.example", "page_viewed")
    world.settle()
    merge_contacts(winner_id=winner.pk, loser_id=loser.pk, by=admin, source=None, reason="One person", now=world.now)
    hooks.now = world.now
    take_announcements(now=hooks.now)
    merged = HookMessage.objects.get(type="contact.merged")
    assert json.loads(merged.body)["data"].items() >= {"winner": str(winner.pk), "loser": str(loser.pk)}.items()
    assert sorted(merged.contact_ids) == sorted([winner.pk, loser.pk])
    assert HookDelivery.objects.filter(state=DeliveryState.WAITING).count() >= 2

    erase(winner, admin)

    assert not HookMessage.objects.filter(contact_ids__overlap=[winner.pk, loser.pk]).exists()
    assert not Announcement.objects.filter(contact_id__in=[winner.pk, loser.pk]).exists()
    assert "ann@acme" not in " ".join(HookMessage.objects.values_list("body", flat=True))
    hooks.catch_up()
    hooks.send()
    assert sorted(body["data"]["contact"]["id"] for body in bodies(receiver)) == sorted([str(winner.pk), str(loser.pk)])
    assert {body["type"] for body in bodies(receiver)} == {"contact.erased"}
    forget_hooks(now=hooks.now)
    assert not HookMessage.objects.exists(), "once everybody has it nobody needs the id any more"


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_what_is_announced_of_somebody_who_is_just_being_erased_waits(hooks: Hooks, receiver: Receiver) -> None:
    """So no message is made of a person after the erasure has looked for messages; the others do not wait."""
    hooks.endpoint(receiver)
    held, free, gone = make_contact(), make_contact(), 10**9
    announce([Told(AnnouncementType.WARNED, at=hooks.now, contact_id=one, data={}) for one in (held.pk, free.pk, gone)])
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute(LOCK, [[held.pk]])
        assert take_announcements(now=hooks.now) == 2
        assert [row.contact_ids for row in HookMessage.objects.all()] == [[free.pk]]
        other.rollback()
        assert take_announcements(now=hooks.now) == 1
    finally:
        other.close()
    assert sorted(row.contact_ids for row in HookMessage.objects.all()) == sorted([[held.pk], [free.pk]])


def test_messages_go_after_30_days_and_dead_letters_after_90(hooks: Hooks) -> None:
    with receive(200, 410) as receiver:
        endpoint = hooks.endpoint(receiver)
        for index in range(2):
            hooks.wait(seconds=1)
            message = HookMessage.objects.create(
                uid=f"msg_{index}", type="queue.starving", body="{}", at=hooks.now, created_at=hooks.now
            )
            HookDelivery.objects.create(message=message, endpoint=endpoint, due_at=hooks.now)
            hooks.send()
    hooks.wait(days=29)
    assert forget_hooks(now=hooks.now) == 0
    hooks.wait(days=2)
    forget_hooks(now=hooks.now)
    assert list(HookMessage.objects.values_list("uid", flat=True)) == ["msg_1"]
    hooks.wait(days=60)
    forget_hooks(now=hooks.now)
    assert not HookMessage.objects.exists()
    assert not HookDelivery.objects.exists()

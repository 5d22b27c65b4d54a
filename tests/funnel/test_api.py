"""Handoffs over HTTP: shapes, scopes, conflicts; the services behind are tested on their own."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role, Scope
from contacts.models import Source, Standing
from funnel.enums import HandoffState
from funnel.models import Handoff, HandoffMove
from tests.funnel.callers import URL, Api, api_of, api_of_source, move, z
from tests.funnel.conftest import World


def test_the_shape_of_a_handoff(world: World) -> None:
    rep = world.person(name="Rhea Rep")
    handoff = world.claimed(rep)

    (listed,) = api_of(rep).get(URL)["results"]

    one = api_of(rep).get(f"{URL}{handoff.pk}/")
    assert one.pop("suggestions"), "asked of one handoff alone"
    assert listed == one
    them = {"id": str(rep.pk), "name": "Rhea Rep", "email": rep.email}
    offered, claimed = HandoffMove.objects.filter(handoff=handoff).order_by("number")
    assert listed == {
        "id": str(handoff.pk),
        "contact": {
            "id": str(handoff.contact_id),
            "name": "ann@acme.example",
            "email": "ann@acme.example",
            "phone": "",
            "job_title": "Head of Operations",
            "company": "Acme",
        },
        "state": "claimed",
        "stage": {"key": "sales_prospect", "label": "Sales prospect"},
        "evidence": handoff.evidence,
        "offered_at": z(handoff.offered_at),
        "first_offered_at": z(handoff.offered_at),
        "assigned_to": None,
        "routing": handoff.routing,
        "warn_at": z(handoff.warn_at),
        "due_at": z(handoff.due_at),
        "claimed_by": them,
        "claimed_at": z(world.now),
        "attempted_at": None,
        "accepted_at": None,
        "outcome": "",
        "next_at": None,
        "last_activity_at": z(world.now),
        "stale": False,
        "closed_at": None,
        "reason": "",
        "note": "",
        "escalation": 0,
        "previous": None,
        "moves": [
            {
                "number": 0, "move": "offer", "from_state": "", "to_state": "offered", "by": None, "rep": None,
                "at": z(offered.at), "due_at": None, "reason": "", "note": "",
            },
            {
                "number": 1, "move": "claim", "from_state": "offered", "to_state": "claimed", "by": them, "rep": them,
                "at": z(world.now), "due_at": z(claimed.due_at), "reason": "", "note": "",
            },
        ],
    }  # fmt: skip
    assert claimed.due_at is not None


def test_a_rep_works_a_handoff_from_claim_to_win(world: World) -> None:
    rep = world.person()
    api, offer = api_of(rep), world.offer()

    assert api.post(move(offer, "claim"))["claimed_by"]["id"] == str(rep.pk)
    assert api.post(move(offer, "accept"))["state"] == "accepted"
    won = api.post(move(offer, "win"), {"note": "Signed."})
    assert (won["state"], won["note"]) == ("won", "Signed.")


def test_a_rep_returns_a_handoff_with_a_reason(world: World) -> None:
    rep = world.person()
    handoff = world.claimed(rep)

    returned = api_of(rep).post(move(handoff, "return"), {"reason": "no_want", "note": "Said so."})
    assert (returned["state"], returned["reason"], returned["note"]) == ("returned", "no_want", "Said so.")


@pytest.mark.parametrize(
    ("name", "body", "field"),
    [
        ("return", {}, "reason"),
        ("return", {"reason": "bored"}, "reason"),
        ("win", {}, "note"),
        ("win", {"note": " "}, "note"),
    ],
)
def test_what_is_missing_is_named(world: World, name: str, body: dict[str, str], field: str) -> None:
    rep = world.person()
    handoff = world.claimed(rep)

    error = api_of(rep).post(move(handoff, name), body, status=400)

    assert error["code"] == "invalid"
    assert list(error["fields"]) == [field]
    handoff.refresh_from_db()
    assert handoff.state == HandoffState.CLAIMED


def test_a_lost_claim_names_the_winner(world: World) -> None:
    handoff = world.claimed(world.person(name="Rhea Rep"))

    error = api_of(world.person(name="Ravi Rep")).post(move(handoff, "claim"), status=409)

    assert error == {
        "code": "already_claimed",
        "message": "Claimed by Rhea Rep: somebody was faster.",
        "fields": {"claimed_by": "Rhea Rep"},
    }


def test_an_audience_contact_cannot_be_claimed(world: World) -> None:
    offer = world.offer()
    Standing.objects.update(stage="audience")

    error = api_of(world.person()).post(move(offer, "claim"), status=409)

    assert error["code"] == "not_claimable"
    assert not Handoff.objects.exclude(claimed_by=None).exists()


def test_a_move_out_of_turn_says_what_it_needs(world: World) -> None:
    error = api_of(world.person(Role.MANAGER)).post(move(world.offer(), "accept"), status=409)

    assert error["code"] == "wrong_state"
    assert error["message"] == "This handoff is offered; to accept it, it must be claimed."


def test_a_marketer_sees_but_cannot_claim(world: World) -> None:
    api, offer = api_of(world.person(Role.MARKETER)), world.offer()

    assert len(api.get(URL)["results"]) == 1
    assert api.post(move(offer, "claim"), status=403)["code"] == "missing_scope"


def test_another_reps_handoff_is_not_yours(world: World) -> None:
    handoff = world.claimed(world.person(name="Rhea Rep"))

    error = api_of(world.person(name="Ravi Rep")).post(move(handoff, "accept"), status=403)
    assert error["code"] == "permission_denied"
    assert "not yours" in error["message"]


def test_a_source_reaches_only_its_scopes(world: World) -> None:
    offer = world.offer()
    without, reading = api_of_source(Scope.EVENTS_WRITE, Scope.CONTACTS_READ), None

    assert without.get(URL, status=403)["code"] == "missing_scope"
    assert without.get(f"/api/v1/contacts/{offer.contact_id}/handoffs/", status=403)["code"] == "missing_scope"
    assert without.post(move(offer, "claim"), status=403)["code"] == "missing_scope"
    Source.objects.filter(name="an integration").delete()
    reading = api_of_source(Scope.HANDOFFS_READ)
    assert len(reading.get(URL)["results"]) == 1
    assert reading.post(move(offer, "claim"), status=403)["code"] == "missing_scope"


def test_a_source_that_may_write_is_still_no_person(world: World) -> None:
    offer = world.offer()

    error = api_of_source(Scope.HANDOFFS_READ, Scope.HANDOFFS_WRITE).post(move(offer, "claim"), status=403)
    assert error["code"] == "person_required"
    offer.refresh_from_db()
    assert offer.state == HandoffState.OFFERED


def test_nobody_gets_in_without_a_key(world: World) -> None:
    offer = world.offer()

    assert Api().get(URL, status=401)["code"] == "not_authenticated"
    assert Api().post(move(offer, "claim"), status=401)["code"] == "not_authenticated"
    assert Api("rpn_usr_nobody").get(URL, status=401)["code"] == "invalid_key"


def test_a_deactivated_person_and_a_revoked_token_are_out(world: World) -> None:
    rep = world.person()
    api = api_of(rep)
    api.get(URL)
    rep.personal_tokens.update(revoked_at=world.now)
    api.get(URL, status=401)
    api = api_of(rep)
    rep.is_active = False
    rep.save()
    api.get(URL, status=401)


def test_a_session_works_with_csrf_only(world: World) -> None:
    rep, offer = world.person(), world.offer()
    client = Client(enforce_csrf_checks=True)
    client.force_login(rep)

    assert client.get(URL).status_code == 200
    assert client.post(move(offer, "claim")).status_code == 403
    offer.refresh_from_db()
    assert offer.state == HandoffState.OFFERED


def test_the_same_claim_sent_again_with_its_idempotency_key_gets_the_first_answer(world: World) -> None:
    api, offer = api_of(world.person()), world.offer()
    key = {"Idempotency-Key": "once"}

    first = api.client.post(move(offer, "claim"), headers=key)
    again = api.client.post(move(offer, "claim"), headers=key)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.content == first.content


def test_filters(world: World) -> None:
    rep, other = world.person(name="Rhea Rep"), world.person(name="Ravi Rep")
    mine = world.claimed(rep, "mine@acme.example")
    theirs = world.claimed(other, "theirs@acme.example")
    offered = world.offer("offered@acme.example")
    api = api_of(rep)

    def found(**parameters: Any) -> list[int]:
        return [int(row["id"]) for row in api.get(URL, **parameters)["results"]]

    assert found() == [offered.pk, theirs.pk, mine.pk], "newest first"
    assert found(ordering="offered_at") == [mine.pk, theirs.pk, offered.pk]
    assert found(state="offered") == [offered.pk]
    assert found(state=["offered", "claimed"]) == [offered.pk, theirs.pk, mine.pk]
    assert found(claimed_by="me") == [mine.pk]
    assert found(claimed_by=str(other.pk)) == [theirs.pk]
    assert found(contact=str(offered.contact_id)) == [offered.pk]
    assert found(stage="lead") == []


@pytest.mark.parametrize(
    "parameters",
    [{"stat": "offered"}, {"state": "lost"}, {"contact": "ann"}, {"claimed_by": "9" * 40}, {"ordering": "note"}],
)
def test_a_wrong_parameter_is_an_error(world: World, parameters: dict[str, str]) -> None:
    error = api_of(world.person()).get(URL, status=400, **parameters)

    assert list(error["fields"]) == list(parameters)


def test_pages_follow_each_other_without_gap_or_repeat(world: World) -> None:
    world.offer("zero@acme.example")
    for number in range(4):
        world.later(minutes=number // 2)
        world.offer(f"person{number}@acme.example")
    api = api_of(world.person())

    seen, url = [], f"{URL}?limit=2"
    while url:
        page = api.get(url)
        seen += [row["id"] for row in page["results"]]
        url = page["next"]
    assert seen == [str(pk) for pk in Handoff.objects.order_by("-offered_at", "-id").values_list("pk", flat=True)]
    assert len(seen) == 5


def test_the_handoffs_of_one_contact(world: World) -> None:
    handoff = world.offer()
    world.offer("bob@acme.example")
    api = api_of(world.person())

    (row,) = api.get(f"/api/v1/contacts/{handoff.contact_id}/handoffs/")["results"]
    assert row["id"] == str(handoff.pk)
    assert api.get("/api/v1/contacts/404404/handoffs/", status=404)["code"] == "not_found"


@pytest.mark.parametrize("path", ["404404/", "404404404404404404404404/", "ann/"])
def test_what_is_not_there_is_a_404(world: World, path: str) -> None:
    assert api_of(world.person()).get(URL + path, status=404)["code"] == "not_found"


def test_claiming_what_is_not_there_is_a_404(world: World) -> None:
    assert api_of(world.person()).post(f"{URL}404404/claim/", status=404)["code"] == "not_found"


def test_a_list_takes_the_same_number_of_queries_for_one_and_for_three(world: World) -> None:
    api = api_of(world.person())
    world.offer("person0@acme.example")
    api.get(URL)
    counts = []
    for people in (1, 3):
        for number in range(people):
            world.offer(f"person{number}@acme.example")
        with CaptureQueriesContext(connection) as captured:
            assert len(api.get(URL)["results"]) == people
        counts.append(len(captured))
    assert counts[0] == counts[1] <= 6


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_twenty_simultaneous_claims_over_http(transactional_db: None) -> None:
    world = World()
    offer = world.offer()
    callers = [api_of(world.person(name=f"Rep Number{number}")) for number in range(20)]

    def claim(api: Api) -> tuple[int, Any]:
        try:
            response = api.client.post(move(offer, "claim"), {}, content_type="application/json")
            return response.status_code, response.json()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(claim, callers))

    assert sorted(status for status, _ in answers) == [200] + [409] * 19
    (winner,) = [body["claimed_by"]["name"] for status, body in answers if status == 200]
    lost = [body for status, body in answers if status == 409]
    assert {(body["code"], body["fields"]["claimed_by"]) for body in lost} == {("already_claimed", winner)}
    assert all(winner in body["message"] for body in lost)

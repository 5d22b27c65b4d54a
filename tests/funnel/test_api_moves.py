"""Over HTTP: outcomes and releases, what managers do, and what is kept for others."""

from datetime import timedelta

import pytest
from django.utils import timezone

from contacts.enums import Role
from funnel.models import Handoff, RepProfile
from tests.funnel.callers import URL, api_of, move, z
from tests.funnel.conftest import World

pytestmark = pytest.mark.django_db


def test_a_rep_records_an_outcome_and_releases(world: World) -> None:
    rep = world.person()
    handoff = world.claimed(rep)
    later = timezone.now() + timedelta(days=2)
    told = api_of(rep).post(move(handoff, "outcome"), {"outcome": "later", "next_at": later.isoformat()})
    assert (told["state"], told["outcome"], told["next_at"], told["due_at"]) == ("claimed", "later", z(later), None)
    assert told["attempted_at"] is not None
    missing = api_of(rep).post(move(handoff, "outcome"), {"outcome": "later"}, status=400)
    assert list(missing["fields"]) == ["next_at"]

    released = api_of(rep).post(move(handoff, "release"), {"note": "Not my field"})
    assert (released["state"], released["claimed_by"], released["outcome"]) == ("offered", None, "")
    assert [one["move"] for one in released["moves"]] == ["offer", "claim", "outcome", "release"]
    assert (released["moves"][-1]["reason"], released["moves"][-1]["note"]) == ("by_hand", "Not my field")
    assert api_of(rep).post(move(handoff, "release"), status=403)["code"] == "permission_denied", "theirs no more"
    manager = api_of(world.person(Role.MANAGER, "Mo Manager"))
    assert manager.post(move(handoff, "release"), status=409)["code"] == "wrong_state"


def test_a_manager_reassigns_and_takes_over(world: World) -> None:
    manager, ravi = world.person(Role.MANAGER, "Mo Manager"), world.person(name="Ravi Rep")
    handoff = world.claimed(world.person(name="Rhea Rep"))
    api = api_of(manager)
    moved = api.post(move(handoff, "reassign"), {"to": str(ravi.pk), "note": "On leave"})
    assert (moved["state"], moved["claimed_by"]["name"]) == ("claimed", "Ravi Rep")
    assert api.post(move(handoff, "reassign"), {"to": "0"}, status=400)["fields"] == {"to": "There is no such person."}
    RepProfile.objects.create(user=ravi, claim_limit=1)
    another = world.offer("bob@acme.example")
    refused = api.post(move(another, "reassign"), {"to": str(ravi.pk)}, status=409)
    assert refused["code"] == "limit_reached"
    forced = api.post(move(another, "reassign"), {"to": str(ravi.pk), "override": True})
    assert forced["claimed_by"]["name"] == "Ravi Rep"
    assert api.post(move(another, "take-over"))["claimed_by"]["name"] == "Mo Manager"
    assert api_of(ravi).post(move(another, "take-over"), status=403)["code"] == "permission_denied"


def test_what_is_kept_for_another_names_them(world: World) -> None:
    rhea, offer = world.person(name="Rhea Rep"), world.offer()
    Handoff.objects.update(assigned_to=rhea)
    api = api_of(world.person(name="Ravi Rep"))
    error = api.post(move(offer, "claim"), status=409)
    assert (error["code"], error["fields"]) == ("kept_for_another", {"assigned_to": "Rhea Rep"})
    assert [row["id"] for row in api_of(rhea).get(URL, assigned_to="me")["results"]] == [str(offer.pk)]
    assert api.get(URL, assigned_to="me")["results"] == []

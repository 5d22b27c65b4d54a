"""Claiming whatever comes next: which it is, what it leaves, and what is said where there is none or no room."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role, Scope
from contacts.models import Event, Standing
from funnel.enums import HandoffState
from funnel.errors import HandoffConflict
from funnel.models import Handoff, HandoffMove, SalesSettings
from funnel.selectors.queue import queue
from funnel.services.claiming import claim_handoff, claim_next
from funnel.services.handoff_verification import verify_handoffs
from tests.funnel.callers import URL, api_of, api_of_source
from tests.funnel.conftest import World
from tests.funnel.test_pages import read, signed_in

pytestmark = pytest.mark.django_db

NEXT = f"{URL}claim-next/"


def refused(code: str) -> Any:
    return pytest.raises(HandoffConflict, check=lambda error: error.code == code)


def keep(handoff: Handoff, rep: User) -> None:
    """Keep an offer for somebody, as the routing does."""
    Handoff.objects.filter(pk=handoff.pk).update(assigned_to=rep)
    HandoffMove.objects.filter(handoff=handoff).update(to_rep=rep)


def due_in(handoff: Handoff, world: World, minutes: int) -> None:
    Handoff.objects.filter(pk=handoff.pk).update(due_at=world.now + timedelta(minutes=minutes))


class TestWhich:
    def test_it_is_the_closest_deadline_and_all_that_a_claim_leaves(self, world: World) -> None:
        rep = world.person()
        later, sooner = world.offer("ann@acme.example"), world.offer("bob@acme.example")
        due_in(later, world, 90)
        due_in(sooner, world, 30)

        assert claim_next(by=rep, now=world.now) == sooner.pk
        sooner.refresh_from_db()
        later.refresh_from_db()
        assert (sooner.state, sooner.claimed_by, sooner.claimed_at) == (HandoffState.CLAIMED, rep, world.now)
        assert (later.state, later.claimed_by) == (HandoffState.OFFERED, None)
        assert Standing.objects.get(contact=sooner.contact).owner == rep
        fact = Event.objects.get(kind__name="handoff_claimed")
        assert (fact.contact_id, fact.recorded_by) == (sooner.contact_id, rep)
        assert [str(fault) for fault in verify_handoffs(now=world.now)] == []

    def test_what_is_kept_for_another_is_left_to_them_and_to_leaders(self, world: World) -> None:
        rhea, ravi = world.person(name="Rhea Rep"), world.person(name="Ravi Rep")
        first, second, third = (world.offer(f"{name}@acme.example") for name in ("ann", "bob", "cid"))
        for minutes, offer in enumerate((first, second, third), start=1):
            due_in(offer, world, minutes)
        keep(first, rhea)
        keep(third, rhea)

        assert claim_next(by=ravi, now=world.now) == second.pk
        with refused("nothing_to_claim"):
            claim_next(by=ravi, now=world.now)
        assert claim_next(by=rhea, now=world.now) == first.pk
        assert claim_next(by=world.person(Role.MANAGER, "Mo Manager"), now=world.now) == third.pk

    def test_only_what_is_kept_for_oneself(self, world: World) -> None:
        rhea = world.person()
        first, second = world.offer("ann@acme.example"), world.offer("bob@acme.example")
        due_in(first, world, 1)
        due_in(second, world, 2)
        keep(second, rhea)

        assert claim_next(by=rhea, only_kept=True, now=world.now) == second.pk
        with refused("nothing_to_claim"):
            claim_next(by=rhea, only_kept=True, now=world.now)

    def test_a_contact_that_left_the_stages_handed_to_sales_is_passed_over(self, world: World) -> None:
        gone, there = world.offer("ann@acme.example"), world.offer("bob@acme.example")
        due_in(gone, world, 1)
        due_in(there, world, 2)
        Standing.objects.filter(contact=gone.contact).update(stage="lead")

        assert claim_next(by=world.person(), now=world.now) == there.pk
        with refused("nothing_to_claim"):
            claim_next(by=world.person(name="Ravi Rep"), now=world.now)

    def test_is_not_for_marketers(self, world: World) -> None:
        world.offer()
        with pytest.raises(PermissionDenied):
            claim_next(by=world.person(Role.MARKETER), now=world.now)

    def test_it_is_always_the_first_card_of_the_queue_that_can_be_claimed(self, world: World) -> None:
        """Whatever the deadlines, for whom cards are kept, what has become of them, and who asks."""
        people = {"rep": world.person(), "lead": world.person(Role.MANAGER, "Mo Manager")}
        another = world.person(name="Ravi Rep")
        offers = [world.offer(f"person{number}@acme.example") for number in range(5)]
        chance = random.Random(11)
        for _ in range(12):
            me = people[chance.choice(["rep", "rep", "lead"])]
            with undone():
                gone = set()
                for offer in offers:
                    due = chance.choice([None, -60, -1, 1, 60])
                    kept_for = chance.choice([None, None, me, another])
                    Handoff.objects.filter(pk=offer.pk).update(
                        due_at=None if due is None else world.now + timedelta(minutes=due), assigned_to=kept_for
                    )
                    if chance.random() < 0.2:
                        Standing.objects.filter(contact=offer.contact).update(stage="lead")
                        gone.add(offer.pk)
                shown = [card for card in queue(user=me, now=world.now).cards if card.handoff.pk not in gone]
                expected = [card.handoff.pk for card in shown if card.may_claim]
                assert [claim_next(by=me, now=world.now) for _ in expected] == expected
                with refused("nothing_to_claim"):
                    claim_next(by=me, now=world.now)


@contextmanager
def undone() -> Iterator[None]:
    """Take back what is done within."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


class TestRoom:
    def test_no_further_than_the_limit_and_nothing_of_it_is_done(self, world: World) -> None:
        SalesSettings.objects.update(claim_limit=1)
        rep = world.person()
        world.claimed(rep, "ann@acme.example")
        offer = world.offer("bob@acme.example")

        with pytest.raises(HandoffConflict, match="You hold 1 open handoffs or more, the limit"):
            claim_next(by=rep, now=world.now)
        offer.refresh_from_db()
        assert (offer.state, offer.moves_made) == (HandoffState.OFFERED, 0)

    def test_where_there_is_room_only_for_what_is_kept_for_them_they_get_that(self, world: World) -> None:
        SalesSettings.objects.update(claim_limit=1)
        rep = world.person()
        free, kept = world.offer("ann@acme.example"), world.offer("bob@acme.example")
        due_in(free, world, 1)
        due_in(kept, world, 2)
        keep(kept, rep)

        assert claim_next(by=rep, now=world.now) == kept.pk
        with refused("limit_reached"):
            claim_next(by=rep, now=world.now)


class TestCost:
    def test_it_takes_no_more_queries_than_a_claim_however_long_the_queue(self, world: World) -> None:
        rep = world.person()
        offers = [world.offer(f"person{number}@acme.example") for number in range(4)]
        # Later than all that made the offers: of two facts at one moment either could be where the contact came from.
        later = world.now + timedelta(minutes=1)
        claim_handoff(handoff_id=offers[0].pk, by=rep, now=later)
        claim_next(by=rep, now=later)
        with CaptureQueriesContext(connection) as claimed:
            claim_handoff(handoff_id=offers[2].pk, by=rep, now=later)
        with CaptureQueriesContext(connection) as next_:
            claim_next(by=rep, now=later)
        assert len(next_) <= len(claimed) <= 20
        assert len(decisions(next_)) == 1

    def test_an_empty_queue_is_found_empty_in_two_looks(self, world: World) -> None:
        rep = world.person()
        with refused("nothing_to_claim"):
            claim_next(by=rep, now=world.now)
        with CaptureQueriesContext(connection) as captured, refused("nothing_to_claim"):
            claim_next(by=rep, now=world.now)
        looks = [query for query in captured.captured_queries if "FROM funnel_handoff" in query["sql"]]
        assert len(looks) == 2

    def test_the_queue_is_read_in_its_order_and_only_as_far_as_needed(self, world: World) -> None:
        """By the index of the order, not by sorting all offers, nor by asking of all where their contacts stand."""
        rep = world.person()
        world.offer()
        with CaptureQueriesContext(connection) as captured:
            claim_next(by=rep, now=world.now)
        (sql,) = decisions(captured)
        with connection.cursor() as cursor:
            # A table of one row would be read as a whole, and with no more to it sorted.
            cursor.execute(
                "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off"
            )
            cursor.execute(f"EXPLAIN {sql}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
        assert "Index Scan using handoff_by_due" in plan
        assert "Sort" not in plan


def decisions(captured: CaptureQueriesContext) -> list[str]:
    """The statements that move a handoff."""
    sent = [str(query["sql"]) for query in captured.captured_queries]
    return [sql for sql in sent if "UPDATE funnel_handoff AS handoff SET state" in sql]


class TestApi:
    def test_it_answers_the_handoff_as_a_claim_does(self, world: World) -> None:
        rep, offer = world.person(), world.offer()
        told = api_of(rep).post(NEXT)
        assert (told["id"], told["state"], told["claimed_by"]["name"]) == (str(offer.pk), "claimed", "Rhea Rep")
        assert [one["move"] for one in told["moves"]] == ["offer", "claim"]

        empty = api_of(rep).post(NEXT, status=409)
        assert (empty["code"], "nothing to claim" in empty["message"]) == ("nothing_to_claim", True)

    def test_only_kept_and_a_body_that_makes_no_sense(self, world: World) -> None:
        rep, offer = world.person(), world.offer()
        api = api_of(rep)
        assert api.post(NEXT, {"only_kept": True}, status=409)["message"] == "Nothing is kept for you."
        assert list(api.post(NEXT, {"only_kept": "some"}, status=400)["fields"]) == ["only_kept"]
        keep(offer, rep)
        assert api.post(NEXT, {"only_kept": True})["id"] == str(offer.pk)

    def test_the_limit_and_whose_it_is_not(self, world: World) -> None:
        SalesSettings.objects.update(claim_limit=0)
        world.offer()
        assert api_of(world.person()).post(NEXT, status=409)["code"] == "limit_reached"
        assert api_of(world.person(Role.MARKETER, "Mara Marketer")).post(NEXT, status=403)["code"] == "missing_scope"
        assert api_of_source(Scope.HANDOFFS_READ).post(NEXT, status=403)["code"]


class TestPage:
    def test_leads_to_what_was_claimed(self, world: World) -> None:
        offer, rita = world.offer(), world.person()
        answer = signed_in(rita).post("/handoffs/claim-next/", follow=True)
        assert answer.redirect_chain == [(f"/handoffs/{offer.pk}/", 302)]
        assert "Get in touch" in answer.content.decode()
        assert Handoff.objects.get(pk=offer.pk).claimed_by == rita

    def test_with_htmx_the_whole_page_goes_there(self, world: World) -> None:
        offer = world.offer()
        answer = signed_in(world.person()).post("/handoffs/claim-next/", headers={"HX-Request": "true"})
        assert answer["HX-Redirect"] == f"/handoffs/{offer.pk}/"

    @pytest.mark.parametrize(
        ("kept", "path", "said"),
        [("", "/queue/", "There is nothing to claim"), ("me", "/queue/?kept=me", "Nothing is kept for you")],
    )
    def test_an_empty_queue_says_so_where_one_was(self, world: World, kept: str, path: str, said: str) -> None:
        answer = signed_in(world.person()).post("/handoffs/claim-next/", {"kept": kept}, follow=True)
        assert answer.redirect_chain == [(path, 302)]
        assert said in answer.content.decode()

    def test_the_limit_is_said_on_the_queue(self, world: World) -> None:
        SalesSettings.objects.update(claim_limit=0)
        world.offer()
        answer = signed_in(world.person()).post("/handoffs/claim-next/", follow=True)
        assert answer.redirect_chain == [("/queue/", 302)]
        assert "the limit: close or release" in answer.content.decode()

    def test_the_button_is_for_those_who_claim_and_keeps_to_what_is_shown(self, world: World) -> None:
        rita = signed_in(world.person())
        assert "/handoffs/claim-next/" in read(rita, "/queue/")
        assert 'name="kept" value="me"' not in read(rita, "/queue/")
        assert 'name="kept" value="me"' in read(rita, "/queue/?kept=me")
        assert "/handoffs/claim-next/" not in read(signed_in(world.person(Role.MARKETER, "Mara Marketer")), "/queue/")

    def test_is_not_by_link(self, world: World) -> None:
        world.offer()
        assert signed_in(world.person()).get("/handoffs/claim-next/").status_code == 405
        assert Client().post("/handoffs/claim-next/").status_code == 302
        assert Handoff.objects.get().state == HandoffState.OFFERED

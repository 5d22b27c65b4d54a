"""The rep's pages and those that show the handing over: what each role sees and what each button does."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role
from contacts.models import Event
from funnel.enums import HandoffState
from funnel.models import Handoff
from tests.funnel.conftest import World

pytestmark = pytest.mark.django_db


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def read(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status
    return answer.content.decode()


def queries(client: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        read(client, path)
    return len(captured)


@pytest.mark.parametrize("path", ["/", "/queue/", "/mine/", "/handoffs/1/", "/contacts/1/journey/"])
def test_who_is_not_signed_in_is_asked_to(path: str) -> None:
    answer = Client().get(path)
    assert (answer.status_code, answer["Location"]) == (302, f"/account/login/?next={path}")


@pytest.mark.parametrize("path", ["/", "/queue/", "/mine/", "/contacts/", "/definitions/"])
def test_who_has_no_role_sees_nothing(path: str, world: World) -> None:
    nobody = User.objects.create_user("nobody@ripen.example", "nobody@ripen.example")
    assert "may not" in read(signed_in(nobody), path, status=403)


class TestQueue:
    def test_says_who_why_now_and_what_to_ask(self, world: World) -> None:
        world.offer("ann@acme.example")
        page = read(signed_in(world.person()), "/queue/")
        assert "ann@acme.example" in page
        assert "asked for a demo" in page
        assert "Means?" in page
        assert "Authority?" in page
        assert "data-claim" in page

    def test_a_marketer_sees_it_without_the_button(self, world: World) -> None:
        world.offer()
        page = read(signed_in(world.person(Role.MARKETER)), "/queue/")
        assert "ann@acme.example" in page
        assert "data-claim" not in page

    def test_empty_says_what_to_expect(self, world: World) -> None:
        assert "The queue is empty" in read(signed_in(world.person()), "/queue/")

    def test_number_of_queries_does_not_grow(self, world: World) -> None:
        client = signed_in(world.person())
        world.offer("one@acme.example")
        read(client, "/queue/")
        one = queries(client, "/queue/")
        world.offer("two@acme.example")
        world.offer("three@acme.example")
        assert queries(client, "/queue/") == one

    @pytest.mark.parametrize("after", ["x", "-1", "9" * 30, "999999"])
    def test_a_place_that_makes_no_sense_does_not_break_it(self, world: World, after: str) -> None:
        read(signed_in(world.person()), f"/queue/?after={after}")


class TestClaim:
    def test_by_plain_form_leads_to_the_handoff(self, world: World) -> None:
        handoff, rita = world.offer(), world.person()
        answer = signed_in(rita).post(f"/handoffs/{handoff.pk}/claim/")
        assert (answer.status_code, answer["Location"]) == (302, f"/handoffs/{handoff.pk}/")
        handoff.refresh_from_db()
        assert (handoff.state, handoff.claimed_by) == (HandoffState.CLAIMED, rita)

    def test_lost_by_plain_form_names_the_winner_on_the_queue(self, world: World) -> None:
        handoff = world.claimed(by=world.person(name="Ben Faster"))
        answer = signed_in(world.person()).post(f"/handoffs/{handoff.pk}/claim/", follow=True)
        assert answer.status_code == 200
        assert answer.redirect_chain == [("/queue/", 302)]
        assert "Claimed by Ben Faster" in answer.content.decode()

    def test_with_htmx_the_card_itself_says_so(self, world: World) -> None:
        handoff = world.offer()
        page = signed_in(world.person()).post(f"/handoffs/{handoff.pk}/claim/", headers={"HX-Request": "true"})
        text = page.content.decode()
        assert page.status_code == 200
        assert f'id="handoff-{handoff.pk}"' in text
        assert "<html" not in text
        assert "claimed" in text
        assert "data-toasts" in text

    def test_lost_with_htmx_the_card_names_the_winner(self, world: World) -> None:
        handoff = world.claimed(by=world.person(name="Ben Faster"))
        page = signed_in(world.person()).post(f"/handoffs/{handoff.pk}/claim/", headers={"HX-Request": "true"})
        assert page.status_code == 200
        assert "Claimed by Ben Faster" in page.content.decode()
        assert "is-taken" in page.content.decode()

    def test_a_session_that_ended_leads_the_whole_page_to_sign_in(self, world: World) -> None:
        handoff = world.offer()
        answer = Client().post(
            f"/handoffs/{handoff.pk}/claim/",
            headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/queue/?after=3"},
        )
        assert answer["HX-Redirect"] == "/account/login/?next=/queue/%3Fafter%3D3"
        assert answer.content == b""

    def test_is_not_for_marketers_and_not_by_link(self, world: World) -> None:
        handoff = world.offer()
        assert (
            signed_in(world.person(Role.MARKETER, "Mara Marketer")).post(f"/handoffs/{handoff.pk}/claim/").status_code
            == 403
        )
        assert signed_in(world.person()).get(f"/handoffs/{handoff.pk}/claim/").status_code == 405
        assert signed_in(world.person(name="Una Other")).post("/handoffs/999999/claim/").status_code == 404
        handoff.refresh_from_db()
        assert handoff.state == HandoffState.OFFERED

    def test_a_foreign_address_is_not_followed(self, world: World) -> None:
        handoff = world.claimed(by=world.person(name="Ben Faster"))
        answer = signed_in(world.person()).post(f"/handoffs/{handoff.pk}/claim/", {"next": "https://evil.example/"})
        assert answer["Location"] == "/queue/"


class TestHandoff:
    def test_shows_the_evidence_whose_lines_add_up(self, world: World) -> None:
        world.happens("ann@acme.example", "newsletter_subscribed", at=world.now - timedelta(days=3))
        handoff = world.offer("ann@acme.example")
        page = read(signed_in(world.person()), f"/handoffs/{handoff.pk}/")
        assert "Do they have the means to buy?" in page
        assert "Asked for a demo" in page
        counted = [float(text) for text in re.findall(r'<td class="is-number">\+([\d.]+)</td>\s*</tr>', page)]
        assert f'<td class="is-number">{sum(counted):g}</td></tr></tfoot>' in page

    def test_accept_then_win_with_a_note(self, world: World) -> None:
        rita = world.person()
        handoff, client = world.claimed(by=rita), signed_in(rita)
        assert "Accepted" in client.post(f"/handoffs/{handoff.pk}/accept/", follow=True).content.decode()
        refused = client.post(f"/handoffs/{handoff.pk}/win/", {"win-note": " "})
        assert refused.status_code == 422
        assert "This field is required" in refused.content.decode()
        won = client.post(f"/handoffs/{handoff.pk}/win/", {"win-note": "Team plan"}, follow=True)
        assert "Won." in won.content.decode()
        handoff.refresh_from_db()
        assert (handoff.state, handoff.note) == (HandoffState.WON, "Team plan")

    def test_return_needs_a_reason_and_keeps_the_words(self, world: World) -> None:
        rita = world.person()
        handoff, client = world.claimed(by=rita), signed_in(rita)
        refused = client.post(
            f"/handoffs/{handoff.pk}/return/", {"return-reason": "", "return-note": "Never called back"}
        )
        assert refused.status_code == 422
        assert "Never called back" in refused.content.decode()
        client.post(
            f"/handoffs/{handoff.pk}/return/", {"return-reason": "no_response", "return-note": "Never called back"}
        )
        handoff.refresh_from_db()
        assert (handoff.state, handoff.reason, handoff.note) == ("returned", "no_response", "Never called back")

    def test_another_rep_gets_no_buttons_and_is_refused(self, world: World) -> None:
        handoff = world.claimed(by=world.person())
        other = signed_in(world.person(name="Una Other"))
        page = read(other, f"/handoffs/{handoff.pk}/")
        assert "Return to Marketing" not in page
        answer = other.post(f"/handoffs/{handoff.pk}/accept/", follow=True)
        assert "not yours" in answer.content.decode()
        handoff.refresh_from_db()
        assert handoff.state == HandoffState.CLAIMED

    def test_a_move_that_no_longer_fits_says_so(self, world: World) -> None:
        rita = world.person()
        handoff, client = world.claimed(by=rita), signed_in(rita)
        client.post(f"/handoffs/{handoff.pk}/accept/")
        again = client.post(f"/handoffs/{handoff.pk}/accept/", follow=True)
        assert "it must be claimed" in again.content.decode()

    def test_reads_events_by_index_however_many_there_are(self, world: World) -> None:
        handoff, client = world.offer(), signed_in(world.person())
        with CaptureQueriesContext(connection) as captured:
            read(client, f"/handoffs/{handoff.pk}/")
        asked = [query["sql"] for query in captured if "contacts_event" in query["sql"]]
        assert asked
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            for sql in asked:
                cursor.execute(f"EXPLAIN {sql}")
                plan = "\n".join(line for (line,) in cursor.fetchall())
                assert "Seq Scan on contacts_event" not in plan, plan

    def test_unknown_is_a_404(self, world: World) -> None:
        read(signed_in(world.person()), "/handoffs/999999/", status=404)


class TestJourney:
    def test_tells_stages_and_handoffs(self, world: World) -> None:
        rita = world.person()
        handoff = world.claimed(by=rita)
        client = signed_in(rita)
        client.post(f"/handoffs/{handoff.pk}/return/", {"return-reason": "cannot_buy_now", "return-note": "After May"})
        world.later(minutes=1)
        world.settle()
        page = read(client, f"/contacts/{handoff.contact_id}/journey/")
        assert "Because it asked for a demo" in page
        assert "Returned by Rhea Rep" in page
        assert "Cannot buy now: After May" in page

    def test_number_of_queries_does_not_grow(self, world: World) -> None:
        client = signed_in(world.person(Role.MANAGER))
        contact = world.prospect()
        path = f"/contacts/{contact.pk}/journey/"
        read(client, path)
        one = queries(client, path)
        for days in (1, 2):
            world.later(days=days)
            world.happens("ann@acme.example", "purchased")
            world.settle()
            world.later(days=days)
            world.happens("ann@acme.example", "refunded")
            world.settle()
        assert queries(client, path) == one


class TestOverview:
    def test_counts_stages_and_links_to_the_contacts_behind(self, world: World) -> None:
        world.offer()
        page = read(signed_in(world.person()), "/")
        assert re.search(r'href="/contacts/\?stage=sales_prospect">.*?figure-value">1<', page, re.DOTALL)
        assert "Every fact is judged" in page
        assert "Because it asked for a demo" in page or "Latest moves" in page

    def test_says_what_waits(self, world: World) -> None:
        world.happens("new@acme.example", "form_submitted")
        page = read(signed_in(world.person()), "/")
        assert "1 fact waiting to be judged" in page

    def test_number_of_queries_does_not_grow(self, world: World) -> None:
        client = signed_in(world.person())
        world.offer("one@acme.example")
        read(client, "/")
        one = queries(client, "/")
        world.offer("two@acme.example")
        world.offer("three@acme.example")
        assert queries(client, "/") == one


def test_logging_a_call_makes_a_fact_with_the_named_person(world: World) -> None:
    rita = world.person()
    handoff, client = world.claimed(by=rita), signed_in(rita)
    path = f"/contacts/{handoff.contact_id}/log/"
    form = read(client, path)
    token = re.search(r'name="form_id" value="([^"]+)"', form)
    assert token is not None
    sent = {
        "kind": "call_connected",
        "occurred_at": "2026-11-01T10:00",
        "with_person": "Rhea Rep",
        "note": "Has budget.",
        "form_id": token[1],
    }
    assert client.post(path, sent)["Location"] == f"/contacts/{handoff.contact_id}/"
    assert client.post(path, sent).status_code == 302
    (event,) = Event.objects.filter(contact=handoff.contact_id, kind__name="call_connected")
    assert event.properties == {"with": "Rhea Rep", "note": "Has budget."}
    assert event.recorded_by == rita


@pytest.mark.parametrize(
    ("changed", "remark"),
    [
        ({"kind": "note_added", "note": ""}, "Write what is worth knowing"),
        ({"result": "left_message"}, "cannot come of"),
        ({"kind": "email_written", "direction": "inbound"}, "always begun by us"),
        ({"with_person": ""}, "Name who of ours"),
        ({"occurred_at": "2199-01-01T10:00"}, "has not happened yet"),
        ({"occurred_at": "1999-01-01T10:00"}, "after 1 January 2000"),
        ({"kind": "purchased"}, "Select a valid choice"),
    ],
)
def test_a_log_form_that_says_too_little_comes_back(world: World, changed: dict[str, str], remark: str) -> None:
    contact = world.prospect()
    sent = {"kind": "call_connected", "occurred_at": "2026-11-01T10:00", "with_person": "Rhea", "note": "Words"}
    answer = signed_in(world.person(Role.MARKETER)).post(f"/contacts/{contact.pk}/log/", {**sent, **changed})
    assert answer.status_code == 422
    assert remark in answer.content.decode()
    assert not Event.objects.filter(contact=contact).exclude(kind__name="demo_requested").exists()


def test_a_rep_logs_only_on_what_is_theirs(world: World) -> None:
    contact = world.prospect()
    client = signed_in(world.person())
    assert "Log activity" not in read(client, f"/contacts/{contact.pk}/")
    read(client, f"/contacts/{contact.pk}/log/", status=403)
    assert Handoff.objects.get(contact=contact).state == HandoffState.OFFERED

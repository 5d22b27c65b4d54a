"""Working off possible duplicates: the list, two side by side, merging by hand, and taking it back."""

import re

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from contacts.enums import JobKind, MergeDecision, Role, SuggestedBy
from contacts.models import Contact, Event, Job, Merge, MergeSuggestion
from contacts.services.jobs import work_off_jobs
from contacts.services.parting import undo_merge
from tests.factories import make_contact, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def person() -> User:
    return make_user(Role.MARKETER)


@pytest.fixture
def client(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def suggest(one: Contact, other: Contact, score: int | None = 80) -> MergeSuggestion:
    one, other = sorted((one, other), key=lambda contact: contact.pk)
    return MergeSuggestion.objects.create(
        contact=one,
        other=other,
        score=score,
        suggested_by=SuggestedBy.MESSAGE if score is None else SuggestedBy.FINDER,
        reason="They look alike",
        evidence=[{"text": "Same phone number", "points": 35}, {"text": "Different countries", "points": -10}],
    )


def pair(name: str = "Ann", **changes: str) -> tuple[Contact, Contact]:
    told = {"first_name": name, "last_name": "Smith", "phone": "0301234567"}
    one = make_contact(email=f"{name}.smith@acme.example".lower(), **told)
    told = {**told, "last_name": "Smyth", **changes}
    return one, make_contact(email=f"{name}@home.example".lower(), **told)


def names_in(page: str) -> list[str]:
    return re.findall(r"data-row-link>([^<]+)</a>", page)


def test_the_surest_comes_first_and_what_is_decided_or_gone_is_not_shown(client: Client) -> None:
    likely, sure, said = pair("Ann"), pair("Bob"), pair("Carl")
    suggest(*likely, score=70)
    suggest(*sure, score=99)
    suggest(*said, score=None)
    gone, decided = pair("Dora"), pair("Eve")
    suggest(*gone)
    Contact.objects.filter(pk=gone[0].pk).update(erased_at=timezone.now())
    done = suggest(*decided)
    MergeSuggestion.objects.filter(pk=done.pk).update(decision=MergeDecision.DISMISSED, decided_at=timezone.now())

    page = client.get("/duplicates/").content.decode()

    assert names_in(page) == ["Carl Smith", "Bob Smith", "Ann Smith"]
    assert "same message" in page
    assert "Same phone number; Different countries" in page


def test_the_list_takes_as_many_queries_for_three_as_for_one(client: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get("/duplicates/").status_code == 200
        return len(captured)

    suggest(*pair("Ann"))
    # The first page of a session remembers that there is one.
    queries()
    one = queries()
    suggest(*pair("Bob"))
    suggest(*pair("Carl"))
    assert queries() == one


def test_two_side_by_side_say_where_they_differ_and_whose_word_stays(client: Client) -> None:
    one, other = pair(phone="+49 30 9999", job_title="Buyer")
    suggestion = suggest(one, other)

    page = client.get(f"/duplicates/{suggestion.pk}/").content.decode()
    found = re.findall(r'<tr( class="is-different")?>\s*<th scope="row">([^<]+)<', page)
    rows = {label: bool(mark) for mark, label in found}

    assert rows["First name"] is False
    assert rows["Last name"] is True
    assert rows["Phone"] is True
    assert rows["Job title"] is False
    # The second contact came in later, so its words count.
    assert re.search(r"<td>\s*Smyth <span[^>]*>later word, stays", page)
    assert "1 event" in page
    assert "80</span>" in page
    assert f'name="winner" value="{one.pk}" data-key="1" checked' in page


def test_merging_keeps_whom_one_chose_and_can_be_undone_from_the_toast(client: Client, person: User) -> None:
    one, other = pair()
    suggestion = suggest(one, other)

    answer = client.post(
        f"/duplicates/{suggestion.pk}/", {"decision": "merge", "winner": str(other.pk), "reason": "Same desk"}
    )
    assert answer.headers["Location"] == "/duplicates/"
    page = client.get("/duplicates/").content.decode()

    merge = Merge.objects.get()
    assert (merge.winner, merge.loser, merge.by, merge.reason) == (other, one, person, "Same desk")
    assert Event.objects.filter(contact=other).count() == 2
    assert "Merged into Ann Smyth." in page
    assert f'action="/merges/{merge.pk}/undo/"' in page
    assert names_in(page) == []

    page = client.post(f"/merges/{merge.pk}/undo/", follow=True).content.decode()
    assert "They are two contacts again" in page
    assert "undone" in page
    one.refresh_from_db()
    assert one.present
    assert Event.objects.filter(contact=one).count() == 1
    # Whoever parted them said that they are two people.
    assert names_in(client.get("/duplicates/").content.decode()) == []


def test_different_people_lead_on_to_the_next_pair(client: Client) -> None:
    first, second = suggest(*pair("Ann"), score=90), suggest(*pair("Bob"), score=80)

    answer = client.post(f"/duplicates/{first.pk}/", {"decision": "different"})

    assert answer.headers["Location"] == f"/duplicates/{second.pk}/"
    first.refresh_from_db()
    assert first.decision == MergeDecision.DISMISSED
    assert Merge.objects.count() == 0


def test_what_somebody_else_decided_meanwhile_is_said(client: Client) -> None:
    suggestion = suggest(*pair())
    client.post(f"/duplicates/{suggestion.pk}/", {"decision": "different"})

    page = client.post(f"/duplicates/{suggestion.pk}/", {"decision": "merge", "winner": "1"}, follow=True)

    assert "Somebody has decided that already" in page.content.decode()
    assert Merge.objects.count() == 0


@pytest.mark.parametrize("winner", ["", "0", "x", "999999"])
def test_nobody_is_merged_into_somebody_else(client: Client, winner: str) -> None:
    suggestion = suggest(*pair())

    page = client.post(f"/duplicates/{suggestion.pk}/", {"decision": "merge", "winner": winner}, follow=True)

    assert "Choose who stays" in page.content.decode()
    assert Merge.objects.count() == 0


def test_the_search_is_ordered_on_the_page_and_its_result_is_said(client: Client) -> None:
    pair(last_name="Smith")
    assert "Nobody has searched for duplicates yet" in client.get("/duplicates/").content.decode()

    client.post("/duplicates/search/")
    job = Job.objects.get(kind=JobKind.FIND_DUPLICATES)
    assert f'hx-get="/duplicates/search/{job.pk}/progress/"' in client.get("/duplicates/").content.decode()
    work_off_jobs()

    page = client.get("/duplicates/").content.decode()
    assert "1 pair compared, 1 suggested" in page
    assert names_in(page) == ["Ann Smith"]
    part = client.get(f"/duplicates/search/{job.pk}/progress/", headers={"HX-Request": "true"})
    assert part["HX-Refresh"] == "true"


@pytest.mark.parametrize("words", ["smyth", "ann@home", "ann@home.example"])
def test_a_contact_is_merged_by_hand_with_one_that_is_looked_for(client: Client, words: str) -> None:
    one, other = pair()

    page = client.get(f"/contacts/{one.pk}/merge/", {"q": words}).content.decode()
    assert names_in(page) == ["Ann Smyth"]
    assert f'href="?with={other.pk}"' in page
    both = client.get(f"/contacts/{one.pk}/merge/", {"with": other.pk}).content.decode()
    assert "What is known of both" in both

    answer = client.post(f"/contacts/{one.pk}/merge/", {"with": other.pk, "winner": one.pk, "reason": ""})
    assert answer.headers["Location"] == f"/contacts/{one.pk}/"
    merge = Merge.objects.get()
    assert (merge.winner, merge.loser) == (one, other)
    # Whoever follows an old link comes to the contact that it became.
    assert client.get(f"/contacts/{other.pk}/merge/").headers["Location"] == f"/contacts/{one.pk}/merge/"
    assert "Merged before" in client.get(f"/contacts/{one.pk}/merge/").content.decode()


def test_a_contact_is_not_merged_with_itself_or_nobody(client: Client) -> None:
    one, _ = pair()

    for other in (one.pk, 999999, "x"):
        page = client.post(f"/contacts/{one.pk}/merge/", {"with": other, "winner": one.pk}, follow=True)
        assert "Choose with whom" in page.content.decode()
    assert client.get("/contacts/999999/merge/").status_code == 404
    assert Merge.objects.count() == 0


def test_the_history_of_one_contact(client: Client, person: User) -> None:
    one, other = pair("Ann")
    client.post(f"/contacts/{one.pk}/merge/", {"with": other.pk, "winner": one.pk})
    third, fourth = pair("Bob")
    client.post(f"/contacts/{third.pk}/merge/", {"with": fourth.pk, "winner": third.pk})
    undo_merge(merge_id=Merge.objects.get(winner=third).pk, by=person, now=timezone.now())

    everything = client.get("/merges/").content.decode()
    of_one = client.get(f"/merges/?contact={one.pk}").content.decode()

    assert everything.count("Became part") == 1
    assert ("Bob Smyth" in everything, "Bob Smyth" in of_one) == (True, False)
    assert everything.count("Undo the merge of") == 1

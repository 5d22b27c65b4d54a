"""The list of contacts as people use it: chips, columns, saved views, and acts on the chosen ones."""

import re
from html import unescape

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from contacts.enums import Role
from contacts.models import Company, Contact, ContactTag, Job, SavedView, Standing, Tag
from contacts.selectors.views import COLUMNS
from tests.contacts.test_contacts_api import stand
from tests.factories import make_contact, make_user
from tests.scoring.test_companies import judge

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(make_user(Role.MARKETER))
    return client


def people(number: int) -> list[Contact]:
    made = [make_contact({"kind": "form_submitted"}, first_name=f"Ann {place}") for place in range(number)]
    judge()
    return made


def text_of(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def test_filters_are_chips_and_what_is_not_understood_says_so(client: Client) -> None:
    people(1)
    shown = text_of(client, "/contacts/?country=Chile&fit_from=much&stage=nowhere&soon=fall")
    assert "Remove filter: Country Chile" in shown
    assert "Fit from “much”: This is not a number of points." in shown
    assert "“nowhere” is no stage in use" in shown
    assert "Judged ahead" in shown
    assert "No contact matches" in shown


@pytest.mark.parametrize(("address", "most"), [("/contacts/", 12), ("/contacts/?sort=fit", 12), ("/companies/", 6)])
def test_a_page_asks_little_however_many_it_shows(
    client: Client, address: str, most: int, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    """Session, person and unread news are three of them; who is shown, with companies, owners and tags, is not more."""
    ann, *_ = people(1)
    client.get(address)
    with django_assert_max_num_queries(most) as one:
        client.get(address)
    tag = Tag.objects.create(name="fair")
    for other in people(5):
        ContactTag.objects.create(contact=other, tag=tag)
        Contact.objects.filter(pk=other.pk).update(company=Company.objects.create(name=f"Firm {other.pk}"))
    Standing.objects.exclude(pk=ann.pk).update(owner=make_user(Role.REP))
    with django_assert_max_num_queries(len(one)):
        shown = text_of(client, address)
    assert shown.count("data-row-link") >= 5


def test_live_tabs_answer_alone_and_not_twice(client: Client) -> None:
    people(2)
    answer = client.get("/contacts/?stage=lead", headers={"X-Ripen-Live": "1"})
    assert b"data-live-part" in answer.content
    assert b"<table" not in answer.content
    again = client.get("/contacts/?stage=lead", headers={"X-Ripen-Live": "1", "If-None-Match": answer["ETag"]})
    assert again.status_code == 304


def test_every_column_says_something_of_somebody_of_whom_little_is_known(client: Client) -> None:
    people(1)
    client.post("/contacts/views/columns/", {"column": list(COLUMNS), "view": ""})
    shown = text_of(client, "/contacts/")
    cells = re.findall(r'<td class="[^"]*(?:only-wide|is-number)?[^"]*">(.*?)</td>', shown, re.DOTALL)
    said = [unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in cells[-len(COLUMNS) :]]
    assert len(said) == len(COLUMNS)
    assert all(said)


def test_columns_are_chosen_and_a_view_is_saved_shared_deleted_and_restored(client: Client) -> None:
    people(1)
    client.post("/contacts/views/columns/", {"column": ["country", "tags"], "view": ""})
    shown = text_of(client, "/contacts/")
    assert '<th scope="col" class="only-wide">Country</th>' in shown
    assert ">Fit<" not in shown.split("<tbody>")[0].split("<thead>")[1]
    answer = client.post("/contacts/views/", {"name": "Leads", "view": "stage=lead&sort=name", "shared": "1"})
    view = SavedView.objects.get()
    assert answer["Location"] == f"/contacts/?stage=lead&sort=name&view={view.pk}"
    other = Client()
    other.force_login(make_user(Role.REP))
    assert "Leads" in text_of(other, "/contacts/")
    assert other.post(f"/contacts/views/{view.pk}/delete/").status_code == 404
    gone = client.post(f"/contacts/views/{view.pk}/delete/", follow=True).content.decode()
    undo = gone.split('action="/contacts/views/restore/')[1].split('"')[0].replace("&amp;", "&")
    client.post(f"/contacts/views/restore/{undo}")
    assert SavedView.objects.get().query == {"stage": "lead", "sort": "name"}


def test_an_act_says_what_it_will_do_does_it_and_can_be_taken_back(client: Client) -> None:
    ann, bob = people(2)
    chosen = {"contact": [ann.pk, bob.pk], "act-tag": "Fair"}
    assert "2 contacts are chosen." in text_of(client, f"/contacts/acts/tag/?contact={ann.pk}&contact={bob.pk}")
    assert client.post("/contacts/acts/tag/", {"contact": [ann.pk]}).status_code == 422
    said = client.post("/contacts/acts/tag/", chosen).content.decode()
    assert "2 contacts get the tag “Fair”. A tag counts for no judgement." in said
    assert not ContactTag.objects.exists()
    told = client.post("/contacts/acts/tag/", {**chosen, "confirm": "1"}, follow=True).content.decode()
    assert "Tag contacts: 2 contacts done." in told
    assert f"/contacts/acts/jobs/{Job.objects.get().pk}/undo/" in told
    assert "?tag=Fair" in told
    client.post(f"/contacts/acts/jobs/{Job.objects.get().pk}/undo/")
    assert not ContactTag.objects.exists()


def test_everybody_in_the_view_is_acted_on_and_who_was_left_is_told(client: Client) -> None:
    ann, *_ = people(3)
    client.post("/contacts/acts/tag/", {"contact": [ann.pk], "act-tag": "Fair", "confirm": "1"})
    given = {"all": "1", "view": "stage=lead", "act-tag": "Fair"}
    assert "3 contacts get the tag" in client.post("/contacts/acts/tag/", given).content.decode()
    answer = client.post("/contacts/acts/tag/", {**given, "confirm": "1"}, follow=True).content.decode()
    assert "2 contacts" in answer
    assert "was so already" in answer
    assert "Ann 0" in answer


def test_reps_see_no_boxes_and_the_export_writes_the_chosen_columns_and_contacts(client: Client) -> None:
    ann, _ = people(2)
    assert "data-bulk-one" in text_of(client, "/contacts/")
    rep = Client()
    rep.force_login(make_user(Role.REP))
    assert "data-bulk-one" not in text_of(rep, "/contacts/")
    assert rep.get(f"/contacts/acts/tag/?contact={ann.pk}").status_code == 403
    answer = client.get(f"/exports/contacts.csv?contact={ann.pk}&columns=stage,tags")
    lines = b"".join(answer).decode("utf-8-sig").splitlines()
    assert lines[0] == "ripen_id,email,first_name,last_name,ripen_stage,ripen_tags"
    assert len(lines) == 2


def test_who_is_chosen_is_named_whole_however_long_the_number(client: Client) -> None:
    contact = Contact.objects.create(pk=1_234_567, first_name="Ann")
    stand(contact)
    box = re.search(r'name="contact" value="([^"]*)"', text_of(client, "/contacts/"))
    assert box
    asked = text_of(client, f"/contacts/acts/tag/?contact={box[1]}")
    sent = re.findall(r'<input type="hidden" name="contact" value="([^"]*)">', asked)
    client.post("/contacts/acts/tag/", {"contact": sent, "act-tag": "Fair", "confirm": "1"})
    assert ContactTag.objects.get().contact == contact
    sent = re.findall(r'name="contact" value="([^"]*)"', text_of(client, f"/contacts/{contact.pk}/"))
    client.post("/contacts/acts/untag/", {"contact": sent[0], "act-tag": "Fair", "confirm": "1", "back": "contact"})
    assert not ContactTag.objects.exists()


def test_the_order_can_be_chosen_above_the_list(client: Client) -> None:
    people(2)
    menu = unescape(text_of(client, "/contacts/?stage=lead").split('class="list-idle"')[1].split("</details>")[0])
    assert "2 of 2" in menu
    assert "<span>Highest engagement first</span>" in menu
    assert 'href="?stage=lead&sort=name">Name, A to Z' in menu
    there = text_of(client, "/contacts/?stage=lead&sort=name&reverse=1")
    assert "<span>Name, Z to A</span>" in there
    assert there.index("Ann 1") < there.index("Ann 0")

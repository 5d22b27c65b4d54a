"""Contact list, timeline, why and definitions as people see them."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
import yaml
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role
from contacts.models import Contact, Event, Standing
from scoring.definition import read_document
from scoring.models import Definition, Transition
from scoring.services.evaluate import drain_due
from tests.factories import make_contact, make_user

pytestmark = pytest.mark.django_db

FITTING: dict[str, Any] = {
    "first_name": "Ann",
    "last_name": "Archer",
    "job_title": "Head of Operations",
    "company": {"name": "Acme", "domain": "acme.example", "industry": "software", "employees": 200},
}


def ago(**passed: float) -> str:
    return (datetime.now(UTC) - timedelta(**passed)).isoformat()


def judged(*events: dict[str, Any], **traits: Any) -> Contact:
    contact = make_contact(*events, **{**FITTING, **traits})
    settle()
    return contact


def settle() -> None:
    while drain_due(now=datetime.now(UTC)):
        pass


@pytest.fixture
def mara() -> User:
    return make_user(Role.MARKETER, first_name="Mara", last_name="Marketer")


@pytest.fixture
def pages(mara: User) -> Client:
    client = Client()
    client.force_login(mara)
    return client


def read(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status
    return unescape(answer.content.decode())


def queries(client: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        read(client, path)
    return len(captured)


class TestContacts:
    def test_lists_by_stage_with_counts_and_links(self, pages: Client) -> None:
        ann = judged({"kind": "newsletter_subscribed"})
        page = read(pages, "/contacts/?stage=lead")
        assert f'href="/contacts/{ann.pk}/"' in page
        assert "Ann Archer" in page
        assert "Head of Operations, Acme" in page
        assert re.search(r'aria-current="page"[^>]*>.*?Lead <span class="count">1<', page, re.DOTALL)
        assert "1 of 1" in page

    def test_searches_and_says_when_nothing_matches(self, pages: Client) -> None:
        judged({"kind": "newsletter_subscribed"})
        assert "Ann Archer" in read(pages, "/contacts/?q=acme")
        page = read(pages, "/contacts/?q=nobody")
        assert "No contact matches" in page
        assert "Remove filter: Search nobody" in page

    def test_next_leads_on_and_keeps_the_filters(self, pages: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        for index in range(51):
            make_contact({"kind": "newsletter_subscribed"}, first_name=f"N{index}")
        settle()
        page = read(pages, "/contacts/?stage=lead&sort=recent")
        following = re.search(r'href="(\?[^"]+)" rel="next"', page)
        assert following is not None
        assert "stage=lead" in following[1]
        rest = read(pages, f"/contacts/{following[1]}")
        assert rest.count("data-row-link") == 1
        assert "First page" in rest

    def test_empty_says_what_to_do(self, pages: Client) -> None:
        assert "No contacts yet" in read(pages, "/contacts/")
        assert "Nobody stands here yet" in read(pages, "/contacts/?stage=customer")

    @pytest.mark.parametrize(
        "query", ["stage=nonsense", "owner=x", "owner=%00", "q=%00", "source=%00", "sort=x", "after=%00", "stage=%00"]
    )
    def test_a_query_that_makes_no_sense_does_not_break_it(self, pages: Client, query: str) -> None:
        judged({"kind": "newsletter_subscribed"})
        read(pages, f"/contacts/?{query}")

    def test_names_are_shown_as_text(self, pages: Client) -> None:
        judged({"kind": "newsletter_subscribed"}, first_name="<script>alert(1)</script>", last_name="")
        assert b"<script>alert" not in pages.get("/contacts/").content

    def test_number_of_queries_does_not_grow(self, pages: Client) -> None:
        judged({"kind": "newsletter_subscribed"})
        read(pages, "/contacts/")
        one = queries(pages, "/contacts/")
        judged({"kind": "demo_requested"})
        judged({"kind": "purchased"}, company={"name": "Other", "domain": "other.example"})
        assert queries(pages, "/contacts/") == one


class TestTimeline:
    def test_interleaves_events_and_changes_of_stage_newest_first(self, pages: Client) -> None:
        ann = judged(
            {"kind": "newsletter_subscribed", "occurred_at": ago(days=10)},
            {"kind": "demo_requested", "occurred_at": ago(days=2)},
        )
        page = read(pages, f"/contacts/{ann.pk}/")
        order = [page.index(text) for text in ("Because it asked for a demo", "<span>Subscribed to")]
        assert order == sorted(order)
        assert page.count("timeline-item is-stage") == Transition.objects.filter(contact=ann).count() == 2

    def test_marked_events_are_struck_through_with_the_reason(self, pages: Client) -> None:
        ann = judged({"kind": "email_clicked", "occurred_at": ago(days=3)})
        Event.objects.filter(contact=ann).update(suspect_reason="scanner")
        page = read(pages, f"/contacts/{ann.pk}/")
        assert "timeline-item is-void" in page
        assert "scanner" in page

    def test_filters_by_kind_and_initiator(self, pages: Client) -> None:
        ann = judged({"kind": "email_sent", "occurred_at": ago(days=5)}, {"kind": "form_submitted"})
        sent, submitted = "<span>Was sent an e-mail</span>", "<span>Submitted a form</span>"
        ours = read(pages, f"/contacts/{ann.pk}/?initiator=us")
        assert (sent in ours, submitted in ours) == (True, False)
        forms = read(pages, f"/contacts/{ann.pk}/?kind=form_submitted")
        assert (sent in forms, submitted in forms) == (False, True)
        assert "Nothing of that sort" in read(pages, f"/contacts/{ann.pk}/?kind=purchased")

    def test_pages_through_a_long_life_without_loss(self, pages: Client) -> None:
        ann = judged(*({"kind": "page_viewed", "occurred_at": ago(hours=hour + 1)} for hour in range(130)))
        path, seen = f"/contacts/{ann.pk}/", 0
        for _ in range(4):
            page = read(pages, path)
            seen += page.count("<span>Viewed a page</span>")
            following = re.search(r'href="(\?[^"]+)" rel="next"', page)
            if following is None:
                break
            path = f"/contacts/{ann.pk}/{following[1]}"
        assert seen == 130

    def test_notes_are_shown_as_text(self, pages: Client) -> None:
        ann = judged({"kind": "form_submitted", "properties": {"note": "<b>bold</b>", "title": "<i>x</i>"}})
        answer = pages.get(f"/contacts/{ann.pk}/").content
        assert b"<b>bold" not in answer
        assert b"<i>x" not in answer

    @pytest.mark.parametrize("query", ["before=x", "before=1_", "before=9e99_1", f"before={'9' * 30}_1", "kind=%00"])
    def test_a_query_that_makes_no_sense_does_not_break_it(self, pages: Client, query: str) -> None:
        ann = judged({"kind": "form_submitted"})
        read(pages, f"/contacts/{ann.pk}/?{query}")

    def test_an_unjudged_contact_says_so(self, pages: Client) -> None:
        assert "Not judged yet" in read(pages, f"/contacts/{make_contact().pk}/")

    @pytest.mark.parametrize("path", ["", "why/", "log/"])
    def test_unknown_is_404_and_merged_away_leads_on(self, pages: Client, path: str) -> None:
        ann, other = judged({"kind": "form_submitted"}), judged({"kind": "form_submitted"})
        Contact.objects.filter(pk=ann.pk).update(merged_into=other)
        read(pages, f"/contacts/999999/{path}", status=404)
        answer = pages.get(f"/contacts/{ann.pk}/{path}")
        assert answer.headers["Location"] == f"/contacts/{other.pk}/{path}"

    def test_number_of_queries_does_not_grow(self, pages: Client) -> None:
        one = judged({"kind": "form_submitted"})
        three = judged(
            {"kind": "form_submitted", "occurred_at": ago(days=9)},
            {"kind": "demo_requested", "occurred_at": ago(days=5)},
            {"kind": "purchased", "occurred_at": ago(days=1)},
        )
        read(pages, f"/contacts/{one.pk}/")
        assert queries(pages, f"/contacts/{one.pk}/") == queries(pages, f"/contacts/{three.pk}/")

    def test_reads_events_by_index_however_many_there_are(self, pages: Client) -> None:
        ann = judged({"kind": "form_submitted"})
        with CaptureQueriesContext(connection) as captured:
            read(pages, f"/contacts/{ann.pk}/")
        asked = [query["sql"] for query in captured if "contacts_event" in query["sql"]]
        assert asked
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            for sql in asked:
                cursor.execute(f"EXPLAIN {sql}")
                plan = "\n".join(line for (line,) in cursor.fetchall())
                assert "Seq Scan on contacts_event" not in plan, plan


class TestWhy:
    def test_begins_with_one_sentence_and_takes_the_score_apart(self, pages: Client) -> None:
        ann = judged({"kind": "demo_requested"}, {"kind": "page_viewed", "occurred_at": ago(days=30)})
        page = read(pages, f"/contacts/{ann.pk}/why/")
        assert re.search(r'why-sentence">Sales prospect since .*asked for a demo', page)
        assert "+0.5" in page
        assert "Do they have the means to buy?" in page
        assert "To become a customer" in page
        assert "If nothing happens" in page
        ledger = page[page.index("Engagement, taken apart</h2>") : page.index("Fit, taken apart</h2>")]
        counted = re.findall(r'<td class="is-number">\+?(−?[\d.,]+)</td>\s*</tr>', ledger.partition("<tfoot>")[0])
        total = re.search(r'<td class="is-number">([\d.,]+)</td></tr></tfoot>', ledger)
        assert total is not None
        assert round(sum(map(float, counted)), 3) == float(total[1])

    def test_the_meter_shows_the_score_of_this_moment_not_the_stored_one(self, pages: Client) -> None:
        ann = judged({"kind": "form_submitted", "occurred_at": ago(days=29, hours=23)})
        Standing.objects.filter(contact=ann).update(engagement_mp=15_000)
        page = read(pages, f"/contacts/{ann.pk}/why/")
        assert 'aria-label="Engagement 7.5 of 30 needed"' in page
        assert 'aria-label="Engagement 15 of 30 needed"' in read(pages, f"/contacts/{ann.pk}/")

    def test_says_what_is_missing_and_only_that(self, pages: Client) -> None:
        ann = judged({"kind": "demo_requested"}, means="no")
        page = read(pages, f"/contacts/{ann.pk}/why/")
        missing = page[page.index("Still missing") : page.index("If nothing happens")]
        assert re.findall(r"<span>([^<]+)</span>", missing) == ['Means not "no"']

    def test_alternatives_stay_below_their_heading(self, pages: Client) -> None:
        ann = judged(*({"kind": "asset_downloaded"} for _ in range(2)))
        page = read(pages, f"/contacts/{ann.pk}/why/")
        missing = page[page.index("Still missing") : page.index("If nothing happens")]
        assert '<span class="criterion-group">Any of these</span>' in missing
        assert "All of these" not in missing

    def test_ticks_and_crosses_are_also_said(self, pages: Client) -> None:
        ann = judged({"kind": "newsletter_subscribed"})
        page = read(pages, f"/contacts/{ann.pk}/why/")
        assert 'aria-label="Met:"' in page
        assert 'aria-label="Not met:"' in page

    def test_answers_for_another_day(self, pages: Client) -> None:
        ann = judged({"kind": "newsletter_subscribed", "occurred_at": ago(days=20)}, {"kind": "demo_requested"})
        day = (datetime.now(UTC) - timedelta(days=10)).date().isoformat()
        page = read(pages, f"/contacts/{ann.pk}/why/?at={day}")
        assert re.search(r'why-sentence">Lead since', page)
        assert "As of" in page

    @pytest.mark.parametrize(
        ("at", "remark"),
        [
            ("2199-01-01", "has not come"),
            ("x", "no date"),
            ("2026-02-31", "no date"),
            ("0001-01-01", "before the year"),
        ],
    )
    def test_a_day_that_cannot_be_shown_says_so(self, pages: Client, at: str, remark: str) -> None:
        ann = judged({"kind": "newsletter_subscribed"})
        assert remark in read(pages, f"/contacts/{ann.pk}/why/?at={at}")

    def test_number_of_queries_does_not_grow(self, pages: Client) -> None:
        one = judged({"kind": "form_submitted"})
        three = judged(
            {"kind": "form_submitted", "occurred_at": ago(days=9)},
            {"kind": "demo_requested", "occurred_at": ago(days=5)},
            {"kind": "purchased", "occurred_at": ago(days=1)},
        )
        read(pages, f"/contacts/{one.pk}/why/")
        assert queries(pages, f"/contacts/{one.pk}/why/") == queries(pages, f"/contacts/{three.pk}/why/")


class TestDefinitions:
    def test_the_one_in_force_comes_first(self, pages: Client) -> None:
        page = read(pages, "/definitions/")
        assert page.index("in force") < page.index("</tr>", page.index("<tbody>"))

    def test_reads_as_plain_language(self, pages: Client) -> None:
        row = Definition.objects.get(key="default", version=1)
        page = read(pages, f"/definitions/{row.pk}/")
        for text in ("Engagement of at least 30", "Fit of at least 20", "Company of 50 to 5,000 employees", "30 days"):
            assert text in page

    def test_the_file_reads_back_as_the_same_definition(self, pages: Client) -> None:
        row = Definition.objects.get(key="default", version=1)
        answer = pages.get(f"/definitions/{row.pk}/definition.yaml")
        assert answer["Content-Disposition"] == 'attachment; filename="default-v1.yaml"'
        assert read_document(yaml.safe_load(answer.content)) == read_document(row.document)

    def test_unknown_is_a_404(self, pages: Client) -> None:
        read(pages, "/definitions/999999/", status=404)
        read(pages, "/definitions/999999/definition.yaml", status=404)

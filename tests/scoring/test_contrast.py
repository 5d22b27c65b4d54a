"""Two contacts side by side: what differs, what decides, and nothing that is not true."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import translation
from django.utils.translation import gettext
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from contacts.models import Contact, Standing
from scoring.selectors import find_definition
from scoring.services.contrast import contrast_contacts
from scoring.services.evaluate import drain_due
from scoring.services.explain import explain_contact
from scoring.wording import KIND_PHRASES
from tests.scoring.facts import FITTING, contact_id_of, incoming, record

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
CLUB = {"job_title": "Consultant", "company": {"name": "Chess Club", "domain": "club.example", "employees": 12}}


def live(name: str, *history: tuple[str, float], **traits: Any) -> int:
    """A contact of this name with what it did so many days ago."""
    email = f"{name.lower()}@acme.example"
    for number, (kind, days) in enumerate(history):
        named = {"with": "Sam"} if kind in ("call_connected", "trade_show_conversation") else {}
        given = {**FITTING, **traits, "first_name": name} if number == 0 else {}
        record(
            incoming(kind, NOW - days * DAY, email=email, traits=given, message_id=f"{name} {number}", **named), at=NOW
        )
    while drain_due(now=NOW):
        pass
    return contact_id_of(email)


def contrast(one: int, two: int, **asked: Any) -> dict[str, Any]:
    return contrast_contacts(contact_id=one, other_id=two, at=NOW, **asked)


def test_the_decisive_difference_in_plain_words() -> None:
    ada = live("Ada", ("newsletter_subscribed", 9), ("demo_requested", 2))
    ben = live("Ben", ("newsletter_subscribed", 9))
    told = "Ada asked for a demo on 28 Feb, Ben did not. If Ben did the same now, it would be a sales prospect."
    assert contrast(ada, ben)["sentence"] == contrast(ben, ada)["sentence"] == told


def test_german_keeps_the_capitals_of_its_nouns_and_its_own_order() -> None:
    ada = live("Ada", ("newsletter_subscribed", 9), ("demo_requested", 2))
    ben = live("Ben", ("newsletter_subscribed", 9))
    cyd = live("Cyd", ("newsletter_subscribed", 9), ("demo_requested", 2), authority="no")
    with translation.override("de"):
        deed = gettext("asked for a demo")
        assert deed == "hat um eine Demo gebeten"
        said = contrast(ada, ben)["sentence"]
        assert said.startswith(f"Ada {deed} (")
        assert "), Ben nicht. " in said
        assert "Sales prospect" in said
        assert "Authority" in contrast(ada, cyd)["sentence"]
        # Answers that are words of ours are words of the reader's language, in conditions too.
        assert "Authority nicht „nein“: Ada ja, Cyd nein." in contrast(ada, cyd)["sentence"]
        assert f": {deed} (" in explain_contact(contact_id=ada, at=NOW)["sentence"]


@pytest.mark.parametrize(
    ("ada", "ben", "sentence"),
    [
        (
            ([("demo_requested", 2)], {}),
            ([("demo_requested", 2)], {"authority": "no"}),
            'authority not "no": Ada yes, Ben no. If the same held for Ben, it would be a sales prospect.',
        ),
        (
            ([("demo_requested", 2)], {}),
            ([("demo_requested", 2)], CLUB),
            "Ada has fit 30 of 20 needed, Ben 0. If the same held for Ben, it would be a sales prospect.",
        ),
        (
            ([("purchased", 2)], {}),
            ([("newsletter_subscribed", 2)], {}),
            "Ada bought on 28 Feb, Ben did not. If Ben did the same now, it would be a customer.",
        ),
        (
            ([("form_submitted", 1), ("form_submitted", 2), ("newsletter_subscribed", 1)], {}),
            ([("newsletter_subscribed", 1)], {}),
            (
                "Ada has engagement 38.8 of 30 needed, Ben 9.8. For Ben to become a marketing prospect: it would be "
                "enough that it asked about the product."
            ),
        ),
        (
            ([("demo_requested", 2)], {}),
            ([("demo_requested", 70)], {}),
            (
                "Ada asked for a demo on 28 Feb, Ben has nothing of the kind that still counts (last on 22 Dec 2025). "
                "If Ben did the same now, it would be a sales prospect."
            ),
        ),
        (
            ([("demo_requested", 40)], {}),
            ([("newsletter_subscribed", 40)], {}),
            (
                "Ada is kept as a sales prospect: Ada asked for a demo on 21 Jan, Ben did not. "
                "If Ben did the same now, it would be a sales prospect."
            ),
        ),
        (
            ([("newsletter_subscribed", 2)], {}),
            ([("asset_downloaded", 9)], {}),
            "Both stand at Lead; no criterion puts one further than the other.",
        ),
        (
            ([("demo_requested", 2)], {}),
            ([("demo_requested", 50)], {}),
            "Both stand at Sales prospect: Ada meets what entering asks for, Ben only what staying asks for.",
        ),
    ],
)
def test_the_first_sentence_fits_the_difference(ada: Any, ben: Any, sentence: str) -> None:
    assert contrast(live("Ada", *ada[0], **ada[1]), live("Ben", *ben[0], **ben[1]))["sentence"] == sentence


def test_only_what_differs_is_listed_and_the_columns_add_up() -> None:
    ada = live("Ada", ("page_viewed", 1), ("demo_requested", 2))
    ben = live("Ben", *[("page_viewed", 1 + number / 10) for number in range(15)], job_title="Student")
    found = contrast(ada, ben)
    for name, pk in (("contact", ada), ("other", ben)):
        why = explain_contact(contact_id=pk, at=NOW)
        assert found[name]["stage"] == why["stage"]
        assert found[name]["sentence"] == why["sentence"]
        assert round(sum(row[name]["points"] for row in found["signals"]), 3) == why["scores"]["engagement"]
    assert all(row["contact"]["met"] != row["other"]["met"] for row in found["criteria"])
    assert {row["stage"] for row in found["criteria"]} >= {"sales_prospect", "lead"}
    (views,) = [row for row in found["signals"] if row["rule"] == "page_view" or row["label"] == "Page view"][:1]
    assert (views["contact"]["events"], views["other"]["events"]) == (1, 15)
    assert [row["cap"] for row in found["signals"]][-1] is True
    assert {row["label"]: (row["contact"]["value"], row["other"]["value"]) for row in found["fit"]} == {
        "Leading job title": ("Head of Operations", "Student"),
        "Student or intern": ("Head of Operations", "Student"),
    }


def test_another_definition_and_another_moment() -> None:
    ada, ben = live("Ada", ("email_clicked", 2)), live("Ben", ("newsletter_subscribed", 2))
    found = contrast(ada, ben, definition=find_definition("reaction"))
    assert found["definition"] == "reaction@1"
    assert found["sentence"].startswith("Ada clicked in an e-mail on 28 Feb, Ben did not. If Ben did the same now")
    before = contrast_contacts(contact_id=ada, other_id=ben, at=NOW - 5 * DAY)
    assert before["sentence"] == "Nothing was known yet of Ada and Ben."
    assert before["contact"]["known"] is False


def test_namesakes_are_told_apart_and_names_stay_as_they_are() -> None:
    ada, other = live("Ada", ("demo_requested", 2)), live("Ada2", ("newsletter_subscribed", 2))
    Contact.objects.update(first_name="<b>Ada</b>")
    sentence = contrast(ada, other)["sentence"]
    assert sentence.startswith(f"<b>Ada</b> ({ada}) asked for a demo on 28 Feb, <b>Ada</b> ({other}) did not.")


def test_who_is_gone_is_not_found_and_oneself_is_oneself() -> None:
    ada, ben = live("Ada", ("demo_requested", 2)), live("Ben", ("newsletter_subscribed", 2))
    assert contrast(ada, ada)["sentence"] == "This is one contact."
    Contact.objects.filter(pk=ben).update(merged_into=ada)
    for other in (ben, 999_999_999):
        with pytest.raises(Contact.DoesNotExist):
            contrast(ada, other)


def test_the_number_of_queries_is_fixed() -> None:
    def queries(one: int, two: int) -> int:
        with CaptureQueriesContext(connection) as captured:
            contrast(one, two)
        return len(captured)

    few = queries(live("Ada", ("demo_requested", 2)), live("Ben", ("newsletter_subscribed", 2)))
    many = queries(
        live("Cyd", *[("page_viewed", number) for number in range(1, 30)], ("demo_requested", 2)),
        live("Dan", ("newsletter_subscribed", 2), ("purchased", 1), ("email_clicked", 3)),
    )
    assert few == many


KIND = st.sampled_from(
    ["newsletter_subscribed", "form_submitted", "social_question", "demo_requested", "call_connected", "purchased",
     "list_imported", "page_viewed", "email_clicked", "handoff_returned"]
)  # fmt: skip
LIFE = st.lists(st.tuples(KIND, st.sampled_from([1, 2, 20, 45, 70, 100])), min_size=1, max_size=5)


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@example(ada=[("page_viewed", 1)], ben=[("newsletter_subscribed", 70), ("social_question", 70)], traits={})
@given(ada=LIFE, ben=LIFE, traits=st.sampled_from([{}, {"means": "no"}, CLUB]))
def test_did_the_same_is_only_said_where_doing_it_really_does(ada: Any, ben: Any, traits: dict[str, Any]) -> None:
    with transaction.atomic():
        one = live("Ada", *sorted(ada, key=lambda item: -item[1]))
        two = live("Ben", *sorted(ben, key=lambda item: -item[1]), **traits)
        told, _, wish = contrast(one, two)["sentence"].partition(". If ")
        phrases = [phrase for phrase in KIND_PHRASES.values() if f" {phrase} on " in told]
        if " did the same now" in wish and len(phrases) == 1:
            kind = next(kind for kind, phrase in KIND_PHRASES.items() if phrase == phrases[0])
            name = wish.split()[0]
            named: dict[str, Any] = {"with": "Sam"} if kind == "call_connected" else {}
            record(incoming(kind, NOW, email=f"{name.lower()}@acme.example", **named), at=NOW)
            while drain_due(now=NOW):
                pass
            reached = Standing.objects.get(contact_id={"Ada": one, "Ben": two}[name]).stage
            assert f"it would be a {reached.replace('_', ' ')}." in wish
        transaction.set_rollback(True)

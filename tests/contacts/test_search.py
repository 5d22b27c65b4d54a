"""Finding contacts: words in any order, whatever their case and accents; who is spelt otherwise only where need be."""

from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from contacts.models import Contact, Standing
from contacts.selectors.folding import fold_plain, fold_texts, folded
from contacts.selectors.misspelling import likely_meant, one_letter_off, word_distance
from contacts.selectors.search import find_best, matches_of, search_candidates
from tests.factories import make_event, record

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
STAGES = ("audience", "lead", "customer")


def known(first: str, last: str, email: str, *, company: str = "", stage: str = "", days: float = 0) -> Contact:
    """A contact as an event with traits leaves it; with ``stage`` judged, and seen so many days ago."""
    traits = {"first_name": first, "last_name": last} | ({"company": {"name": company}} if company else {})
    record(make_event("list_imported", contact={"email": email}, traits=traits))
    contact = Contact.objects.get(email=email)
    if stage:
        at = NOW - timedelta(days=days)
        Standing.objects.create(
            contact=contact, stage=stage, furthest_stage=stage, stage_since=at, engagement_mp=0, fit_mp=0,
            last_activity_at=at, evaluated_at=at,
        )  # fmt: skip
    return contact


def found(text: str) -> list[int]:
    return sorted(search_candidates(text)[0])


def best(text: str, limit: int = 10) -> list[tuple[str, bool]]:
    return [(hit.contact.display_name, hit.similar) for hit in find_best(text, limit=limit, stages=STAGES).rows]


@pytest.mark.parametrize(
    "text",
    [
        "müller",
        "MULLER",
        "mul",
        "zoë mül",
        "mull zoe",
        "zoe.mueller@",
        "zoe.mueller@acme.example",
        "acme",
        "globex zoe",
    ],
)
def test_finds_by_words_of_name_address_and_company_in_any_order(text: str) -> None:
    zoe = known("Zoë", "Müller", "zoe.mueller@acme.example", company="Globex Société")
    known("Bob", "Stone", "bob@stone.example")
    assert found(text) == [zoe.pk]


def test_accents_of_companies_fold_and_apostrophes_join() -> None:
    pat = known("Pat", "O\N{RIGHT SINGLE QUOTATION MARK}Brien", "pat@x.example", company="Société Générale")
    for text in ("obrien", "o'brien", "societe gen", "SOCIÉTÉ"):
        assert found(text) == [pat.pk], text


def test_signs_of_patterns_are_no_patterns_and_nothing_typed_finds_nobody() -> None:
    known("Ann", "Lee", "ann@acme.example")
    for text in ("%", "_", "a_n", "%%%", "\0", "   ", "\\", "'; --"):
        assert found(text) == [], text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("jhon smtih", "John Smith"),
        ("mülller", "Eva Müller"),
        ("smoth", "John Smith"),
        ("abernaty", "Kai Abernathy"),
        ("kai abernatty", "Kai Abernathy"),
        ("gracia", "Ida Garcia"),
    ],
)
def test_finds_who_is_spelt_otherwise_and_says_so(text: str, name: str) -> None:
    known("John", "Smith", "js@one.example")
    known("Eva", "Müller", "em@two.example")
    known("Kai", "Abernathy", "ka@three.example")
    known("Ida", "Garcia", "ig@four.example")
    assert best(text) == [(name, True)]


def test_looks_within_words_and_for_other_spellings_only_where_nobody_is_spelt_so() -> None:
    ann = known("Ann", "Lee", "ann@one.example")
    hannah = known("Hannah", "Kerr", "hk@two.example")
    smith = known("John", "Smith", "js@three.example")
    known("Joan", "Smyth", "jy@four.example")
    assert found("ann") == [ann.pk]
    assert found("nna") == [hannah.pk]
    assert found("smith") == [smith.pk]
    assert best("smith") == [("John Smith", False), ("Joan Smyth", True)]


def test_the_name_comes_first_then_the_later_stage_then_who_was_seen_last() -> None:
    known("Annabel", "West", "aw@a.example", stage="customer")
    known("Ann", "Old", "ao@b.example", stage="lead", days=9)
    known("Ann", "New", "an@c.example", stage="lead", days=1)
    known("Ann", "Buyer", "ab@d.example", stage="customer", days=90)
    known("Kim", "Ann", "ka@e.example", stage="customer")
    known("Ann", "Nobody", "nn@f.example")
    assert [name for name, _ in best("ann")] == [
        "Ann Buyer", "Ann New", "Ann Old", "Ann Nobody", "Kim Ann", "Annabel West",
    ]  # fmt: skip


def test_an_address_finds_its_contact_even_where_it_is_not_the_one_shown() -> None:
    ann = known("Ann", "Lee", "ann@one.example")
    ann.identities.create(kind="email", value="old@two.example")
    assert best("old@two.example") == [("Ann Lee", False)]
    assert best(str(ann.pk)) == [("Ann Lee", False)]


def test_of_many_the_best_known_are_looked_at_and_more_is_said() -> None:
    people = [known("Tim", f"N{place}", f"tim{place}@x.example", stage="audience", days=place) for place in range(9)]
    buyer = known("Tim", "Buyer", "tb@x.example", stage="customer", days=500)
    ids, capped = search_candidates("tim", 4)
    assert (len(ids), capped) == (4, True)
    assert {people[0].pk, buyer.pk} <= set(ids)
    hits = find_best("tim", limit=2, stages=STAGES)
    assert ([hit.contact.pk for hit in hits.rows], hits.more) == ([buyer.pk, people[0].pk], True)


def test_nobody_finds_who_was_merged_away_or_erased() -> None:
    ann = known("Ann", "Lee", "ann@one.example")
    other = known("Ann", "Other", "ann@two.example")
    Contact.objects.filter(pk=other.pk).update(merged_into=ann.pk)
    assert found("ann") == [ann.pk]
    assert best("other") == []


def test_a_condition_means_the_same_as_the_candidates() -> None:
    known("John", "Smith", "js@one.example")
    known("Eva", "Müller", "em@two.example")
    known("Hannah", "Kerr", "hk@three.example")
    for text in ("smi", "nna", "mülller", "zzz", "eva two"):
        assert sorted(Contact.objects.filter(matches_of(text)).values_list("pk", flat=True)) == found(text), text
    assert Contact.objects.filter(matches_of("")).count() == 3


@pytest.mark.parametrize("text", ["ann", "müller lee", "jhon smtih"])
def test_the_number_of_queries_does_not_depend_on_how_many_are_found(text: str) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            find_best(text, limit=5, stages=STAGES)
        return len(captured)

    def another(place: int) -> None:
        known("Ann", "Müller Lee", f"a{place}@x.example", stage="lead")
        known("John", "Smith", f"j{place}@x.example", stage="lead")

    for place in range(5):
        another(place)
    first = queries()
    for place in range(5, 7):
        another(place)
    assert queries() == first <= 16


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40))
def test_the_database_and_python_fold_alike(text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {folded('%s::text')}", [text])
        (expected,) = cursor.fetchone()
        assert fold_texts(cursor, [text]) == [expected]
    if text.isascii():
        assert fold_plain(text) == expected


@given(st.text(alphabet="abcdefgh", min_size=4, max_size=9), st.data())
@settings(max_examples=50)
def test_one_slip_of_the_finger_is_always_among_what_may_have_been_meant(word: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(word) - 2))
    swapped = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    doubled = word[:place] + word[place] + word[place:]
    assert word in likely_meant(swapped)
    assert word in likely_meant(doubled)
    missing = word[: place + 1] + word[place + 2 :]
    patterns = one_letter_off(missing)
    assert any(len(one) == len(word) and all(a in ("_", b) for a, b in zip(one, word, strict=True)) for one in patterns)
    assert word_distance(word, word + "xyz") == 0


def test_an_upgrade_folds_what_is_stored_and_leaves_the_rest_alone() -> None:
    migration = import_module("contacts.migrations.0012_search")
    zoe = known("Zoë", "O'Müller", "zoe@acme.example", company="Globex Société")
    right = zoe.search_text
    bare = Contact.objects.create()
    Contact.objects.filter(pk=zoe.pk).update(search_text="zoë o'müller zoe@acme.example globex société")

    class Editor:
        connection = connection

    migration.fold_search_texts(None, Editor())
    zoe.refresh_from_db()
    bare.refresh_from_db()
    assert (zoe.search_text, bare.search_text) == (right, "")

"""Which two contacts look like one person, and which only nearly."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts.matching import SUGGESTED_FROM, Person, compare, fold, is_typo, mailbox

ANN: dict[str, Any] = {"first_name": "Ann", "last_name": "Smith", "email": "ann.smith@acme.example", "company": 1}


def likeness(one: dict[str, Any], other: dict[str, Any]) -> int:
    return compare(Person(id=1, **one), Person(id=2, **other)).score


@pytest.mark.parametrize(
    "other",
    [
        {**ANN, "email": "ann.smith@gmail.com", "company": None},
        {**ANN, "email": "ann.smiht@acme.example"},
        {**ANN, "email": "asmith@acme.example"},
        {**ANN, "first_name": "A.", "email": "a.smith@acme.example"},
        {**ANN, "first_name": "Smith", "last_name": "Ann", "email": ""},
        {"email": "ann.smith+news@acme.example"},
        {"email": "ann.smith@acme.exmaple"},
    ],
)
def test_one_person_twice(other: dict[str, Any]) -> None:
    assert likeness(ANN, other) >= SUGGESTED_FROM


@pytest.mark.parametrize(
    "other",
    [
        {**ANN, "email": "ann.smith@other.example", "company": 2},
        {**ANN, "first_name": "Bob", "email": "bob.smith@acme.example"},
        {**ANN, "last_name": "Jones", "email": "ann.jones@acme.example"},
        {**ANN, "first_name": "Anne", "last_name": "Smythe", "email": "anne@acme.example"},
        {"first_name": "Ann", "last_name": "Smith"},
        {"email": "bob@acme.example", "company": 1},
        {},
    ],
)
def test_two_people_or_too_little_to_say(other: dict[str, Any]) -> None:
    assert likeness(ANN, other) < SUGGESTED_FROM


@pytest.mark.parametrize(("one", "other"), [("Jan", "Jana"), ("Andrea", "Andreas"), ("Daniel", "Daniela")])
def test_names_that_differ_in_their_ending_are_two_names(one: str, other: str) -> None:
    both = [
        {
            "first_name": name,
            "last_name": "Koch",
            "email": f"{name}.koch@acme.example".lower(),
            "company": 1,
            "phone": "030 1234567",
        }
        for name in (one, other)
    ]

    assert likeness(*both) < SUGGESTED_FROM


def test_a_shared_mailbox_speaks_against_it() -> None:
    assert likeness({"email": "info@acme.example", "company": 1}, {"email": "info@acme.example", "company": 1}) == 0


def test_the_evidence_adds_up_and_names_nobody() -> None:
    found = compare(
        Person(id=1, **ANN, phone="+49 30 1234567"), Person(id=2, **{**ANN, "email": ""}, phone="030/1234567")
    )

    assert [(item.text, item.points) for item in found.evidence] == [
        ("Same name", 40),
        ("Same phone number", 35),
        ("Same company", 25),
    ]
    assert found.score == 100
    assert "Ann" not in str(found)


@given(
    st.builds(
        Person,
        id=st.just(1),
        first_name=st.sampled_from(["", "Ann", "A.", "Bob", "Müller"]),
        last_name=st.sampled_from(["", "Smith", "Smyth", "Müller"]),
        email=st.sampled_from(["", "ann@x.example", "ann+1@x.example", "info@x.example", "@", "a"]),
        phone=st.sampled_from(["", "030 1234567", "+49 30 1234567", "x"]),
        company=st.sampled_from([None, 1, 2]),
    ),
    st.builds(
        Person, id=st.just(2), first_name=st.text(max_size=5), email=st.text(max_size=8), phone=st.text(max_size=8)
    ),
)
def test_likeness_is_the_same_both_ways(one: Person, other: Person) -> None:
    assert compare(one, other).score == compare(other, one).score
    assert 0 <= compare(one, other).score <= 100


@pytest.mark.parametrize(
    ("one", "other", "slip"),
    [
        ("smith", "smiht", True),
        ("smith", "smth", True),
        ("smith", "smith", False),
        ("smith", "smythe", False),
        ("user1", "user2", False),
        ("user", "user1", False),
        ("ann", "amn", False),
    ],
)
def test_slips_of_the_fingers(one: str, other: str, slip: bool) -> None:
    assert is_typo(one, other) is slip


def test_names_and_mailboxes_are_compared_without_what_does_not_matter() -> None:
    assert fold("Dr. Björn Müller-Lüdenscheidt") == "bjorn muller ludenscheidt"
    assert mailbox("A.nn+x@GoogleMail.com") == ("ann", "gmail.com")
    assert mailbox("a.nn+x@acme.example") == ("a.nn", "acme.example")

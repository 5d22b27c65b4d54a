"""What a match asks of an event, answered by PostgreSQL and RE2, is what its words say."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from contacts.models import Event, Source
from contacts.services.record import record_events
from scoring.definition import Match, PropertyTest
from scoring.engine.properties import meets_property
from scoring.matching import load_kinds, matching_events, property_value
from tests.scoring.facts import incoming, record

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
NAMES = ["plan", "a__b", "it's", 'say "x"', "100%", "%s", "a.b", "0", "-1", "$x", "x y", "größe", "{}", "", "a\\b"]


def kind_ids(*names: str) -> list[int]:
    return [kind.id for kind in load_kinds() if kind.name in names]


def found(match: Match, *kinds: str) -> set[str]:
    events = matching_events(Event.objects.all(), kind_ids(*(kinds or ("page_viewed",))), match)
    return set(events.values_list("message_id", flat=True))


VALUES: dict[str, Any] = {
    "text": "Pro plan",
    "number text": " 12.5 ",
    "exponent": "1e2",
    "number": 12.5,
    "whole": 12,
    "big": 2**62,
    "true": True,
    "false": False,
    "null": None,
    "blank": "  ",
    "empty": "",
    "list": ["Pro", "12"],
    "object": {"plan": 12},
    "words": "twelve",
    "infinity": "Infinity",
    "nan": "nan",
    "underscore": "1_000",
    "long number": "9" * 400,
    "huge exponent": "1e999999999",
}


@pytest.fixture
def _events() -> None:
    record(*[incoming("page_viewed", NOW, message_id=name, plan=value) for name, value in VALUES.items()])
    record(incoming("page_viewed", NOW, message_id="missing"))


@pytest.mark.usefixtures("_events")
@pytest.mark.parametrize(
    ("test", "expected"),
    [
        (PropertyTest(equals="Pro plan"), {"text"}),
        (PropertyTest(equals="pro plan"), set()),
        (PropertyTest(equals=12), {"whole"}),
        (PropertyTest(equals=12.5), {"number"}),
        (PropertyTest(equals=True), {"true"}),
        (PropertyTest(equals=False), {"false"}),
        (PropertyTest(one_of=("Pro plan", 12, True)), {"text", "whole", "true"}),
        (PropertyTest(prefix="Pro"), {"text"}),
        (PropertyTest(prefix="pro"), set()),
        (PropertyTest(prefix="12"), {"number", "whole"}),
        (PropertyTest(contains="plan"), {"text"}),
        (PropertyTest(contains="%"), set()),
        (PropertyTest(contains="_"), {"underscore"}),
        (PropertyTest(at_least=12), {"number text", "exponent", "number", "whole", "big", "long number"}),
        (PropertyTest(at_most=12), {"whole"}),
        (PropertyTest(at_least=12, at_most=12.5), {"number text", "number", "whole"}),
        (PropertyTest(pattern="^[Pp]ro"), {"text"}),
        (PropertyTest(pattern=r"^\d+$"), {"whole", "big", "long number"}),
        (PropertyTest(pattern="(?i)PLAN$"), {"text"}),
        (PropertyTest(pattern="^true$"), {"true"}),
        (PropertyTest(present=False), {"null", "blank", "empty", "missing"}),
        (PropertyTest(present=True), {*VALUES} - {"null", "blank", "empty"}),
    ],
)  # fmt: skip
def test_a_property_test_finds_what_it_says(test: PropertyTest, expected: set[str]) -> None:
    assert found(Match(kinds=("page_viewed",), properties={"plan": test})) == expected
    for name, value in {**VALUES, "missing": None}.items():
        assert meets_property(test, value) == (name in expected), name


@pytest.mark.parametrize("name", [name for name in NAMES if name])
def test_odd_property_names_are_names_like_any_other(name: str) -> None:
    event = incoming("page_viewed", NOW, message_id="it")
    event.properties[name] = "Pro 7"
    record(event, incoming("page_viewed", NOW, message_id="other"))
    for test in (
        PropertyTest(present=True),
        PropertyTest(equals="Pro 7"),
        PropertyTest(prefix="Pro"),
        PropertyTest(contains="7"),
        PropertyTest(pattern=r"^Pro \d$"),
    ):
        assert found(Match(properties={name: test})) == {"it"}
    event = incoming("page_viewed", NOW, message_id="number")
    event.properties[name] = 7
    record(event)
    assert found(Match(properties={name: PropertyTest(at_least=7, at_most=7)})) == {"number"}
    values = Event.objects.order_by("message_id").values_list("message_id", property_value(name))
    by_message = dict(values)
    assert len(set(by_message.values())) == 3


def test_channels_and_sources_are_those_the_event_came_through() -> None:
    shop = Source.objects.create(name="The shop's 100% own")
    events = [incoming("page_viewed", NOW, message_id=f"{channel} {n}") for n, channel in enumerate(("ads", "mail"))]
    for event, channel in zip(events, ("ads", "mail"), strict=True):
        event.channel = channel
    record(*events)
    theirs = incoming("page_viewed", NOW, message_id="shop")
    record_events(source=shop, events=[theirs], received_at=NOW)
    assert found(Match(channels=("ads",))) == {"ads 0"}
    assert found(Match(channels=("ads", "mail"))) == {"ads 0", "mail 1"}
    assert found(Match(sources=("The shop's 100% own",))) == {"shop"}
    assert found(Match(sources=("nobody",))) == set()
    assert found(Match(channels=("ads",), properties={"x": PropertyTest(present=True)})) == set()


TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), max_size=12)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**62), 2**62),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    TEXTS,
    st.floats(-1e6, 1e6).map(str),
    st.integers(-20, 20).map(str),
    st.lists(st.integers(0, 3), max_size=2),
)
TESTS = st.one_of(
    st.one_of(TEXTS, st.integers(-20, 20), st.booleans(), st.floats(-20, 20)).map(lambda v: PropertyTest(equals=v)),
    TEXTS.filter(bool).map(lambda v: PropertyTest(prefix=v)),
    TEXTS.filter(bool).map(lambda v: PropertyTest(contains=v)),
    st.floats(-1e3, 1e3).map(lambda v: PropertyTest(at_least=v)),
    st.integers(-20, 20).map(lambda v: PropertyTest(at_most=v)),
    TEXTS.map(lambda v: PropertyTest(pattern=re.escape(v)[:100].replace("\\\n", ""))),
)


@settings(max_examples=60)
@given(values=st.lists(SCALARS, min_size=1, max_size=6), tests=st.lists(TESTS, min_size=1, max_size=5))
def test_the_database_and_python_agree(values: list[Any], tests: list[PropertyTest]) -> None:
    with transaction.atomic():
        record(*[incoming("page_viewed", NOW, message_id=str(n), x=value) for n, value in enumerate(values)])
        for test in tests:
            expected = {str(n) for n, value in enumerate(values) if meets_property(test, value)}
            assert found(Match(kinds=("page_viewed",), properties={"x": test})) == expected
        transaction.set_rollback(True)

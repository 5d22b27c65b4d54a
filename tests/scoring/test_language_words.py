"""Every construct in plain words."""

import pytest

from scoring.definition import (
    AttributeTest,
    Counting,
    Criterion,
    Gate,
    Group,
    Match,
    PropertyTest,
    Signal,
    Threshold,
    read_document,
    to_builtins,
)
from scoring.step_words import step_sentence
from scoring.wording import (
    describe,
    describe_counting,
    describe_group,
    describe_match,
    describe_signal,
    describe_test,
    points,
)
from tests.scoring.worlds import default_document


@pytest.mark.parametrize(
    ("match", "words"),
    [
        (Match(kinds=("demo_requested", "pricing_requested")), "asked for a demo or asked for a price"),
        (Match(initiator="them", reach="one", two_way=False), "begun by them, one-to-one, one-way"),
        (
            Match(channels=("ads", "mail"), sources=("shop",)),
            "through the channel ads or mail, through the source shop",
        ),
        (Match(properties={"with": PropertyTest(present=True)}), "with is named"),
        (Match(properties={"page": PropertyTest(prefix="/a")}), 'page begins with "/a"'),
        (Match(properties={"page": PropertyTest(contains="a")}), 'page contains "a"'),
        (Match(properties={"page": PropertyTest(pattern="^a")}), "page fits the pattern ^a"),
        (Match(properties={"amount": PropertyTest(at_least=5, at_most=1e6)}), "amount from 5 to 1000000"),
        (Match(properties={"plan": PropertyTest(one_of=("a", 2, True))}), "plan is one of a, 2, true"),
        (Match(properties={"plan": PropertyTest(equals=False)}), "plan is false"),
    ],
)
def test_matches(match: Match, words: str) -> None:
    assert describe_match(match) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (Counting(), "every one"),
        (Counting(once=True), "the first"),
        (Counting(once_per="asset"), "the first for each asset"),
        (Counting(latest=1), "the latest"),
        (Counting(latest=3), "the latest 3"),
        (Counting(at_most=2, within_days=1), "at most 2 a day"),
        (Counting(at_most=2, within_days=7), "at most 2 in every 7 days"),
    ],
)
def test_countings(count: Counting, words: str) -> None:
    assert describe_counting(count) == words


def test_signals_and_groups() -> None:
    signal = Signal(key="x", label="X", match=Match(two_way=True), points=-1.0, half_life_days=0.0)
    assert describe_signal(signal) == "-1 point, never fading, every one"
    assert (
        describe_group(Group(key="x", label="Web", cap=10.0, floor_at_zero=True)) == "Web, at most 10, never below zero"
    )
    assert describe_group(Group(key="x", label="Web")) == "Web"
    assert points(1_250) == "1.2"


def test_criteria() -> None:
    document = default_document()
    assert describe(Criterion(likelihood=Threshold(at_least=0.3)), document) == "a likelihood of at least 30 %"
    assert describe_test(AttributeTest(name="attributes.tier", known=True)) == "tier is known"
    assert describe_test(AttributeTest(name="company.industry", known=False)) == "company industry is not known"
    data = to_builtins(document)
    data["gates"] = [
        to_builtins_of(Gate(key="means", label="Opt-out", attribute="attributes.out", closed_when=True, question="?"))
    ]
    data["gates"] += to_builtins(document)["gates"][1:]
    assert describe(Criterion(gate="means"), read_document(data)) == "opt-out not true"


def to_builtins_of(gate: Gate) -> dict[str, object]:
    return {name: getattr(gate, name) for name in ("key", "label", "attribute", "closed_when", "question")}


def test_steps() -> None:
    events: list[tuple[str, dict[str, object], int]] = [
        ("page_viewed", {"page": "/pricing", "seconds": 5}, 2),
        ("email_replied", {"with": "example"}, 1),
    ]
    assert step_sentence(events, {"job_title": "known", "means": "yes", "details_confirmed": True}) == (
        'It would be enough that it viewed a page (page "/pricing", seconds 5) 2 times and it answered an e-mail '
        'and its job title were known and its means were "yes" and its details were confirmed.'
    )

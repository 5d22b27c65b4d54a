"""Every construct of the language: what is sound is taken, what is not names its place and the fix."""

import json
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, Phase, given, settings

from scoring.definition import DefinitionDocument, DefinitionError, read_document, to_builtins
from tests.scoring.languages import documents
from tests.scoring.test_definition import changed
from tests.scoring.worlds import default_document

HUGE = 10**400
DEEP: dict[str, Any] = {"count": {"of": "interest"}}
for _ in range(12):
    DEEP = {"not": DEEP}


def problems_of(path: list[Any], value: object, **known: frozenset[str]) -> list[str]:
    try:
        read_document(changed(path, value), **known)
    except DefinitionError as error:
        return [str(problem) for problem in error.problems]
    return []


MATCH = ["signals", 0, "match"]
PROPERTY = [*MATCH, "properties"]
COUNT = ["signals", 3, "count"]
LEARNED = ["learned"]


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (["key"], "", "key is empty; a key is up to 64 letters"),
        (["key"], "a key", "key is no key: a key is up to 64 letters"),
        (["key"], "a@1", "key is no key"),
        (["key"], "k" * 65, "key is no key"),
        (["name"], " ", "name is empty; say it in a few words"),
        (["name"], "n" * 201, "name is longer than 200 characters; shorten it"),
        (["name"], None, "name must be text; it is nothing"),
        (["name"], "a\x00b", "name holds a NUL character; remove it"),
        (["name"], "a\ud800", "name holds half of a character (a lone surrogate); remove it"),
        (["description"], "x" * 2_001, "description is longer than 2,000 characters; shorten it"),
        (["aproval"], ["sales"], "aproval is an unknown field; did you mean 'approval'?"),
        (["signals", 0, "zzz"], 1, "signals[0].zzz is an unknown field; remove it, or use one of key, label, match"),
        (["signals", 0, "match"], None, "signals[0].match must be a mapping of fields to values; it is nothing"),
        (["signals", 0], {}, "signals[0].key is missing; add it"),
        (["signals"], {}, "signals must be a list; it is a mapping"),
        (["signals"], [{}] * 60_000, "definition holds more than 50,000 values; use fewer"),
        (["signals", 0, "points"], float("nan"), "signals[0].points must be a finite number"),
        (["signals", 0, "points"], float("inf"), "signals[0].points must be a finite number"),
        (["signals", 0, "points"], HUGE, "signals[0].points must lie between -9,007,199,254,740,992 and"),
        (["signals", 0, "points"], 2e6, "signals[0].points must lie between -1,000,000 and 1,000,000"),
        (["signals", 0, "points"], True, "signals[0].points must be a number; it is true"),
        (["signals", 3, "half_life_days"], 1e-9, "must lie between 0.01 and 36,500 days, or be 0 for points"),
        (["signals", 3, "half_life_days"], 1e9, "signals[3].half_life_days must lie between 0.01 and 36,500 days"),
        (["signals", 0, "label"], "", "signals[0].label is empty; say it in a few words"),
        (MATCH, {}, "signals[0].match must name kinds, initiator, reach, two_way, channels, sources or properties"),
        (MATCH, {"kinds": [" "]}, "signals[0].match.kinds holds a blank name; name the event kind"),
        (MATCH, {"channels": [""]}, "signals[0].match.channels holds a blank name; name the channel"),
        (MATCH, {"initiator": "me"}, "signals[0].match.initiator must be one of both, them, third, us"),
        (PROPERTY, {"": {"present": True}}, "has a blank name; name the property"),
        (PROPERTY, {"x": {}}, "signals[0].match.properties.x needs exactly one of present, equals, one_of, prefix"),
        (PROPERTY, {"x": {"equals": 1, "prefix": "a"}}, "signals[0].match.properties.x needs exactly one of present"),
        (PROPERTY, {"x": {"pattern": "("}}, "properties.x.pattern is no valid pattern: missing ): (; write an RE2"),
        (PROPERTY, {"x": {"pattern": "(?=a)"}}, "properties.x.pattern is no valid pattern: invalid perl operator: (?="),
        (PROPERTY, {"x": {"pattern": "a" * 501}}, "x.pattern is no valid pattern: is longer than 500 characters"),
        (PROPERTY, {"x": {"pattern": ""}}, "x.pattern is empty, which every text meets; use present instead"),
        (PROPERTY, {"x": {"at_least": 5, "at_most": 4}}, "properties.x.at_most must be >= at_least (5)"),
        (PROPERTY, {"x": {"at_least": 1e200}}, "properties.x.at_least must lie between"),
        (PROPERTY, {"x": {"one_of": []}}, "properties.x.one_of must name 1 to 1,000 values"),
        (PROPERTY, {"x": {"equals": [1]}}, "x.equals must be text, a number, or true or false; it is"),
        (COUNT, {"once": True, "latest": 1}, "signals[3].count takes one of once, once_per, latest, or at_most"),
        (COUNT, {"once_per": " "}, "signals[3].count.once_per must name a property"),
        (COUNT, {"latest": 0}, "signals[3].count.latest must be >= 1"),
        (COUNT, {"at_most": 1}, "signals[3].count.within_days is missing; say how long a period of at_most is"),
        (COUNT, {"within_days": 1}, "signals[3].count.at_most is missing; say how many weigh in each period"),
        (COUNT, {"at_most": 1, "within_days": 0}, "signals[3].count.within_days must be > 0"),
        (COUNT, {"at_most": 1.5, "within_days": 1}, "count.at_most must be a whole number; it is the number 1.5"),
        (["groups", 0, "cap"], -1, "groups[0].cap must be >= 0"),
        (["groups", 0, "key"], "", "groups[0].key is empty"),
        (["gates", 0, "closed_when"], False, 'gates[0].closed_when must be "no" in quotes'),
        (["gates", 0, "attribute"], "", "gates[0].attribute must name an attribute"),
        (["gates", 0, "question"], "", "gates[0].question is empty"),
        (["fit", "rules", 1, "key"], "company_size", "fit.rules[1].key 'company_size' is used twice"),
        (["fit", "rules", 0, "test"], {"name": "", "known": True}, "rules[0].test.name is blank; name an attribute"),
        (["fit", "rules", 0, "test"], {"name": "x", "words": ["!"]}, "test.words[0] has no letter or digit; name"),
        (["fit", "rules", 0, "test"], {"name": "x", "equals": ""}, "test.equals holds blank text, which equals"),
        (["qualifiers"], [{"key": "q", "label": "Q", "test": {"name": "x"}, "question": "?"}], "test needs"),
        (["switches"], {"retail": "yes"}, "switches.retail must be true or false; it is the text 'yes'"),
        (["approval"], ["sales", "sales"], "approval names a team twice; name each once"),
        (["approval"], ["finance"], "approval[0] must be one of marketing, sales; it is the text 'finance'"),
        (["cool_down", "days"], -1, "cool_down.days must be >= 0"),
        (["evidence", "interest", "any_of"], [], "evidence.interest.any_of is empty; name at least one match"),
        (["evidence", "bad key"], {"label": "x", "any_of": [{"two_way": True}]}, "evidence.bad key is no key"),
        (["stages"], [], "stages is empty; a definition needs at least one stage"),
        (["stages", 0, "key"], "vip", "stages[0].key must be one of audience, customer, lead"),
        (["stages", 1, "sla_hours"], 0, "stages[1].sla_hours must be > 0"),
        (["stages", 1, "key"], "audience", "stages[1].key 'audience' is used twice; keys must be unique"),
        (["stages", 1, "enter"], DEEP, "is nested deeper than 12 levels; use fewer"),
        (["stages", 1, "enter"], {"any": [{"count": {"of": "interest"}}] * 300}, "enter holds more than 200 criteria"),
        (["stages", 1, "enter"], {"likelihood": {"at_least": 0.5}}, "enter can be met by attributes alone"),
        (["stages", 1, "enter"], {"likelihood": {"at_least": 1}}, "likelihood.at_least must lie above 0 and below 1"),
        (["stages", 1, "enter"], {"engagement": {"at_least": 1e-9}}, "enter can be met by attributes alone"),
        (["stages", 1, "enter"], {"count": {"of": "interest", "within_days": 0}}, "count.within_days must be > 0"),
        (["stages", 1, "enter"], {"count": {"of": "interest", "at_least": 0}}, "count.at_least must be >= 1"),
        (["stages", 1, "enter"], {"qualifiers": "some"}, "enter.qualifiers must be one of met; it is the text 'some'"),
        (LEARNED, {"intercept": 0, "signals": {"gone": 1}}, "learned.signals.gone is not part of this definition"),
        (LEARNED, {"intercept": 0, "groups": {"gone": 1}}, "learned.groups.gone is not part of this definition"),
        (LEARNED, {"intercept": 0, "fit_rules": {"gone": 1}}, "learned.fit_rules.gone is not part of this definition"),
        (LEARNED, {"intercept": 0, "signals": {"readiness": 100}}, "signals.readiness times the signal's points"),
        (LEARNED, {"intercept": 1e9}, "learned.intercept must lie between -1,000 and 1,000"),
    ],
)  # fmt: skip
def test_what_is_unsound_names_its_place_and_the_fix(path: list[Any], value: object, problem: str) -> None:
    assert any(problem in found for found in problems_of(path, value)), problems_of(path, value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (PROPERTY, {"a__b": {"prefix": "x"}, "100%": {"at_least": 0}, "it's": {"pattern": "^a|b$"}}),
        (["signals", 0, "match"], {"channels": ["mail"]}),
        (["signals", 0, "match"], {"properties": {"x": {"contains": "y"}}}),
        (["signals", 0, "points"], -40),
        (["signals", 7, "points"], -5),
        (COUNT, {"once_per": "a b"}),
        (["groups", 0], {"key": "browsing", "label": "B"}),
        (["groups", 0], {"key": "browsing", "label": "B", "cap": 0, "floor_at_zero": True}),
        (["floor_at_zero"], True),
        (LEARNED, {"intercept": -1, "signals": {"readiness": 0.1}, "groups": {"browsing": -0.1}, "auc": 0.8}),
        (["stages", 3, "sla_hours"], 0.5),
    ],
)
def test_what_is_sound_is_taken(path: list[Any], value: object) -> None:
    assert problems_of(path, value) == []


def test_an_unknown_source_is_named() -> None:
    found = problems_of(["signals", 0, "match"], {"sources": ["shop"]}, known_sources=frozenset({"crm"}))
    (said,) = found
    assert said.startswith("signals[0].match.sources 'shop' is no known source; use the name of a source")
    assert problems_of(["signals", 0, "match"], {"sources": ["crm"]}, known_sources=frozenset({"crm"})) == []


def test_all_that_is_wrong_is_said_at_once() -> None:
    data = to_builtins(default_document())
    data["signals"][0]["points"] = "many"
    data["stages"][1]["labl"] = data["stages"][1].pop("label")
    with pytest.raises(DefinitionError) as caught:
        read_document(data)
    assert [problem.path for problem in caught.value.problems] == [
        "stages[1].labl", "stages[1].label", "signals[0].points",
    ]  # fmt: skip


def test_a_kept_likelihood_may_ask_for_less_and_not_for_more() -> None:
    counted = {"count": {"of": "interest"}}
    for kept, sound in ((0.2, True), (0.3, True), (0.4, False)):
        data: dict[str, Any] = json.loads(json.dumps(to_builtins(default_document())))
        data["stages"][1]["enter"] = {"all": [counted, {"likelihood": {"at_least": 0.3}}]}
        data["stages"][1]["keep"] = {"likelihood": {"at_least": kept}}
        problems: list[str] = []
        try:
            read_document(data)
        except DefinitionError as error:
            problems = [problem.path for problem in error.problems]
        assert problems == ([] if sound else ["stages[1].keep"])


def test_deep_and_wide_criteria_are_compared_in_no_time() -> None:
    """Each pair of nodes is looked at once; every way through two trees would take for ever."""

    def tree(depth: int, name: str) -> dict[str, Any]:
        other = {"all": "any", "any": "all"}[name]
        return {name: [tree(depth - 1, other)] * 2} if depth else {"count": {"of": "interest"}}

    data: dict[str, Any] = json.loads(json.dumps(to_builtins(default_document())))
    data["stages"][1]["enter"], data["stages"][1]["keep"] = tree(6, "all"), tree(6, "any")
    read_document(data)


@pytest.mark.django_db
@settings(max_examples=20, phases=(Phase.explicit, Phase.generate), suppress_health_check=[HealthCheck.too_slow])
@given(document=documents())
def test_the_database_takes_whatever_the_rules_accept(document: DefinitionDocument) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT scoring_document_is_sound(%s::jsonb)", [json.dumps(to_builtins(document))])
        assert cursor.fetchone() == (True,)

"""Definitions as documents: what is sound, what is not, and what the error says."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.definition import AttributeTest, DefinitionError, dump_yaml, load_yaml, read_document, to_builtins
from scoring.engine.profile import meets
from tests.scoring.worlds import default_document


def changed(path: list[Any], value: object) -> dict[str, Any]:
    """The default definition with one value replaced."""
    data: dict[str, Any] = json.loads(json.dumps(to_builtins(default_document())))
    place: Any = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return data


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (["signals", 3, "half_life_days"], -1.0, "signals[3].half_life_days must be > 0"),
        (["signals", 3, "points"], "many", "signals[3].points must be a number; it is the text 'many'"),
        (["signals", 0, "group"], "nowhere", "signals[0].group 'nowhere' is no group of this definition"),
        (["signals", 1, "key"], "readiness", "signals[1].key 'readiness' is used twice"),
        (["groups", 0, "cap"], -1.0, "groups[0].cap must be >= 0"),
        (["stages", 0, "enter"], {"reachable": True}, "stages[0] is the weakest stage"),
        (["stages", 1, "enter"], {"reachable": True}, "stages[1].enter can be met by attributes alone"),
        (["stages", 1, "enter"], {"count": {"of": "magic"}}, "'magic' is no evidence of this definition"),
        (["stages", 1, "enter"], {"any": []}, "stages[1].enter.any is empty"),
        (["stages", 1, "enter"], {}, "stages[1].enter needs exactly one of all, any, not"),
        (["stages", 2, "keep"], {"engagement": {"at_least": 40}}, "does not hold for every contact that enters"),
        (["stages", 3, "keep"], {"count": {"of": "readiness", "within_days": 7}}, "'sales_prospect'"),
        (["stages", 3, "enter", "all", 2], {"gate": "moon"}, "'moon' is no gate of this definition"),
        (["stages", 4, "handoff"], True, "stages[4].handoff must not be set on customer"),
        (["stages", 1, "kepp"], {}, "stages[1].kepp is an unknown field; did you mean 'keep'?"),
        (["cool_down", "lifted_by"], "magic", "cool_down.lifted_by 'magic' is no evidence"),
        (["fit", "rules", 0, "test"], {"name": "x"}, "fit.rules[0].test needs exactly one of"),
        (["evidence", "interest", "any_of"], [{}], "evidence.interest.any_of[0] must name kinds"),
    ],
)
def test_an_unsound_definition_names_the_place_and_the_fix(path: list[Any], value: object, problem: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        read_document(changed(path, value))
    assert problem in str(caught.value)


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(DefinitionError, match="'demo_requested' is no known event kind"):
        read_document(to_builtins(default_document()), known_kinds=frozenset({"purchased"}))


def test_yaml_that_is_none_is_a_clear_error() -> None:
    with pytest.raises(DefinitionError, match="no readable YAML"):
        load_yaml("{unclosed: [")


def test_export_and_import_give_the_same_text() -> None:
    text = dump_yaml(default_document())
    assert dump_yaml(load_yaml(text)) == text
    assert load_yaml(text) == default_document()


@pytest.mark.parametrize(
    ("test", "value", "met"),
    [
        (AttributeTest(name="x", words=("vp",)), "VP, Sales", True),
        (AttributeTest(name="x", words=("vp",)), "MVP", False),
        (AttributeTest(name="x", words=("co founder",)), "Co-Founder & CEO", True),
        (AttributeTest(name="x", one_of=("software",)), " Software ", True),
        (AttributeTest(name="x", at_least=50, at_most=5000), 5000, True),
        (AttributeTest(name="x", at_least=50, at_most=5000), "5001", False),
        (AttributeTest(name="x", at_most=4), "a few", False),
        (AttributeTest(name="x", at_most=4), None, False),
        (AttributeTest(name="x", equals=True), True, True),
        (AttributeTest(name="x", equals=True), "true", False),
        (AttributeTest(name="x", equals="no"), "NO", True),
    ],
)
def test_attribute_tests(test: AttributeTest, value: object, met: bool) -> None:
    assert meets(test, value) is met


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())))
def test_no_value_breaks_a_test(value: object) -> None:
    for test in (
        AttributeTest(name="x", words=("a",)),
        AttributeTest(name="x", equals="a"),
        AttributeTest(name="x", one_of=(1, "a")),
        AttributeTest(name="x", at_least=1),
    ):
        assert meets(test, value) in (True, False)

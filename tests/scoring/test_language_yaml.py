"""Definitions as files: canonical on the way out, careful on the way in."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from scoring.definition import (
    DefinitionDocument,
    DefinitionError,
    Problem,
    dump_yaml,
    load_yaml,
    read_document,
    to_builtins,
)
from scoring.definition.files import LARGEST_FILE
from tests.scoring.languages import documents, is_storable
from tests.scoring.worlds import PRESETS, default_document

SMALL = read_document(
    {
        "key": "small",
        "name": "Small",
        "description": "",
        "stages": [{"key": "lead", "label": "Lead", "owner": "sales", "description": "", "communication": ""}],
    }
)


# Not shrunk: making whole documents small takes minutes, and says no more.
@settings(max_examples=20, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(document=documents())
def test_what_is_exported_comes_back_byte_for_byte(document: DefinitionDocument) -> None:
    text = dump_yaml(document)
    again = load_yaml(text)
    assert again == document
    assert dump_yaml(again) == text
    # As a JSON column keeps it, too.
    assert read_document(json.loads(json.dumps(to_builtins(document)))) == document


WORDS_LIKE_VALUES = [
    "no", "Yes", "null", "~", "1e3", "1_000", "12:30:45", "2024-01-01", "0x1F", "0o7", ".5", "+1", ".inf", ".NaN",
    "=", "<<", "- x", "a: b", "#", "&x", "*x", "!t", "%", "@", "`", "|", ">", "'", '"', "?", "{", "[",
]  # fmt: skip
TEXTS = st.one_of(
    st.text(),
    st.sampled_from(WORDS_LIKE_VALUES),
    st.text(alphabet=" \t\n\r\x85\u2028\u2029ab:'\"#-", max_size=300),
    st.lists(st.text(max_size=8), max_size=80).map(" ".join),
).filter(is_storable)


@settings(max_examples=100)
@given(text=TEXTS)
def test_any_text_survives(text: str) -> None:
    document = msgspec.structs.replace(SMALL, description=text)
    exported = dump_yaml(document)
    assert load_yaml(exported) == document
    assert dump_yaml(load_yaml(exported)) == exported


@pytest.mark.parametrize("path", sorted(PRESETS.glob("*.yaml")), ids=lambda path: path.stem)
def test_what_ripen_ships_is_canonical_after_one_export(path: Any) -> None:
    text = dump_yaml(load_yaml(path.read_text()))
    assert dump_yaml(load_yaml(text)) == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("key: a\nkey: b\n", "'key' is given twice"),
        ("evidence:\n  x: {label: a, label: b}\n", "'label' is given twice"),
        ("a: &x [1]\nb: *x\n", "uses an alias, *x; write out what it stands for"),
        ("a: &a [x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n", "uses an alias"),
        ("a: {<<: {b: 1}}\n", "is an unknown field"),
        ("[" * 10_000, "nested deeper than 60 levels"),
        ("a: " * 3, "no readable YAML"),
        ("!!python/object/apply:os.system ['true']", "no readable YAML"),
        ("key: \x07", "no readable YAML"),
        ("x" * (LARGEST_FILE + 1), "is larger than 256 KB"),
        ("", "definition must be a mapping of fields to values; it is nothing"),
        ("just text", "it is the text 'just text'"),
        ("key: 2024-13-45", "no readable YAML"),
        ("key: 2024-01-05", "key must be text; it is a date, so put it in quotes"),
        ("1: x", "definition has 1 as a name; names are text, so put it in quotes"),
        ("? [a]\n: b\n", "no readable YAML"),
        ("--- a\n--- b\n", "no readable YAML"),
    ],
)
def test_a_file_that_is_no_definition_is_a_clear_error(text: str, problem: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        load_yaml(text)
    assert problem in str(caught.value)


@settings(max_examples=80)
@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    with pytest.raises(DefinitionError):
        load_yaml(text)


JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just(10**400), st.just("\ud800")
    ),
    lambda below: st.one_of(
        st.lists(below, max_size=3),
        st.dictionaries(
            st.sampled_from(["key", "label", "match", "kinds", "all", "any", "not", "count", "of", "points", "x"]),
            below,
            max_size=4,
        ),
    ),
    max_leaves=12,
)  # fmt: skip
PLACES = st.sampled_from(
    [
        [], ["key"], ["name"], ["stages"], ["stages", 1], ["stages", 1, "enter"], ["stages", 2, "keep"], ["signals"],
        ["signals", 0], ["signals", 0, "match"], ["signals", 0, "points"], ["signals", 0, "count"],
        ["groups", 0, "cap"], ["evidence"],
        ["evidence", "interest", "any_of"], ["fit", "rules", 0, "test"], ["gates", 0, "closed_when"],
        ["cool_down", "days"], ["approval"], ["switches"], ["qualifiers"], ["learned"],
        ["signals", 0, "half_life_days"],
    ]
)  # fmt: skip


@settings(max_examples=100)
@given(place=PLACES, value=JSON)
def test_no_data_breaks_the_reader(place: list[Any], value: object) -> None:
    """Whatever stands wherever: a sound document, or problems that each name a place and say something."""
    data: Any = to_builtins(default_document())
    data["switches"], data["learned"], data["qualifiers"] = {}, None, []
    data = json.loads(json.dumps(data))
    here = data
    for key in place[:-1]:
        here = here[key]
    if place:
        here[place[-1]] = value
    else:
        data = value
    document, problems = read_or_refuse(data)
    assert bool(document) != bool(problems)
    assert all(problem.path and problem.message for problem in problems)
    "".join(map(str, problems)).encode()
    if document is not None:
        assert load_yaml(dump_yaml(document)) == document


def read_or_refuse(data: object) -> tuple[DefinitionDocument | None, list[Problem]]:
    try:
        return read_document(data), []
    except DefinitionError as error:
        return None, error.problems


def test_data_too_deep_is_a_clear_error() -> None:
    data: Any = to_builtins(default_document())
    tree: Any = {"count": {"of": "interest"}}
    for _ in range(5_000):
        tree = {"not": tree}
    data["stages"][1]["enter"] = tree
    with pytest.raises(DefinitionError, match="nested deeper than 60 levels"):
        read_document(data)

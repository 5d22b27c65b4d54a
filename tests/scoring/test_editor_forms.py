"""Definitions as forms: the way there and back, edits, and each problem at its field."""

import string
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.definition import (
    AttributeTest,
    Count,
    Counting,
    Criterion,
    DefinitionDocument,
    Fit,
    FitRule,
    Gate,
    Group,
    Learned,
    Match,
    PropertyTest,
    Qualifier,
    Signal,
    Stage,
    Threshold,
    dump_yaml,
    load_yaml,
)
from scoring.definition.document import STAGE_KEYS, CoolDown, Evidence
from scoring.forms.derived import DOCUMENT
from scoring.forms.edits import MAX_CRITERIA_DEPTH, CannotEdit, edit, fill_keys
from scoring.forms.shapes import Posted, Wrong
from scoring.forms.words import WORDS

PRESETS = sorted((Path(__file__).parents[2] / "scoring" / "presets").glob("*.yaml"))

# Text as browsers can post it in a form, and as YAML and JSON can hold it.
printable = st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f")
texts = st.text(printable, max_size=12)
labels = st.text(string.ascii_letters + " .,'\"&<>é", min_size=1, max_size=12).filter(str.strip)
keys = st.text(string.ascii_lowercase + string.digits + "_-. []", min_size=1, max_size=8).filter(str.strip)
numbers = st.floats(-1e9, 1e9, allow_nan=False).filter(bool)
wholes = st.integers(1, 10_000)
scalars = st.one_of(texts, st.booleans(), st.integers(-(2**53), 2**53), numbers)
several = st.lists(scalars, min_size=1, max_size=3).map(tuple)
words = st.lists(texts, min_size=1, max_size=3).map(tuple)
names = st.lists(keys, max_size=3, unique=True).map(tuple)


def ranges(struct: Any, **fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(struct, **fixed, at_least=numbers),
        st.builds(struct, **fixed, at_most=numbers),
        st.builds(struct, **fixed, at_least=numbers, at_most=numbers),
    )


property_tests = st.one_of(
    st.builds(PropertyTest, present=st.booleans()),
    st.builds(PropertyTest, equals=scalars),
    st.builds(PropertyTest, one_of=several),
    st.builds(PropertyTest, prefix=labels),
    st.builds(PropertyTest, contains=labels),
    st.builds(PropertyTest, pattern=labels),
    ranges(PropertyTest),
)
attribute_tests = st.one_of(
    st.builds(AttributeTest, name=labels, known=st.booleans()),
    st.builds(AttributeTest, name=labels, equals=scalars),
    st.builds(AttributeTest, name=labels, one_of=several),
    st.builds(AttributeTest, name=labels, words=words),
    ranges(AttributeTest, name=labels),
)
matches = st.builds(
    Match,
    kinds=names,
    initiator=st.sampled_from([None, "us", "them", "both", "third"]),
    reach=st.sampled_from([None, "many", "one"]),
    two_way=st.sampled_from([None, True, False]),
    channels=words | st.just(()),
    sources=names,
    properties=st.dictionaries(keys, property_tests, max_size=2),
)
countings = st.one_of(
    st.just(Counting()),
    st.just(Counting(once=True)),
    st.builds(Counting, once_per=labels),
    st.builds(Counting, latest=wholes),
    st.builds(Counting, at_most=wholes, within_days=numbers),
)
thresholds = st.builds(Threshold, at_least=st.floats(-1e6, 1e6, allow_nan=False))
leaves = st.one_of(
    *(st.builds(Criterion, **{name: thresholds}) for name in ("engagement", "fit", "score", "likelihood")),
    st.builds(
        Criterion,
        count=st.builds(Count, of=keys, at_least=wholes, within_days=st.none() | numbers, after=keys | st.just("")),
    ),
    st.builds(Criterion, attribute=attribute_tests),
    st.builds(Criterion, gate=keys),
    st.builds(Criterion, switch=keys),
    st.just(Criterion(qualifiers="met")),
    st.builds(Criterion, origin=st.sampled_from(["inbound", "outbound"])),
    st.builds(Criterion, reachable=st.booleans()),
)
criteria = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Criterion, all=st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(Criterion, any=st.lists(inner, min_size=1, max_size=3).map(tuple)),
        inner.map(lambda node: Criterion(not_=node)),
    ),
    max_leaves=6,
)
maybe_criteria = st.none() | criteria
stages = st.builds(
    Stage,
    key=st.sampled_from(STAGE_KEYS),
    label=labels,
    owner=st.sampled_from(["marketing", "sales"]),
    description=texts,
    communication=texts,
    calls_to_action=words | st.just(()),
    handoff=st.booleans(),
    sla_hours=st.none() | numbers,
    enter=maybe_criteria,
    keep=maybe_criteria,
    flag_unless=maybe_criteria,
)
weights = st.dictionaries(keys, numbers, max_size=2)
learned = st.builds(
    Learned,
    intercept=numbers,
    signals=weights,
    groups=weights,
    fit_rules=weights,
    trained_at=labels,
    auc=st.none() | numbers,
    outcomes=wholes,
    enabled=st.booleans(),
)
points = st.floats(-1e6, 1e6, allow_nan=False)
documents = st.builds(
    DefinitionDocument,
    key=keys,
    name=labels,
    description=texts,
    stages=st.lists(stages, max_size=3).map(tuple),
    evidence=st.dictionaries(
        keys,
        st.builds(Evidence, label=labels, any_of=st.lists(matches, max_size=2).map(tuple)),
        max_size=2,
    ),
    signals=st.lists(
        st.builds(
            Signal,
            key=keys,
            label=labels,
            match=matches,
            points=points,
            half_life_days=st.just(0.0) | numbers,
            count=countings,
            group=keys | st.just(""),
        ),
        max_size=2,
    ).map(tuple),
    groups=st.lists(
        st.builds(Group, key=keys, label=labels, cap=st.none() | numbers, floor_at_zero=st.booleans()), max_size=2
    ).map(tuple),
    floor_at_zero=st.booleans(),
    fit=st.builds(
        Fit,
        rules=st.lists(st.builds(FitRule, key=keys, label=labels, test=attribute_tests, points=points), max_size=2).map(
            tuple
        ),
    ),
    gates=st.lists(
        st.builds(Gate, key=keys, label=labels, attribute=labels, closed_when=scalars, question=texts), max_size=2
    ).map(tuple),
    qualifiers=st.lists(
        st.builds(Qualifier, key=keys, label=labels, test=attribute_tests, question=texts), max_size=2
    ).map(tuple),
    switches=st.dictionaries(keys, st.booleans(), max_size=2),
    approval=st.sampled_from([(), ("marketing",), ("sales",), ("marketing", "sales")]),
    cool_down=st.builds(CoolDown, days=numbers, lifted_by=keys | st.just("")),
    learned=st.none() | learned,
)


def posted_back(state: Any) -> tuple[Any, Posted]:
    """The state that a browser's post of ``state`` gives, and what nobody asked for."""
    lists: dict[str, list[str]] = {}
    for name, value in parse_qsl(urlencode(list(DOCUMENT.pairs(state, ""))), keep_blank_values=True):
        lists.setdefault(name, []).append(value)
    posted = Posted.of(lists.items())
    return DOCUMENT.read(posted), posted


def read(state: Any) -> tuple[DefinitionDocument, list[Wrong]]:
    wrong: list[Wrong] = []
    plain = DOCUMENT.plain(state, "", wrong)
    return msgspec.convert(plain, DefinitionDocument), wrong


def default() -> DefinitionDocument:
    return load_yaml(next(path for path in PRESETS if path.stem == "default").read_text())


@given(documents)
@settings(max_examples=100)
def test_every_document_comes_back_equal_from_its_form(document: DefinitionDocument) -> None:
    state, posted = posted_back(DOCUMENT.show(document))
    again, wrong = read(state)
    assert wrong == []
    assert posted.left() == ""
    assert again == document
    assert load_yaml_unchecked(dump_yaml(again)) == document


def load_yaml_unchecked(text: str) -> DefinitionDocument:
    """Made-up documents are well formed but seldom sound, so they are only converted."""
    return msgspec.convert(yaml.safe_load(text), DefinitionDocument)


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_presets_come_back_the_same_byte_for_byte(path: Path) -> None:
    document = load_yaml(path.read_text())
    again, wrong = read(posted_back(DOCUMENT.show(document))[0])
    assert wrong == []
    assert again == document
    # An export leaves out what is as usual; so does the form.
    once = dump_yaml(again)
    assert dump_yaml(read(posted_back(DOCUMENT.show(load_yaml(once)))[0])[0]) == once


def test_every_field_has_a_label_of_its_own() -> None:
    unnamed = [
        f"{struct.__name__}.{info.name}"
        for struct in (DefinitionDocument, Stage, Signal, Group, Fit, FitRule, Gate, Qualifier, Evidence, Match,
                       PropertyTest, AttributeTest, Counting, Count, Threshold, CoolDown)
        for info in msgspec.structs.fields(struct)
        if f"{struct.__name__}.{info.name}" not in WORDS
    ]  # fmt: skip
    assert unnamed == []


class TestPlaces:
    """A problem's path in the document leads to the field of the form."""

    @pytest.mark.parametrize(
        ("path", "name"),
        [
            ("name", "name"),
            ("signals[3].half_life_days", "signals.3.half_life_days"),
            ("signals[3].match", "signals.3.match"),
            ("stages[3].enter.all[0].any[1].count.of", "stages.3.enter.below.0.below.1.count.of"),
            ("stages[2].enter.any[1].all[1].not.count.after", "stages.2.enter.below.1.below.1.below.0.count.after"),
            ("stages[2].keep", "stages.2.keep"),
            ("stages[0].enter", "stages.0.enter"),
            ("stages[9].label", "stages"),
            ("evidence.dialogue.any_of[1].properties.with", "evidence.4.of.any_of.1.properties.0"),
            ("evidence.dialogue.any_of[1].kinds", "evidence.4.of.any_of.1.kinds"),
            ("fit.rules[1].test.one_of[2]", "fit.rules.1.test.one_of"),
            ("cool_down.lifted_by", "cool_down.lifted_by"),
            ("nothing_of_ours", ""),
        ],
    )
    def test_leads_to_the_field(self, path: str, name: str) -> None:
        assert DOCUMENT.find(DOCUMENT.show(default()), "", path) == name

    def test_follows_the_order_of_the_form_after_a_move(self) -> None:
        state = DOCUMENT.show(default())
        edit(state, "down:signals.0")
        assert DOCUMENT.find(state, "", "signals[0].points") == "signals.1.points"


class TestEdits:
    def test_moves_keep_everything(self) -> None:
        state = DOCUMENT.show(default())
        edit(state, "up:stages.3")
        keys = [stage.key for stage in read(state)[0].stages]
        assert keys == ["audience", "lead", "sales_prospect", "marketing_prospect", "customer"]
        edit(state, "down:stages.3")
        assert read(state)[0] == default()

    def test_a_criterion_is_grouped_moved_out_and_removed(self) -> None:
        state = DOCUMENT.show(default())
        edit(state, "wrap:stages.3.enter.below.1")
        all_of = read(state)[0].stages[3].enter
        assert all_of is not None
        assert all_of.all is not None
        assert all_of.all[1] == Criterion(all=(Criterion(fit=Threshold(at_least=20.0)),))
        at = edit(state, "out:stages.3.enter.below.1.below.0")
        edit(state, "remove:stages.3.enter.below.1")
        assert read(state)[0] == default()
        assert at == "stages.3.enter.below.4"

    def test_what_is_added_asks_to_be_filled_in(self) -> None:
        state = DOCUMENT.show(default())
        at = edit(state, "add:stages.1.enter.below")
        problems = [wrong for wrong in read_wrong(state) if wrong.name.startswith(at)]
        assert problems == [Wrong(at, "choose what must hold")]
        edit(state, "add:signals")
        state["signals"]["9"]["label"] = "Asked for a demo!"
        fill_keys(state)
        assert state["signals"]["9"]["key"] == "asked_for_a_demo"
        assert state["signals"]["9"]["half_life_days"] == "30"

    def test_keys_made_from_labels_are_unique(self) -> None:
        state = DOCUMENT.show(default())
        for token in ("2", "3"):
            edit(state, "add:gates")
            state["gates"][token]["label"] = "Means"
        fill_keys(state)
        assert [gate["key"] for gate in state["gates"].values()] == ["means", "authority", "means_2", "means_3"]

    @pytest.mark.parametrize(
        "order",
        ["", "explode:signals", "add:", "add:name", "remove:signals", "up:name", "add:signals.99", "wrap:signals.0",
         "out:stages.3.enter.below.0", "remove:stages.3.label", "add:stages.3.enter", "add:learned", "up:",
         f"add:{'stages.' * 5_000}"],
    )  # fmt: skip
    def test_an_order_that_makes_no_sense_changes_nothing(self, order: str) -> None:
        state = DOCUMENT.show(default())
        with pytest.raises(CannotEdit):
            edit(state, order)
        assert read(state)[0] == default()

    def test_criteria_have_an_end(self) -> None:
        state = DOCUMENT.show(default())
        for _ in range(MAX_CRITERIA_DEPTH + 1):
            edit(state, f"wrap:stages.4.enter{'.below.0' * depth_of(state)}")
        innermost = f"stages.4.enter{'.below.0' * depth_of(state)}"
        with pytest.raises(CannotEdit, match="nested too deeply"):
            edit(state, f"wrap:{innermost}")

    def test_a_chosen_way_shows_its_own_fields(self) -> None:
        lists = {name: [value] for name, value in DOCUMENT.pairs(DOCUMENT.show(default()), "")}
        lists["signals.0.count.way"] = ["window"]
        state = DOCUMENT.read(Posted.of(lists.items()))
        assert state["signals"]["0"]["count"] == {"way": "window", "at_most": "", "within_days": ""}
        assert Wrong("signals.0.count.at_most", "must be filled in") in read_wrong(state)


def read_wrong(state: Any) -> list[Wrong]:
    wrong: list[Wrong] = []
    DOCUMENT.plain(state, "", wrong)
    return wrong


def depth_of(state: Any) -> int:
    node, depth = state["stages"]["4"]["enter"], 0
    while "below" in node:
        node, depth = node["below"]["0"], depth + 1
    return depth

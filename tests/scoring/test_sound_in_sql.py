"""What goes around the application is caught by the database: no broken definition is stored, every sound one is."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scoring.definition import DefinitionDocument, DefinitionError, read_document, to_builtins
from scoring.definition.document import Criterion
from scoring.models import Definition
from tests.scoring.languages import documents
from tests.scoring.worlds import PRESETS

pytestmark = pytest.mark.django_db

Data = dict[str, Any]
EXAMPLES = (PRESETS.parents[1] / "docs" / "examples").rglob("*.yaml")
FILES = sorted(PRESETS.glob("*.yaml")) + sorted(path for path in EXAMPLES if "\nstages:" in path.read_text())


def default_data() -> Data:
    data: Data = yaml.safe_load((PRESETS / "default.yaml").read_text())
    return data


def sql_accepts(data: object) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT scoring_document_is_sound(%s::jsonb)", [json.dumps(data)])
        found = cursor.fetchone()[0]
    assert isinstance(found, bool), "never unknown, which a constraint would let pass"
    return found


def insert(data: object, key: str = "default") -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO scoring_definition (key, version, name, state, document) VALUES (%s, 77, 'x', 'draft', %s)",
            [key, json.dumps(data)],
        )


def tree(criterion: object) -> Callable[[Data], None]:
    """Make this what enters the second stage."""
    return lambda data: data["stages"][1].update(enter=criterion)


def signal(**fields: object) -> Callable[[Data], None]:
    return lambda data: data["signals"][0].update(fields)


def without(name: str, part: Callable[[Data], Data] = lambda data: data) -> Callable[[Data], None]:
    def remove(data: Data) -> None:
        del part(data)[name]

    return remove


BREAKS: dict[str, Callable[[Data], None]] = {
    "a field nobody knows": lambda d: d.update(colour="green"),
    "no key": without("key"),
    "no name": without("name"),
    "a name that is no text": lambda d: d.update(name=7),
    "no stages": without("stages"),
    "empty stages": lambda d: d.update(stages=[]),
    "stages that are no list": lambda d: d.update(stages={"lead": {}}),
    "a stage nobody knows": lambda d: d["stages"][1].update(key="suspect"),
    "a stage twice": lambda d: d["stages"].append(copy.deepcopy(d["stages"][-1])),
    "a stage that is no mapping": lambda d: d["stages"].append("customer"),
    "a stage without a label": without("label", lambda d: d["stages"][1]),
    "a stage of a third team": lambda d: d["stages"][1].update(owner="finance"),
    "a weakest stage that is entered": lambda d: d["stages"][0].update(enter={"engagement": {"at_least": 1}}),
    "a weakest stage that is kept": lambda d: d["stages"][0].update(keep={"engagement": {"at_least": 1}}),
    "a stage that nobody enters": without("enter", lambda d: d["stages"][1]),
    "a signal without a key": without("key", lambda d: d["signals"][0]),
    "a signal without a label": without("label", lambda d: d["signals"][0]),
    "a signal without a match": without("match", lambda d: d["signals"][0]),
    "a match that is no mapping": signal(match=["demo_requested"]),
    "points that are text": signal(points="40"),
    "no points": without("points", lambda d: d["signals"][0]),
    "points beyond a million": signal(points=1_000_001),
    "points below a million": signal(points=-1_000_001),
    "a negative half-life": signal(half_life_days=-1),
    "a half-life of text": signal(half_life_days="a month"),
    "a group that is not there": signal(group="nowhere"),
    "signals that are no list": lambda d: d.update(signals={}),
    "evidence without matches": lambda d: d["evidence"].update(nothing={"label": "x", "any_of": []}),
    "evidence without a label": lambda d: d["evidence"].update(nothing={"any_of": [{"kinds": ["purchased"]}]}),
    "evidence that is a list": lambda d: d.update(evidence=[]),
    "a cool-down lifted by nothing": lambda d: d["cool_down"].update(lifted_by="nowhere"),
    "a switch that is no switch": lambda d: d.update(switches={"retail": "on"}),
    "a third team to ask": lambda d: d.update(approval=["finance"]),
    "a fit rule without points": without("points", lambda d: d["fit"]["rules"][0]),
    "a fit rule without a test": without("test", lambda d: d["fit"]["rules"][0]),
    "a gate without an attribute": without("attribute", lambda d: d["gates"][0]),
    "a criterion of nothing": tree({}),
    "a criterion of two": tree({"engagement": {"at_least": 3}, "fit": {"at_least": 3}}),
    "a criterion nobody knows": tree({"weather": "fine"}),
    "a criterion that is no mapping": tree(["engagement"]),
    "a criterion of text": tree("engagement"),
    "no branches": tree({"all": []}),
    "branches that are no list": tree({"any": {"engagement": {"at_least": 3}}}),
    "a broken criterion deep down": tree({"all": [{"any": [{"not": {"all": [{"gate": "nowhere"}]}}]}]}),
    "nothing among the branches": tree({"all": [None]}),
    "a threshold of text": tree({"engagement": {"at_least": "30"}}),
    "no threshold": tree({"score": {}}),
    "a likelihood beyond certainty": tree({"likelihood": {"at_least": 1.2}}),
    "a likelihood below none": tree({"likelihood": {"at_least": -0.1}}),
    "a count of what is not there": tree({"count": {"of": "nowhere"}}),
    "a count after what is not there": tree({"count": {"of": "interest", "after": "nowhere"}}),
    "a count of none": tree({"count": {"of": "interest", "at_least": 0}}),
    "a count in no time": tree({"count": {"of": "interest", "within_days": 0}}),
    "a gate that is not there": tree({"gate": "nowhere"}),
    "a switch that is not there": tree({"switch": "nowhere"}),
    "half-met qualifiers": tree({"qualifiers": "half"}),
    "an origin nobody knows": tree({"origin": "sideways"}),
    "a reach of text": tree({"reachable": "yes"}),
    "an attribute without a name": tree({"attribute": {"equals": "x"}}),
    "a broken keep": lambda d: d["stages"][1].update(keep={"gate": "nowhere"}),
    "a broken flag": lambda d: d["stages"][1].update(flag_unless={"switch": "nowhere"}),
    "a learned score of text": lambda d: d.update(learned={"intercept": "much"}),
}


@pytest.mark.parametrize("name", BREAKS)
def test_the_database_takes_no_broken_definition(name: str) -> None:
    assert "interest" in default_data()["evidence"], "the counts are broken in one way only"
    broken = default_data()
    BREAKS[name](broken)
    assert broken != default_data()
    with pytest.raises(DefinitionError):
        read_document(broken)

    with pytest.raises(IntegrityError, match="definition_document_sound"):
        insert(broken)
    draft = Definition.objects.create(key="default", version=2, name="x", document=default_data())
    with pytest.raises(IntegrityError, match="definition_document_sound"), transaction.atomic():
        Definition.objects.filter(pk=draft.pk).update(document=broken)


@pytest.mark.parametrize("data", [None, [], "text", 7, {}], ids=repr)
def test_what_is_no_definition_at_all_is_none(data: object) -> None:
    assert not sql_accepts(data)
    with pytest.raises(IntegrityError):
        insert(data)


def test_the_key_is_that_of_the_document() -> None:
    with pytest.raises(IntegrityError, match="definition_key_of_document"):
        insert(default_data(), key="mine")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_everything_shipped_is_sound(path: Path) -> None:
    assert sql_accepts(yaml.safe_load(path.read_text()))


def test_every_part_of_the_language_is_known() -> None:
    data = default_data()
    known = {"key", "name", "description", "stages"}
    for field in msgspec.structs.fields(DefinitionDocument):
        if field.encode_name not in known | data.keys():
            data[field.encode_name] = None
    assert sql_accepts(data), "a field of the document that SQL does not know could not be stored"
    asked = {
        "all": [{"engagement": {"at_least": 1}}],
        "any": [{"engagement": {"at_least": 1}}],
        "not": {"reachable": True},
        "engagement": {"at_least": 1},
        "fit": {"at_least": 1},
        "score": {"at_least": 1},
        "likelihood": {"at_least": 0.5},
        "count": {"of": "interest"},
        "attribute": {"name": "country", "known": True},
        "gate": "means",
        "qualifiers": "met",
        "switch": "retail",
        "origin": "inbound",
        "reachable": True,
    }
    assert asked.keys() == {field.encode_name for field in msgspec.structs.fields(Criterion)}
    data["switches"] = {"retail": True}
    data["stages"][1]["enter"] = {"any": [{name: test} for name, test in asked.items()]}
    assert sql_accepts(data)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(document=documents())
def test_whatever_the_rules_accept_can_be_stored(document: DefinitionDocument) -> None:
    assert sql_accepts(to_builtins(read_document(to_builtins(document))))


def places(data: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where anything stands in plain data, all the way down."""
    if path:
        yield path
    if isinstance(data, dict):
        for key in data:
            yield from places(data[key], (*path, key))
    elif isinstance(data, list):
        for index, item in enumerate(data):
            yield from places(item, (*path, index))


DEFAULT = default_data()
PLACES = sorted(places(DEFAULT), key=repr)
VALUES: list[Any] = [
    None, "", "x", 0, 1, -1, 0.5, 1e6, -1e6, 1e7, True, [], {}, "interest", "readiness", "means", "sales",
    {"at_least": 1}, {"engagement": {"at_least": 1}}, [{"engagement": {"at_least": 1}}], {"count": {"of": "interest"}},
]  # fmt: skip


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(
        st.tuples(st.sampled_from(PLACES), st.one_of(st.just("remove"), st.sampled_from(VALUES).map(lambda v: (v,)))),
        min_size=1,
        max_size=3,
    )
)
def test_whatever_becomes_of_a_definition_the_database_is_no_stricter_than_the_rules(
    changes: list[tuple[tuple[str | int, ...], Any]],
) -> None:
    data: Any = default_data()
    for path, change in changes:
        part = data
        try:
            for step in path[:-1]:
                part = part[step]
            if change == "remove":
                del part[path[-1]]
            else:
                part[path[-1]] = copy.deepcopy(change[0])
        except (KeyError, IndexError, TypeError):
            continue
    try:
        document = read_document(data)
    except DefinitionError:
        return
    assert sql_accepts(data)
    assert sql_accepts(to_builtins(document))

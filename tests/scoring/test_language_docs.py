"""The reference of the language says what holds: every example in it is a sound definition, or part of one."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from scoring.definition import (
    DefinitionDocument,
    Match,
    PropertyTest,
    Signal,
    Stage,
    parse_yaml,
    read_document,
    to_builtins,
)
from scoring.definition.criteria import CRITERION_FIELDS
from tests.scoring.worlds import default_document

TEXT = (Path(__file__).parents[2] / "docs" / "definitions.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


def names_of(part: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(part)}


@pytest.mark.parametrize("block", BLOCKS)
def test_each_example_is_sound(block: str) -> None:
    part = parse_yaml(block)
    assert isinstance(part, dict)
    data: dict[str, Any] = to_builtins(default_document())
    if names_of(DefinitionDocument) >= set(part):
        whole = part if "key" in part else {**data, **part}
    elif names_of(Signal) >= set(part):
        signal = {"key": "x", "label": "X", "points": 1, **part}
        whole = {**data, "signals": [*data["signals"], signal]}
    else:
        assert names_of(Stage) >= set(part)
        stages = [{**stage, **part} if stage["key"] == "sales_prospect" else stage for stage in data["stages"]]
        whole = {**data, "stages": stages}
    read_document(whole)


def test_nothing_of_the_language_is_left_out() -> None:
    said = set(re.findall(r"[a-z_]+", TEXT))
    criteria = {name.rstrip("_") for name in CRITERION_FIELDS}
    parts = names_of(DefinitionDocument) | names_of(Match) | names_of(PropertyTest) | names_of(Signal) | names_of(Stage)
    assert (criteria | parts) - said == set()

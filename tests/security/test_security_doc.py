"""docs/security.md keeps its word: every test it names is there, and every row has one or a reason."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STATES = {"met", "partly", "not met", "n/a"}


def rows() -> list[list[str]]:
    text = (ROOT / "docs" / "security.md").read_text().partition("## OWASP ASVS")[2]
    lines = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| Requirement")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0].strip("| "))
def test_every_row_has_a_test_that_is_there_or_a_reason(row: list[str]) -> None:
    _, state, how, proof = row
    assert state in STATES
    assert how
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", proof)
    assert named or proof.startswith("Reason: ")
    assert state != "met" or named or proof.startswith("Reason: ")
    for path, test in named:
        file = ROOT / path
        assert file.exists(), path
        if test:
            functions = {node.name for node in ast.walk(ast.parse(file.read_text()))
                         if isinstance(node, ast.FunctionDef)}  # fmt: skip
            assert test in functions, f"{path}::{test}"


def test_all_chapters_are_there_each_requirement_once() -> None:
    chapters = [row[0].strip("| ").split(".")[0] for row in rows()]
    assert sorted(set(map(int, chapters))) == list(range(1, 15))
    assert chapters == sorted(chapters, key=int)

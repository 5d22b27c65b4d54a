"""What changes before publishing, in plain words."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.utils.translation import override

from scoring.changes import changes_between
from scoring.definition import DefinitionDocument, read_document
from tests.scoring.editing import BUILT

PRESETS = Path(__file__).parents[2] / "scoring" / "presets"


def plain() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(BUILT)
    return data


def said(before: dict[str, Any], after: dict[str, Any]) -> dict[str, list[str]]:
    areas = changes_between(read_document(before), read_document(after))
    return {area.title: [str(change) for change in area.changes] for area in areas}


def changed(**_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    return plain(), deepcopy(plain())


def test_nothing_differs_from_itself() -> None:
    assert said(plain(), plain()) == {}


def test_a_threshold_a_window_and_a_count_say_what_they_were() -> None:
    before, after = changed()
    before["stages"][1]["enter"]["all"] += [{"fit": {"at_least": 20}}, {"count": {"of": "purchase", "within_days": 30}}]
    after["stages"][1]["enter"]["all"] += [{"fit": {"at_least": 25}}, {"count": {"of": "purchase", "within_days": 60}}]
    assert said(before, after) == {
        "Stages": [
            "Ready, to enter: fit of at least 20 → fit of at least 25",
            "Ready, to enter: a purchase in the last 30 days → a purchase in the last 60 days",
        ]
    }


def test_parts_that_come_go_and_change_are_told_by_their_label() -> None:
    before, after = changed()
    after["signals"][0] |= {"points": 25, "half_life_days": 0}
    after["signals"].append({"key": "click", "label": "Click", "match": {"kinds": ["email_clicked"]}, "points": 8})
    after["fit"]["rules"] = []
    after["groups"][0]["cap"] = 80
    after["gates"][0]["question"] = "Who pays?"
    assert said(before, after) == {
        "Signals": [
            "Demo, points: 40 points → 25 points",
            "Demo, half-life: halved every 30 days → never fading",
            "Click: new: 8 points, halved every 30 days, clicked in an e-mail, every one",
        ],
        "Groups": ["All of it, bounds: All of it, at most 50 → All of it, at most 80"],
        "Fit": ["Size: gone: company employees from 50, 10 points"],
        "Gates": ["Means, question: Can they pay? → Who pays?"],
    }


def test_stages_evidence_and_the_rest() -> None:
    before, after = changed()
    after["name"] = "Ours"
    after["stages"][1] |= {"label": "Prospect", "sla_hours": 8}
    after["stages"].insert(
        1, {"key": "marketing_prospect", "label": "Warm", "owner": "marketing", "description": "", "communication": "",
            "enter": {"count": {"of": "a_demo_request"}}},
    )  # fmt: skip
    after["evidence"]["purchase"]["any_of"].append({"kinds": ["converted"]})
    after["switches"]["retail"] = False
    after["approval"] = ["marketing", "sales"]
    after["cool_down"]["days"] = 10
    assert said(before, after) == {
        "About": ["name: Our definition → Ours"],
        "Stages": [
            "Prospect, label: Ready → Prospect",
            "Prospect, follow up within (business hours): 4 → 8",
            "Warm: new: a demo request",
        ],
        "Evidence": ["a purchase, events: new: was converted to a customer"],
        "Switches, returns and publishing": [
            "retail: on → off",
            "approval: Sales → Marketing and Sales",
            "cool-down in days: 30 → 10",
        ],
    }


def test_criteria_that_are_only_combined_otherwise_are_told_too() -> None:
    before, after = changed()
    before["stages"][1]["enter"] = {"all": [{"count": {"of": "a_demo_request"}}, {"count": {"of": "purchase"}}]}
    after["stages"][1]["enter"] = {"any": [{"count": {"of": "a_demo_request"}}, {"count": {"of": "purchase"}}]}
    assert said(before, after) == {"Stages": ["Ready, to enter: the same criteria → combined in another way"]}


def test_the_order_of_stages_is_told() -> None:
    before, after = changed()
    after["stages"][1], after["stages"][2] = after["stages"][2], after["stages"][1]
    found = said(before, after)
    assert found["Stages"] == ["order, weakest first: Lead, Ready, Customer → Lead, Customer, Ready"]


@pytest.mark.parametrize("language", ["en-gb", "de"])
def test_any_two_shipped_definitions_can_be_told_apart(language: str) -> None:
    documents: list[DefinitionDocument] = [
        read_document(yaml.safe_load(path.read_text())) for path in sorted(PRESETS.glob("*.yaml"))
    ]
    with override(language):
        for first in documents:
            for second in documents:
                areas = changes_between(first, second)
                assert bool(areas) == (first is not second)
                assert all(str(change) for area in areas for change in area.changes)

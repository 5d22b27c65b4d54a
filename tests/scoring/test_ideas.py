"""Each definition that Ripen ships has its idea in a paragraph, and none that it does not ship."""

from pathlib import Path

from django.utils.translation import override

from scoring.ideas import IDEAS, idea_of

PRESETS = Path(__file__).parents[2] / "scoring" / "presets"


def test_every_shipped_definition_has_one_and_no_other() -> None:
    assert {path.stem for path in PRESETS.glob("*.yaml")} == set(IDEAS)
    assert next(iter(IDEAS)) == "default"
    assert idea_of("our-own") == ""


def test_it_is_a_paragraph_in_every_language() -> None:
    for language in ("en-gb", "de"):
        with override(language):
            assert [key for key, text in IDEAS.items() if not 150 < len(str(text)) < 600] == []

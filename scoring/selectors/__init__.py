"""Reads of the judgement app: definitions in force, facts as arrays, transitions."""

from scoring.selectors.definitions import (
    Reign,
    compile_row,
    definition_document,
    document_in_force,
    find_definition,
    find_draft,
    published_definition,
    reigns,
    stage_labels,
)
from scoring.selectors.facts import current_facts, load_facts
from scoring.selectors.histories import profile_values

__all__ = [
    "Reign",
    "compile_row",
    "current_facts",
    "definition_document",
    "document_in_force",
    "find_definition",
    "find_draft",
    "load_facts",
    "profile_values",
    "published_definition",
    "reigns",
    "stage_labels",
]

"""The definition document: what an organisation calls lead, prospect and customer, as typed data."""

from scoring.definition.document import (
    STAGE_KEYS,
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
)
from scoring.definition.files import dump_yaml, load_yaml, parse_yaml, read_document, stored_document, to_builtins
from scoring.definition.problems import DefinitionError, Problem
from scoring.definition.validation import find_problems

__all__ = [
    "STAGE_KEYS",
    "AttributeTest",
    "Count",
    "Counting",
    "Criterion",
    "DefinitionDocument",
    "DefinitionError",
    "Fit",
    "FitRule",
    "Gate",
    "Group",
    "Learned",
    "Match",
    "Problem",
    "PropertyTest",
    "Qualifier",
    "Signal",
    "Stage",
    "Threshold",
    "dump_yaml",
    "find_problems",
    "load_yaml",
    "parse_yaml",
    "read_document",
    "stored_document",
    "to_builtins",
]

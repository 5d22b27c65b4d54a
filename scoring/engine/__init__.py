"""The judgement itself: a pure function of facts, a definition and a moment. No Django, no clock, no database."""

from scoring.engine.compiled import Compiled, KindFacts, compile_definition
from scoring.engine.facts import NEVER, UNKNOWN_PAST, Facts, Prior, Verdicts
from scoring.engine.judging import judge
from scoring.engine.ledger import Ledger, LedgerLine, take_apart
from scoring.engine.profile import Assessment, Assessor, relevant_attributes
from scoring.engine.replaying import Change, MomentCause, Timeline, replay

__all__ = [
    "NEVER",
    "UNKNOWN_PAST",
    "Assessment",
    "Assessor",
    "Change",
    "Compiled",
    "Facts",
    "KindFacts",
    "Ledger",
    "LedgerLine",
    "MomentCause",
    "Prior",
    "Timeline",
    "Verdicts",
    "compile_definition",
    "judge",
    "relevant_attributes",
    "replay",
    "take_apart",
]

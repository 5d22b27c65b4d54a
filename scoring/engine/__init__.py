"""The judgement itself: a pure function of facts, a definition and a moment. No Django, no clock, no database."""

from scoring.engine.coding import FIRST_PROPERTY_CODE, CodedMatch, KindFacts
from scoring.engine.compiled import Compiled, compile_definition
from scoring.engine.factors import Factor, Factors, factors_of_likelihood
from scoring.engine.facts import NEVER, UNKNOWN_PAST, Facts, Prior, Verdicts, likelihood_of
from scoring.engine.judging import judge
from scoring.engine.ledger import Ledger, LedgerLine, take_apart
from scoring.engine.profile import Assessment, Assessor, relevant_attributes
from scoring.engine.replaying import Change, MomentCause, Timeline, replay
from scoring.engine.weighing import Weights, weigh_events

__all__ = [
    "FIRST_PROPERTY_CODE",
    "NEVER",
    "UNKNOWN_PAST",
    "Assessment",
    "Assessor",
    "Change",
    "CodedMatch",
    "Compiled",
    "Factor",
    "Factors",
    "Facts",
    "KindFacts",
    "Ledger",
    "LedgerLine",
    "MomentCause",
    "Prior",
    "Timeline",
    "Verdicts",
    "Weights",
    "compile_definition",
    "factors_of_likelihood",
    "judge",
    "likelihood_of",
    "relevant_attributes",
    "replay",
    "take_apart",
    "weigh_events",
]

"""What the learned score says of one contact, beside the hand-written one, taken apart into its factors."""

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from scoring.definition import DefinitionDocument
from scoring.definition.document import Learned
from scoring.engine import UNKNOWN_PAST, Assessor, Compiled, Factors, Facts, compile_definition, factors_of_likelihood
from scoring.enums import ModelState
from scoring.models import LearnedModel
from scoring.moments import to_micros
from scoring.services.case import Case


def explain_likelihood(case: Case) -> dict[str, Any] | None:
    """The likelihood of a purchase with its factors, JSON-ready; None where no learned score is ready.

    It is the definition's own learned score where it has one switched on (``criterion``: whether a stage asks for
    it), else the one that was trained for that definition and waits to be used. The factors' ``log_odds``, the first
    that everybody starts from included, add up to those of the likelihood. At most one query.
    """
    learned = case.document.learned
    if learned is not None and learned.enabled:
        compiled, facts = case.compiled, case.facts
    else:
        learned = _trained_for(case.compiled.version)
        if learned is None:
            return None
        compiled = _with_score(case, learned)
        facts = _with_answers(case, compiled.document)
    factors = factors_of_likelihood(compiled, facts, to_micros(case.at))
    if factors is None:
        return None
    return {
        "likelihood": round(factors.likelihood, 4),
        "criterion": any(leaf.likelihood is not None for leaf in case.document.leaves()),
        "auc": learned.auc,
        "outcomes": learned.outcomes,
        "trained_at": learned.trained_at or None,
        "factors": _rows(factors),
    }


def _rows(factors: Factors) -> list[dict[str, Any]]:
    return [
        {"rule": line.feature or None, "label": line.label, "value": line.value, "log_odds": line.log_odds}
        for line in factors.lines
    ]


def _trained_for(version: str) -> Learned | None:
    """The learned score that is ready for a definition (key@version) and not part of it."""
    key, _, number = version.partition("@")
    if not number.isdecimal():
        return None
    models = LearnedModel.objects.filter(definition__key=key, definition__version=int(number), state=ModelState.READY)
    weights = models.values_list("weights", flat=True).first()
    return None if weights is None else msgspec.convert(weights, Learned)


def _with_score(case: Case, learned: Learned) -> Compiled:
    document = msgspec.structs.replace(case.document, learned=msgspec.structs.replace(learned, enabled=True))
    return compile_definition(document, case.cases.kinds, version=case.compiled.version)


def _with_answers(case: Case, document: DefinitionDocument) -> Facts:
    """The case's facts with what the learned score asks of the profile; the events' codes are the same for both."""
    assessor = Assessor(document)
    assessed = assessor.assess([case.profile.get(name) for name in assessor.attributes])
    return replace(
        case.facts,
        profile_contact=np.zeros(1, dtype=np.int64),
        profile_at=np.array([UNKNOWN_PAST], dtype=np.int64),
        profile_fit=np.array([assessed.fit], dtype=np.int64),
        profile_answers=np.array([assessed.answers], dtype=np.bool_),
    )

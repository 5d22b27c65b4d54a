"""Freezing why contacts are offered to Sales, as it was when they were."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from scoring.services.explain import explain_standings

log = logging.getLogger(__name__)


def freeze_evidence(*, stages: Mapping[int, str], at: datetime) -> dict[int, dict[str, Any]]:
    """Freeze why each contact is offered: the sentence, the scores, the ledger's lines and the open questions.

    ``stages``: the stage that each contact is offered for, by the contact's id. A fixed number of queries, whatever the
    number of contacts; who cannot be explained is missing from the answer, and a line in the log says why.
    """
    if not stages:
        return {}
    try:
        return _freeze(stages, at)
    except Exception:
        log.exception("evidence_failed, explaining contacts one by one", extra={"contacts": len(stages)})
    found: dict[int, dict[str, Any]] = {}
    for contact_id, stage in stages.items():
        try:
            found |= _freeze({contact_id: stage}, at)
        except Exception:
            log.exception("The evidence of contact %s could not be computed", contact_id)
    return found


def _freeze(stages: Mapping[int, str], at: datetime) -> dict[int, dict[str, Any]]:
    # A savepoint: what cannot be explained must not sink the offers of others.
    with transaction.atomic():
        explained = explain_standings(contact_ids=list(stages), at=at)
    return {contact_id: _evidence(why, stages[contact_id]) for contact_id, why in explained.items()}


def _evidence(why: Mapping[str, Any], stage: str) -> dict[str, Any]:
    return {
        "sentence": why["sentence"],
        "stage": stage,
        "engagement": why["scores"]["engagement"],
        "fit": why["scores"]["fit"],
        "lines": why["ledger"],
        "fit_lines": [{key: line[key] for key in ("rule", "label", "points")} for line in why["fit_ledger"]],
        "criteria": counted_criteria(why["criteria"], stage),
        "questions": [asked["gate"] for asked in why["questions"]],
        "definition": why["definition"],
    }


def counted_criteria(criteria: Sequence[Mapping[str, Any]], stage: str) -> list[dict[str, str]]:
    """The evidence that counted towards a stage: ``rule`` (its key) and ``label`` (the criterion in words), once each.

    Of an explanation's ``criteria``: what holds of the stage's ``enter``, or where that does not hold, of its ``keep``.
    """
    found: dict[str, str] = {}
    for tree in criteria:
        if tree["stage"] == stage:
            nodes = [tree["enter"] if tree["entered"] else tree["keep"] or tree["enter"]]
            while nodes:
                node = nodes.pop(0)
                if node and node["met"]:
                    nodes[:0] = node["children"]
                    if node["rule"]:
                        found.setdefault(node["rule"], node["text"])
    return [{"rule": rule, "label": label} for rule, label in found.items()]

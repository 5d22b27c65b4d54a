"""What a definition would do if it were published now: every contact, judged, and nothing written."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from django.db import connection

from scoring.definition import DefinitionDocument
from scoring.engine import Assessor, Compiled, Prior, compile_definition, judge
from scoring.matching import load_kinds
from scoring.moments import to_micros
from scoring.selectors import load_facts, published_definition
from scoring.services.folding import fold_contacts
from scoring.services.ranges import contact_ranges, judge_range

EXAMPLES = 20


@dataclass(slots=True)
class WhatIf:
    """The migration matrix: how many contacts would go from one stage to another (or stay), with some of each cell.

    ``opens`` counts those who would be offered to Sales, ``withdraws`` those who would leave the handoff stages.
    """

    contacts: int = 0
    moved: int = 0
    opens: int = 0
    withdraws: int = 0
    matrix: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], list[int]] = field(default_factory=dict)


def what_if(document: DefinitionDocument, *, now: datetime, chunk: int = 20_000) -> WhatIf:
    """Judge every contact under ``document`` as publishing it at ``now`` would; equal to publishing, but read only."""
    compiled = compile_definition(document, load_kinds(), version=f"{document.key}@draft")
    assessor = Assessor(document)
    _, current = published_definition()
    handed_over = {stage.key for stage in current.stages if stage.handoff}
    would_hand_over = {stage.key for stage in document.stages if stage.handoff}
    result = WhatIf()
    for first, last in contact_ranges(chunk):
        for contact_id, origin, target in (
            *_settled(compiled, assessor, now, first, last),
            *_unsettled(compiled, assessor, now, first, last),
        ):
            result.contacts += 1
            result.matrix[origin, target] += 1
            if origin != target:
                result.moved += 1
                examples = result.examples.setdefault((origin, target), [])
                if len(examples) < EXAMPLES:
                    examples.append(contact_id)
            result.opens += target in would_hand_over and origin not in handed_over
            result.withdraws += origin in handed_over and target not in would_hand_over
    return result


def _settled(
    compiled: Compiled, assessor: Assessor, now: datetime, first: int, last: int
) -> Iterator[tuple[int, str, str]]:
    found = judge_range(compiled, assessor, now, first, last)
    if found is not None:
        yield from zip(found.ids.tolist(), found.from_keys.tolist(), found.to_keys.tolist(), strict=True)


_UNSETTLED = """
SELECT contact_id FROM contacts_standing
WHERE contact_id BETWEEN %(first)s AND %(last)s AND (review_at <= %(now)s OR evaluated_at >= %(now)s)
UNION SELECT contact_id FROM contacts_due WHERE contact_id BETWEEN %(first)s AND %(last)s ORDER BY contact_id
"""


def _unsettled(
    compiled: Compiled, assessor: Assessor, now: datetime, first: int, last: int
) -> Iterator[tuple[int, str, str]]:
    """Contacts with new facts or overdue reviews: first brought up to just before the moment, as the drain would."""
    with connection.cursor() as cursor:
        cursor.execute(_UNSETTLED, {"first": first, "last": last, "now": now})
        ids = np.array([contact_id for (contact_id,) in cursor.fetchall()], dtype=np.int64)
    if not len(ids):
        return
    folded = fold_contacts(ids, until=now - timedelta(microseconds=1))
    known = np.array([bool(stage) for stage in folded.stage])
    ids, stages = ids[known], [stage for stage in folded.stage if stage]
    if not len(ids):
        return
    rank = np.array([compiled.document.stage_rank(stage) for stage in stages], dtype=np.int16)
    facts = load_facts(ids, compiled, assessor, until=now)
    verdicts = judge(compiled, facts, np.full(len(ids), to_micros(now), dtype=np.int64), Prior(rank, rank))
    for contact_id, origin, place in zip(ids.tolist(), stages, verdicts.stage.tolist(), strict=True):
        yield contact_id, origin, compiled.document.stages[place].key

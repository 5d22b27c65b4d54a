"""The duplicate finder: looks through all contacts for pairs that are probably one person and suggests merging."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from django.db import connection, transaction

from contacts.enums import MergeDecision, SuggestedBy
from contacts.matching import SUGGESTED_FROM, Likeness, compare
from contacts.models import Job, MergeSuggestion
from contacts.selectors.duplicates import RULES, batches, candidate_pairs, decided_pairs, people
from contacts.services.work import Progress

# The likeliest so many are suggested; who has worked them off searches again.
MOST_SUGGESTIONS: Final = 10_000
_COMPARED_AT_ONCE: Final = 2_000
_WRITTEN_AT_ONCE: Final = 1_000
REASON: Final = "They look alike"

_SUGGEST: Final = """
INSERT INTO contacts_mergesuggestion (contact_id, other_id, suggested_by, reason, score, evidence)
SELECT found.one, found.other, %(finder)s, %(reason)s, found.score, found.evidence
FROM jsonb_to_recordset(%(found)s::jsonb) AS found(one bigint, other bigint, score smallint, evidence jsonb)
JOIN contacts_contact one ON one.id = found.one AND one.present
JOIN contacts_contact other ON other.id = found.other AND other.present
ON CONFLICT (contact_id, other_id) DO UPDATE SET score = excluded.score, evidence = excluded.evidence
WHERE contacts_mergesuggestion.decision = '' AND contacts_mergesuggestion.suggested_by = %(finder)s
  AND (contacts_mergesuggestion.score, contacts_mergesuggestion.evidence)
      IS DISTINCT FROM (excluded.score, excluded.evidence)
"""


class _Found(msgspec.Struct):
    """A pair that is worth a person's look."""

    one: int
    other: int
    score: int
    evidence: list[Any]


def find_duplicates(job: Job, progress: Progress) -> Mapping[str, Any]:
    """Compare all pairs that share something and suggest the likely ones; begun again, it finds the same.

    Returns ``compared`` and ``suggested`` (numbers of pairs), ``capped`` (more were likely than are suggested) and
    ``withdrawn``: open suggestions of an earlier search that no longer hold. A pair that somebody has called different
    people is never suggested again.
    """
    pairs = np.unique(np.concatenate([candidate_pairs(rule) for rule in RULES]), axis=0)
    progress.begin(len(pairs), unit="pairs")
    decided = decided_pairs()
    found: list[_Found] = []
    for batch in batches(pairs, _COMPARED_AT_ONCE):
        found += _likely([pair for pair in batch if pair not in decided])
        progress.advance(len(batch))
    found.sort(key=lambda pair: (-pair.score, pair.one, pair.other))
    likely = found[:MOST_SUGGESTIONS]
    for first in range(0, len(likely), _WRITTEN_AT_ONCE):
        _suggest(likely[first : first + _WRITTEN_AT_ONCE])
    return {
        "compared": len(pairs),
        "suggested": len(likely),
        "capped": len(found) > len(likely),
        "withdrawn": _withdraw_others({(pair.one, pair.other) for pair in likely}),
    }


def _likely(pairs: Sequence[tuple[int, int]]) -> list[_Found]:
    known = people([contact_id for pair in pairs for contact_id in pair])
    found = []
    for one, other in pairs:
        if one in known and other in known:
            likeness: Likeness = compare(known[one], known[other])
            if likeness.score >= SUGGESTED_FROM:
                found.append(_Found(one, other, likeness.score, msgspec.to_builtins(likeness.evidence)))
    return found


def _suggest(found: Sequence[_Found]) -> None:
    values = {"finder": SuggestedBy.FINDER, "reason": REASON, "found": msgspec.json.encode(found).decode()}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_SUGGEST, values)


def _withdraw_others(found: set[tuple[int, int]]) -> int:
    """Take back open suggestions of the finder that it would not make any more; returns how many."""
    open_ones = MergeSuggestion.objects.filter(suggested_by=SuggestedBy.FINDER, decision=MergeDecision.OPEN)
    stale = [
        suggestion_id
        for suggestion_id, one, other in open_ones.values_list("id", "contact_id", "other_id")
        if (one, other) not in found
    ]
    # Somebody may have decided meanwhile.
    number, _ = open_ones.filter(pk__in=stale).delete()
    return number

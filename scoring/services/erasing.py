"""What becomes of judgements when a person is erased, and what is told of them when they ask."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.db import connection
from django.db.models import F, Value
from django.db.models.functions import Coalesce

from contacts.models import Standing
from contacts.registry import Erasing
from scoring.models import Transition

# Of each cell of a matrix the one part in which an id can be: the last that does not begin beyond it.
_TAKE_OUT: Final = """
WITH held AS (
    SELECT DISTINCT ON (run_id, origin, target) id FROM scoring_runcell
    WHERE first_id <= %(contact)s ORDER BY run_id, origin, target, first_id DESC
), smaller AS (
    SELECT cell.id, array_remove(cell.contact_ids, %(contact)s) AS others
    FROM scoring_runcell AS cell JOIN held USING (id) WHERE cell.contact_ids @> ARRAY[%(contact)s]::bigint[]
), emptied AS (
    DELETE FROM scoring_runcell AS cell USING smaller WHERE cell.id = smaller.id AND smaller.others = '{}'
)
UPDATE scoring_runcell AS cell SET contact_ids = smaller.others, first_id = smaller.others[1]
FROM smaller WHERE cell.id = smaller.id AND smaller.others <> '{}'
"""


def erase_judgements(erasing: Erasing) -> None:
    """Let the husk keep the changes of stage with their dates, so that nothing that was counted changes.

    Their causes lose their events; they have no consequences any more. The standing goes, and the person leaves the
    lists behind the numbers of what-ifs and comparisons.
    """
    Standing.objects.filter(contact__in=erasing.contact_ids).delete()
    Transition.objects.filter(contact__in=erasing.contact_ids).update(
        contact=erasing.husk_id, cause_event=None, consumed_at=Coalesce("consumed_at", Value(erasing.now))
    )
    with connection.cursor() as cursor:
        for contact_id in erasing.contact_ids:
            cursor.execute(_TAKE_OUT, {"contact": contact_id})


def export_judgements(contact_ids: Sequence[int]) -> Mapping[str, Any]:
    """Tell where these contacts stand, with scores in points, and every change of stage, corrected ones too."""
    transitions = (
        Transition.objects.filter(contact__in=contact_ids)
        .order_by("effective_at", "id")
        .annotate(key=F("definition__key"), version=F("definition__version"), event=F("cause_event_id"))
    )
    standings = Standing.objects.filter(contact__in=contact_ids).order_by("contact_id")
    return {
        "standings": [
            {
                "contact": str(row.contact_id),
                "stage": row.stage,
                "since": row.stage_since,
                "furthest": row.furthest_stage,
                "engagement": row.engagement,
                "fit": row.fit,
                "evaluated_at": row.evaluated_at,
            }
            for row in standings
        ],
        "transitions": [
            {
                "contact": str(row.contact_id),
                "from": row.from_stage,
                "to": row.to_stage,
                "at": row.effective_at,
                "recorded_at": row.recorded_at,
                "cause": row.cause,
                "event": str(row.event) if row.event else None,
                "definition": f"{row.key}@{row.version}",
                "engagement": row.engagement_mp / 1000,
                "fit": row.fit_mp / 1000,
                "corrected_at": row.superseded_at,
            }
            for row in transitions
        ],
    }

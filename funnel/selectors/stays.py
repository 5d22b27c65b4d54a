"""How long contacts stood at a stage before they left it."""

from typing import Final

from django.db import connection

from funnel.selectors.figures import counted_stages

# So many of the latest moves to each stage are looked at, however many there are.
LATEST: Final = 400

_STAYS: Final = """
WITH latest AS MATERIALIZED (
    SELECT passage.* FROM generate_series(0, %(places)s - 1) AS stage (place) CROSS JOIN LATERAL (
        SELECT contact_id, at, origin FROM funnel_passage WHERE target = stage.place ORDER BY at DESC LIMIT %(latest)s
    ) AS passage
)
SELECT latest.origin, percentile_cont(0.5) WITHIN GROUP (ORDER BY date_part('epoch', latest.at - entered.at))
FROM latest CROSS JOIN LATERAL (
    SELECT at FROM funnel_passage AS earlier
    WHERE earlier.contact_id = latest.contact_id AND earlier.at < latest.at ORDER BY earlier.at DESC LIMIT 1
) AS entered
WHERE latest.origin >= 0 GROUP BY latest.origin
"""


def median_stays() -> dict[str, float]:
    """The median time in each stage, in seconds, of the latest stays that ended; two queries.

    By stage key; a stage that nobody left lately is left out. Of each stage's latest ``LATEST`` entries it is asked
    how long the contact had stood at the stage it came from, so the cost does not grow with the number of moves.
    """
    stages = counted_stages()
    with connection.cursor() as cursor:
        cursor.execute(_STAYS, {"places": len(stages), "latest": LATEST})
        return {stages[place]: float(median) for place, median in cursor.fetchall() if place < len(stages)}

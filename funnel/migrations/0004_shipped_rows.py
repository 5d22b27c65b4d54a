"""The team's calendar and the settings that every installation has, and the moves of the handoffs there are already."""

from typing import Any

from django.db import migrations

# What was recorded in columns until now, in the order in which it can have happened; who did it is in the facts.
MOVES = """
WITH fact AS (
    SELECT DISTINCT ON (handoff, name) event.properties ->> 'handoff' AS handoff, kind.name AS name, event.recorded_by_id
    FROM contacts_event AS event JOIN contacts_kind AS kind ON kind.id = event.kind_id
    WHERE kind.name IN ('handoff_claimed', 'handoff_accepted', 'handoff_returned', 'converted')
      AND event.properties ? 'handoff'
    ORDER BY handoff, name, event.id
)
INSERT INTO funnel_handoffmove (handoff_id, number, name, from_state, to_state, by_id, from_rep_id, to_rep_id, at,
                                reason, note)
SELECT handoff_id, row_number() OVER (PARTITION BY handoff_id ORDER BY place) - 1, made.name, from_state, to_state,
       fact.recorded_by_id, from_rep_id, to_rep_id, at, reason, note
FROM (
    SELECT id AS handoff_id, 0 AS place, 'offer' AS name, '' AS from_state, 'offered' AS to_state, '' AS fact,
           NULL::int AS from_rep_id, NULL::int AS to_rep_id, offered_at AS at, '' AS reason, '' AS note
    FROM funnel_handoff
    UNION ALL
    SELECT id, 1, 'claim', 'offered', 'claimed', 'handoff_claimed', NULL, claimed_by_id, claimed_at, '', ''
    FROM funnel_handoff WHERE claimed_at IS NOT NULL
    UNION ALL
    -- Whoever won at once has accepted in that moment: that was one move.
    SELECT id, 2, 'accept', 'claimed', 'accepted', 'handoff_accepted', claimed_by_id, claimed_by_id, accepted_at, '', ''
    FROM funnel_handoff AS handoff WHERE accepted_at IS NOT NULL AND claimed_at IS NOT NULL
      AND NOT (state = 'won' AND accepted_at = closed_at)
    UNION ALL
    SELECT id, 3,
           CASE WHEN state = 'won' AND note <> '' THEN 'win' WHEN state = 'won' THEN 'close as won'
                WHEN state = 'returned' THEN 'return' WHEN state = 'suspended' THEN 'suspend'
                WHEN state = 'expired' THEN 'expire' WHEN claimed_at IS NOT NULL THEN 'give up' ELSE 'withdraw' END,
           CASE WHEN accepted_at IS NOT NULL AND NOT (state = 'won' AND accepted_at = closed_at) THEN 'accepted'
                WHEN claimed_at IS NOT NULL THEN 'claimed' ELSE 'offered' END,
           state,
           CASE WHEN state = 'won' AND note <> '' THEN 'converted'
                WHEN state = 'returned' THEN 'handoff_returned' ELSE '' END,
           claimed_by_id, CASE WHEN state IN ('won', 'suspended') THEN claimed_by_id END, closed_at, reason, note
    FROM funnel_handoff WHERE closed_at IS NOT NULL
) AS made LEFT JOIN fact ON fact.handoff = made.handoff_id::text AND fact.name = made.fact
"""
# Whoever accepted has talked to somebody: no clock of ours takes that away in hindsight.
COUNTED = """
UPDATE funnel_handoff SET first_offered_at = offered_at, attempted_at = accepted_at,
    last_activity_at = greatest(claimed_at, accepted_at, CASE WHEN claimed_at IS NOT NULL THEN closed_at END),
    moves_made = (SELECT count(*) - 1 FROM funnel_handoffmove WHERE handoff_id = funnel_handoff.id)
"""


def ship(apps: Any, schema_editor: Any) -> None:
    """Make the team's calendar (Monday to Friday, nine to five, UTC) and the settings."""
    apps.get_model("funnel", "WorkingCalendar").objects.get_or_create(is_team=True, defaults={"name": "Team"})
    apps.get_model("funnel", "SalesSettings").objects.get_or_create(pk=1)


class Migration(migrations.Migration):
    """See the module's docstring."""

    dependencies = [("funnel", "0003_handing_over")]

    operations = [
        migrations.RunPython(ship, migrations.RunPython.noop),
        migrations.RunSQL(MOVES, migrations.RunSQL.noop),
        migrations.RunSQL(COUNTED, migrations.RunSQL.noop),
    ]

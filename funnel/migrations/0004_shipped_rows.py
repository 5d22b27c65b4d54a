"""The team's calendar and the settings that every installation has, and the moves of the handoffs there are already."""

from typing import Any

from django.db import migrations

# What was recorded in columns until now, in the order in which it can have happened.
MOVES = """
INSERT INTO funnel_handoffmove (handoff_id, number, name, from_state, to_state, by_id, from_rep_id, to_rep_id, at, reason,
                                note)
SELECT handoff_id, row_number() OVER (PARTITION BY handoff_id ORDER BY place) - 1, name, from_state, to_state, by_id,
       from_rep_id, to_rep_id, at, reason, note
FROM (
    SELECT id AS handoff_id, 0 AS place, 'offer' AS name, '' AS from_state, 'offered' AS to_state, NULL::int AS by_id,
           NULL::int AS from_rep_id, NULL::int AS to_rep_id, offered_at AS at, '' AS reason, '' AS note
    FROM funnel_handoff
    UNION ALL
    SELECT id, 1, 'claim', 'offered', 'claimed', claimed_by_id, NULL, claimed_by_id, claimed_at, '', ''
    FROM funnel_handoff WHERE claimed_at IS NOT NULL
    UNION ALL
    SELECT id, 2, 'accept', 'claimed', 'accepted', claimed_by_id, claimed_by_id, claimed_by_id, accepted_at, '', ''
    FROM funnel_handoff WHERE accepted_at IS NOT NULL
    UNION ALL
    SELECT id, 3, CASE state WHEN 'won' THEN 'win' WHEN 'returned' THEN 'return' WHEN 'withdrawn' THEN 'withdraw'
                             WHEN 'suspended' THEN 'suspend' ELSE 'expire' END,
           CASE WHEN accepted_at IS NOT NULL THEN 'accepted' WHEN claimed_at IS NOT NULL THEN 'claimed' ELSE 'offered' END,
           state, CASE WHEN state = 'returned' THEN claimed_by_id END, claimed_by_id, NULL, closed_at, reason, note
    FROM funnel_handoff WHERE closed_at IS NOT NULL
) AS made
"""
COUNTED = """
UPDATE funnel_handoff SET first_offered_at = offered_at, moves_made = (
    SELECT count(*) - 1 FROM funnel_handoffmove WHERE handoff_id = funnel_handoff.id)
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

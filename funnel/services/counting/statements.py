"""The figures' arithmetic as SQL: what a contact's transitions come to, and what that adds to each cell.

One text serves the few contacts of a drain, all of them at once, and the proof. Names in braces are filled in with
constants of this package alone; whatever comes from outside is a parameter.
"""

# ruff: noqa: S608  put together of constants

from typing import Final

from funnel.analytics import AGES, PLACES

_SECONDS_A_DAY: Final = 86_400
_PAIRS: Final = [(origin, target) for target in range(PLACES) for origin in range(target)]
_MOMENTS: Final = ", ".join(f"min(at) FILTER (WHERE target >= {place})" for place in range(PLACES))
_STOOD: Final = ", ".join(f"min(at) FILTER (WHERE target = {place})" for place in range(PLACES))
# The target was reached (a comparison with a moment that there is not gives NULL), and the origin not stood at by then.
_SKIPPED: Final = " | ".join(
    f"CASE WHEN coalesce(stood[{origin + 1}], 'infinity') >= moments[{target + 1}] "
    f"THEN {1 << (PLACES * origin + target)} ELSE 0 END"
    for origin, target in _PAIRS
)
_AGE_ENDS: Final = ", ".join(str(days * _SECONDS_A_DAY) for days in AGES)
_FACETS: Final = "source, motion, campaign, country"

MOVE_COLUMNS: Final = "contact_id, at, origin, target"
REACHED_COLUMNS: Final = (
    "contact_id, moments, strict, skipped, source, motion, direction, campaign, country, company_id"
)
CELL: Final = "facet, grain, origin, target, value, day"
SUMS: Final = ("moves", "reached", "loose", "strict", "skipped", "waited")
_SUMS: Final = ", ".join(SUMS)
_AGES: Final = [f"age_{place}" for place in range(len(AGES) + 1)]
_AGE_PLACES: Final = range(1, len(_AGES) + 1)

# Moves as transitions in force tell them. A stage that is not counted apart is the next weaker one that is; between two
# such there is no move. %(keys)s are all stage keys and "", %(places)s the place of each.
MOVES: Final = """
    SELECT contact_id, at, origin, target FROM (
        SELECT contact_id, effective_at AS at,
               coalesce((%(places)s::smallint[])[array_position(%(keys)s::text[], from_stage::text)], 0) AS origin,
               coalesce((%(places)s::smallint[])[array_position(%(keys)s::text[], to_stage::text)], 0) AS target
        FROM scoring_transition WHERE superseded_at IS NULL AND {chosen}
    ) AS placed
    WHERE origin <> target
"""

# How far contacts came, from a relation {moves} of MOVE_COLUMNS.
REACHED: Final = f"""
    SELECT contact_id, array_remove(moments, NULL) AS moments, strict, {_SKIPPED} AS skipped,
           contact.source_channel AS source, contact.source_motion AS motion, contact.source_direction AS direction,
           contact.source_campaign AS campaign, contact.country, contact.company_id
    FROM (
        SELECT contact_id, ARRAY[{_MOMENTS}] AS moments, ARRAY[{_STOOD}] AS stood,
               bit_or(CASE WHEN target > best AND follows > target
                      THEN 1 << ({PLACES} * target + follows) ELSE 0 END) AS strict
        FROM (
            SELECT contact_id, at, target,
                   coalesce(max(target) OVER (line ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), -1) AS best,
                   lead(target) OVER line AS follows
            FROM {{moves}} AS made WINDOW line AS (PARTITION BY contact_id ORDER BY at)
        ) AS seen
        GROUP BY contact_id
    ) AS came
    JOIN contacts_contact AS contact ON contact.id = contact_id
"""

# Each pair of stages that somebody reached, with the seconds between; {reached} is a relation of REACHED_COLUMNS.
PAIRS: Final = f"""
    SELECT came.*, pair.origin, pair.target,
           round(date_part('epoch', moments[1 + pair.target] - moments[1 + pair.origin]))::integer AS wait
    FROM {{reached}} AS came JOIN (VALUES {", ".join(map(str, _PAIRS))}) AS pair (origin, target)
        ON pair.target < cardinality(moments)
"""

# What moves and reached stages add to the cells of their days, {sign} times.
ADDS: Final = f"""
    SELECT contact_id, (at AT TIME ZONE 'UTC')::date AS day, origin, target, {_FACETS}, {{sign}} AS moves,
           0 AS reached, 0 AS loose, 0 AS strict, 0 AS skipped, 0 AS waited, NULL::integer AS age, NULL::integer AS wait
    FROM {{moves}} AS made JOIN {{reached}} AS came USING (contact_id)
    UNION ALL
    SELECT contact_id, (moments[1 + place] AT TIME ZONE 'UTC')::date, place, place, {_FACETS}, 0, {{sign}}, 0, 0, 0, 0,
           NULL, NULL
    FROM {{reached}} AS came JOIN (VALUES {", ".join(f"({place})" for place in range(PLACES))}) AS places (place)
        ON place < cardinality(moments)
    UNION ALL
    SELECT contact_id, (moments[1 + origin] AT TIME ZONE 'UTC')::date, origin, target, {_FACETS}, 0, 0, {{sign}},
           {{sign}} * ((strict >> ({PLACES} * origin + target)) & 1),
           {{sign}} * ((skipped >> ({PLACES} * origin + target)) & 1), 0,
           width_bucket(wait - 1, ARRAY[{_AGE_ENDS}]), NULL
    FROM {{pairs}} AS came
    UNION ALL
    SELECT contact_id, (moments[1 + target] AT TIME ZONE 'UTC')::date, origin, target, {_FACETS}, 0, 0, 0, 0, 0,
           {{sign}}, NULL, wait
    FROM {{pairs}} AS came
"""

# Of ADDS, what does not cancel out: whoever is counted as before adds nothing, and a wait of somebody comes or goes
# once.
NET: Final = f"""
    SELECT day, origin, target, {_FACETS}, age, wait, {", ".join(f"sum({name})::integer AS {name}" for name in SUMS)}
    FROM {{adds}} AS added GROUP BY contact_id, day, origin, target, {_FACETS}, age, wait
    HAVING {" OR ".join(f"sum({name}) <> 0" for name in SUMS)}
"""

# ADDS or NET by facet: one row a cell of a day. A wait that is taken away is told as -1 minus itself.
DAYS: Final = f"""
    SELECT CASE grouping({_FACETS}) WHEN 15 THEN 0 WHEN 7 THEN 1 WHEN 11 THEN 2 WHEN 13 THEN 3 ELSE 4 END AS facet,
           origin, target, coalesce({_FACETS}, '') AS value, day,
           {", ".join(f"sum({name})::integer AS {name}" for name in SUMS)},
           {", ".join(f"sum(loose) FILTER (WHERE age = {place}) AS {name}" for place, name in enumerate(_AGES))},
           array_agg(CASE WHEN waited > 0 THEN wait ELSE -1 - wait END) FILTER (WHERE wait IS NOT NULL) AS waits
    FROM {{adds}} AS added
    GROUP BY GROUPING SETS (
        (origin, target, day), (origin, target, day, source), (origin, target, day, motion),
        (origin, target, day, campaign), (origin, target, day, country))
"""

# Cells as they are stored, of the days and of their months; {days} is a relation as DAYS makes it.
CELLS: Final = f"""
    SELECT facet, 'd' AS grain, origin, target, value, day, {_SUMS}, ARRAY[]::integer[] AS ages,
           coalesce(waits, ARRAY[]::integer[]) AS waits
    FROM {{days}} AS sums
    UNION ALL
    SELECT facet, 'm', origin, target, value, month, {_SUMS}, ages, coalesce(waits, ARRAY[]::integer[])
    FROM (
        SELECT facet, origin, target, value, date_trunc('month', day)::date AS month,
               {", ".join(f"sum({name})::integer AS {name}" for name in SUMS)},
               CASE WHEN origin BETWEEN 0 AND target - 1
                    THEN ARRAY[{", ".join(f"coalesce(sum({name}), 0)::integer" for name in _AGES)}]
                    ELSE ARRAY[]::integer[] END AS ages
        FROM {{days}} AS sums GROUP BY facet, origin, target, value, date_trunc('month', day)
    ) AS months
    LEFT JOIN (
        SELECT facet, origin, target, value, month, funnel_histogram(array_agg(bucket), array_agg(times)) AS waits
        FROM (
            SELECT facet, origin, target, value, date_trunc('month', day)::date AS month,
                   funnel_wait_bucket(CASE WHEN wait < 0 THEN -1 - wait ELSE wait END) AS bucket,
                   sum(CASE WHEN wait < 0 THEN -1 ELSE 1 END)::integer AS times
            FROM {{days}} AS sums, unnest(waits) AS wait GROUP BY 1, 2, 3, 4, 5, 6
        ) AS buckets
        GROUP BY 1, 2, 3, 4, 5
    ) AS histograms USING (facet, origin, target, value, month)
"""

# Whoever counts anew reads and writes the cells in one order. A function is called for each row that asks for it, so
# none is where there is nothing to add.
ADD_CELLS: Final = f"""
    INSERT INTO funnel_tally AS tally ({CELL}, {_SUMS}, ages, waits)
    SELECT {CELL}, {_SUMS}, ages, waits FROM ({CELLS}) AS cells
    ORDER BY facet, grain, origin, target, value COLLATE "C", day
    ON CONFLICT ({CELL}) DO UPDATE SET
        {", ".join(f"{name} = tally.{name} + excluded.{name}" for name in SUMS)},
        ages = CASE WHEN 0 = ALL (excluded.ages) THEN tally.ages
                    WHEN tally.ages = ARRAY[]::integer[] THEN excluded.ages
                    ELSE ARRAY[{", ".join(f"tally.ages[{place}] + excluded.ages[{place}]" for place in _AGE_PLACES)}]
               END,
        waits = CASE WHEN excluded.waits = ARRAY[]::integer[] THEN tally.waits
                     WHEN tally.grain = 'm' THEN funnel_add_up(tally.waits, excluded.waits)
                     WHEN 0 <= ALL (excluded.waits) THEN tally.waits || excluded.waits
                     ELSE funnel_change_waits(tally.waits, excluded.waits) END
"""

"""How much each rep has and may have, counted under a lock, so that nobody gets beyond their limit in a race.

The order of locks, for all who move handoffs: handoffs, contacts, and **these last**. Whoever has one then waits for
nobody any more, so nobody waits for each other: routing, which holds contacts, waits for a claim, and never the other
way round. So a claim is made first and asked about its room after; where there was none, all of it is taken back.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from django.db import connection

from funnel.selectors.working import Capacity, capacities

# The first half of the key of PostgreSQL's advisory locks; the second is the person's id.
_CAPACITY: Final = 0x52495045


def lock_capacities(user_ids: Iterable[int]) -> Mapping[int, Capacity]:
    """Keep what these people have from changing until the transaction ends, and say how it stands, by user id.

    Two queries. What this transaction has given them already is counted. Take it last, and once in a transaction.
    """
    wanted = sorted(set(user_ids))
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        # In the array's order, which is everybody's.
        cursor.execute("SELECT pg_advisory_xact_lock(%s, id) FROM unnest(%s::int[]) AS one (id)", [_CAPACITY, wanted])
    return capacities(wanted)

"""How much each rep has and may have, counted under a lock, so that nobody gets beyond their limit in a race.

The order of locks, for all who move handoffs: handoffs, contacts, and **these last**. Whoever has one then waits for
nobody any more, so nobody waits for each other: routing, which holds contacts, waits for a claim, and never the other
way round. So a claim is made first and asked about its room after; where there was none, all of it is taken back.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from django.contrib.auth.models import User
from django.db import connection

from funnel.errors import LimitReached
from funnel.selectors.people import name_of
from funnel.selectors.working import Capacity, capacities

# The first half of the key of PostgreSQL's advisory locks; the second is the person's id.
_CAPACITY: Final = 0x52495045


def lock_capacities(user_ids: Iterable[int]) -> Mapping[int, Capacity]:
    """Keep what these people have from changing until the transaction ends, and say how it stands, by user id.

    Five queries. What this transaction has given them already is counted. Take it last, and once in a transaction.
    """
    wanted = sorted(set(user_ids))
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        # In the array's order, which is everybody's.
        cursor.execute("SELECT pg_advisory_xact_lock(%s, id) FROM unnest(%s::int[]) AS one (id)", [_CAPACITY, wanted])
    return capacities(wanted)


def check_room(rep: User, *, was_kept: bool, themselves: bool = False) -> None:
    """Raise ``LimitReached`` where ``rep``, who was just given a handoff in this transaction, has too many now.

    What they hold counts, and what is kept for them, which is to find room too: unless this one ``was_kept`` for them.
    ``themselves``: they took it, so the sentence is to them.
    """
    now_has = lock_capacities([rep.pk])[rep.pk]
    if now_has.held > now_has.limit or (now_has.is_over and not was_kept):
        raise LimitReached(name_of(rep), now_has.limit, themselves=themselves)

"""Publications and judgements keep out of each other's way: many judge at once, while one publishes nobody does."""

from datetime import datetime

from django.db import connection

# Any constant: it names the lock among all advisory locks of the database ("RIPE" in ASCII).
_PUBLICATIONS = 0x52495045


def hold_publications() -> None:
    """Wait until no judgement is under way, and let none begin until this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_PUBLICATIONS])


def judge_under_current_publications(now: datetime) -> datetime:
    """Keep the definitions in force as they are until this transaction ends; returns the moment to judge up to.

    Without it a drain that read them before a publication committed could judge a contact past its moment. One that
    took its time before and waited here for the publication must not stop short of it: the publication has left the
    contact to the drain by now.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [_PUBLICATIONS])
        # By a statement of its own: one sees what was committed before it began, not before it stopped waiting.
        cursor.execute("SELECT max(effective_at) FROM scoring_publication WHERE retracted_at IS NULL")
        ((latest,),) = cursor.fetchall()
    return now if latest is None else max(now, latest)

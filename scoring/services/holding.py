"""Publications and judgements keep out of each other's way: many judge at once, while one publishes nobody does."""

from django.db import connection

# Any constant: it names the lock among all advisory locks of the database ("RIPE" in ASCII).
_PUBLICATIONS = 0x52495045


def hold_publications() -> None:
    """Wait until no judgement is under way, and let none begin until this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_PUBLICATIONS])


def judge_under_current_publications() -> None:
    """Keep the definitions in force as they are until this transaction ends.

    Without it a drain that read them before a publication committed could judge a contact past its moment.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [_PUBLICATIONS])

"""What waits among the consequences, in numbers that an index bounds however much there is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection

from contacts.selectors.backlog import COUNTED, MailWaiting, Waiting, mail_waiting


@dataclass(frozen=True, slots=True)
class HooksBacklog:
    """Deliveries that are due (``waiting``) and dead letters; endpoints that are told, and those that fail.

    ``dead_lately``: dead letters of the last day.
    """

    waiting: Waiting
    scheduled: int
    dead: int
    dead_lately: int
    endpoints: int
    failing: int


@dataclass(frozen=True, slots=True)
class ConsequenceBacklog:
    """Announcements that people (``to_people``) and machines (``to_machines``) were not told of yet, and so on."""

    to_people: Waiting
    to_machines: Waiting
    hooks: HooksBacklog
    mail: MailWaiting


_ANNOUNCEMENTS: Final = """
SELECT (SELECT count(*) FROM (SELECT FROM funnel_announcement WHERE noticed_at IS NULL LIMIT %(cap)s) AS few),
       (SELECT at FROM funnel_announcement WHERE noticed_at IS NULL ORDER BY id LIMIT 1),
       (SELECT count(*) FROM (SELECT FROM funnel_announcement WHERE hooked_at IS NULL LIMIT %(cap)s) AS few),
       (SELECT at FROM funnel_announcement WHERE hooked_at IS NULL ORDER BY id LIMIT 1)
"""
# Endpoints are a handful; an index of theirs answers each question.
_HOOKS: Final = """
SELECT count(*) FILTER (WHERE endpoint.disabled_at IS NULL),
       count(*) FILTER (WHERE endpoint.disabled_at IS NULL AND endpoint.failing_since IS NOT NULL),
       coalesce(sum(due.number), 0), min(due.since), coalesce(sum(later.number), 0),
       coalesce(sum(dead.number), 0), coalesce(sum(dead.lately), 0)
FROM funnel_hookendpoint AS endpoint
CROSS JOIN LATERAL (
    SELECT count(*) AS number, min(due_at) AS since FROM (
        SELECT due_at FROM funnel_hookdelivery
        WHERE endpoint_id = endpoint.id AND state = 'waiting' AND due_at <= %(now)s
        ORDER BY due_at LIMIT %(cap)s) AS few) AS due
CROSS JOIN LATERAL (
    SELECT count(*) AS number FROM (
        SELECT FROM funnel_hookdelivery
        WHERE endpoint_id = endpoint.id AND state = 'waiting' AND due_at > %(now)s LIMIT %(cap)s) AS few) AS later
CROSS JOIN LATERAL (
    SELECT count(*) AS number, count(*) FILTER (WHERE closed_at > %(now)s - interval '1 day') AS lately FROM (
        SELECT closed_at FROM funnel_hookdelivery
        WHERE endpoint_id = endpoint.id AND state = 'dead' ORDER BY id DESC LIMIT %(look)s) AS few) AS dead
"""
# Of each endpoint so many are counted.
COUNTED_OF_ENDPOINT: Final = 2_000


def consequence_backlog(*, now: datetime) -> ConsequenceBacklog:
    """Look what waits among the consequences; three queries."""
    with connection.cursor() as cursor:
        cursor.execute(_ANNOUNCEMENTS, {"cap": COUNTED + 1})
        untold, untold_since, unhooked, unhooked_since = cursor.fetchone()
        cursor.execute(_HOOKS, {"now": now, "cap": COUNTED_OF_ENDPOINT + 1, "look": COUNTED_OF_ENDPOINT})
        endpoints, failing, due, since, later, dead, lately = cursor.fetchone()
    return ConsequenceBacklog(
        to_people=Waiting(untold, untold_since, more=untold > COUNTED),
        to_machines=Waiting(unhooked, unhooked_since, more=unhooked > COUNTED),
        hooks=HooksBacklog(
            waiting=Waiting(int(due), since, more=due > COUNTED_OF_ENDPOINT),
            scheduled=int(later),
            dead=int(dead),
            dead_lately=int(lately),
            endpoints=endpoints,
            failing=failing,
        ),
        mail=mail_waiting("funnel_noticemail", now=now),
    )

"""What machines seem to have done, in groups that are judged together: same reason, source, day and mail.

Beside it what counts as a person's, in the same shape, so that a machine nobody recognised can be marked in one go.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

import msgspec
from django.db import connection

from contacts.enums import SHIPPED_KINDS
from contacts.ingest.machines import CONCERNED
from contacts.models import Event

PAGE_SIZE: Final = 50
# Events that a page looks through; what lies beyond is on the next page, or further back than it looks.
LOOKED_THROUGH: Final = 20_000
# Events that count have no index by time, which would cost every write: so many of the latest arrivals are looked at.
LATEST: Final = 100_000
_EXAMPLES: Final = 2
_LONGEST_LABEL: Final = 200
_CONCERNED_IDS: Final = [kind.id for kind in SHIPPED_KINDS if kind.name in CONCERNED]

# As contacts/ingest/bursts.py has it.
_MAIL: Final = """left(coalesce(nullif(e.properties ->> 'message_id', ''), nullif(e.properties ->> 'email_id', ''),
    nullif(e.properties ->> 'campaign', ''), ''), 200)"""
_DAY: Final = "(e.occurred_at AT TIME ZONE 'UTC')::date"
_AGENT: Final = "left(coalesce(e.properties ->> 'user_agent', ''), 200)"
_SUSPECT: Final = f"""
    SELECT e.id, e.contact_id, e.kind_id, e.source_id, e.occurred_at, e.suspect_reason AS label, {_DAY} AS day,
        {_MAIL} AS mail
    FROM contacts_event e
    WHERE e.suspect_reason <> '' AND e.retracted_at IS NULL
        AND e.occurred_at >= %(since)s AND e.occurred_at < %(until)s
        AND (%(label)s = '' OR e.suspect_reason = %(label)s) AND (%(source)s = 0 OR e.source_id = %(source)s)
    ORDER BY e.occurred_at DESC LIMIT %(most)s
"""  # noqa: S608  constants only
_COUNTED: Final = f"""
    SELECT e.id, e.contact_id, e.kind_id, e.source_id, e.occurred_at, {_AGENT} AS label, {_DAY} AS day, {_MAIL} AS mail
    FROM contacts_event e
    WHERE e.suspect_reason = '' AND e.retracted_at IS NULL AND e.kind_id = ANY(%(kinds)s)
        AND e.id > (SELECT coalesce(max(id), 0) FROM contacts_event) - %(latest)s
        AND e.occurred_at >= %(since)s AND e.occurred_at < %(until)s
        AND (%(label)s = '' OR {_AGENT} = %(label)s) AND (%(source)s = 0 OR e.source_id = %(source)s)
    ORDER BY e.occurred_at DESC LIMIT %(most)s
"""  # noqa: S608  constants only
_GROUPS: Final = """
SELECT label, source_id, day, mail, count(*), count(DISTINCT contact_id), array_agg(DISTINCT kind_id),
    min(occurred_at), max(occurred_at), (array_agg(id ORDER BY id DESC))[1:%(examples)s]
FROM ({events}) looked
WHERE %(after)s = '' OR (day, label, source_id, mail) < (%(day)s::date, %(mark_label)s, %(mark_source)s, %(mail)s)
GROUP BY label, source_id, day, mail
ORDER BY day DESC, label DESC, source_id DESC, mail DESC LIMIT %(limit)s
"""
_IDS: Final = """
SELECT id FROM ({events}) looked
WHERE day = %(day)s AND label = %(mark_label)s AND source_id = %(mark_source)s AND mail = %(mail)s ORDER BY id
"""
_REASONS: Final = """
SELECT label, count(*) FROM ({events}) looked GROUP BY label ORDER BY count(*) DESC, label LIMIT 100
"""


class GroupKey(msgspec.Struct, frozen=True, array_like=True):
    """What events of a group have in common: ``label`` is the reason, or of events that count the user agent."""

    label: str
    source_id: int
    day: date
    mail: str

    def written(self) -> str:
        """Return the key as text, for a form or an address."""
        return msgspec.json.encode(self).decode()


@dataclass(frozen=True, slots=True)
class Group:
    """Events that are judged together."""

    key: GroupKey
    source: str
    events: int
    contacts: int
    kinds: tuple[str, ...]
    first_at: datetime
    last_at: datetime
    examples: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class GroupPage:
    """A page of groups, latest day first; ``next`` is the ``after`` of the following one, ``""`` on the last."""

    groups: tuple[Group, ...]
    next: str


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for. ``suspect``: marked events, else those that count; ``since`` in event time."""

    suspect: bool
    since: datetime
    label: str = ""
    source_id: int = 0

    @property
    def events(self) -> str:
        """The statement that gives the events."""
        return _SUSPECT if self.suspect else _COUNTED

    def values(self, *, until: datetime | None = None, most: int = LOOKED_THROUGH) -> dict[str, Any]:
        """Return the statement's values."""
        return {
            "since": self.since,
            "until": until or datetime(9999, 1, 1, tzinfo=UTC),
            "label": self.label,
            "source": self.source_id,
            "kinds": _CONCERNED_IDS,
            "latest": LATEST,
            "most": most,
        }


def read_key(text: str) -> GroupKey | None:
    """Return the key that ``written`` gave, None for anything else."""
    try:
        key = msgspec.json.decode(text, type=GroupKey)
    except (msgspec.DecodeError, UnicodeError):
        return None
    is_sound = 0 < key.source_id < 2**63 and "\0" not in key.label + key.mail
    return key if is_sound and max(len(key.label), len(key.mail)) <= _LONGEST_LABEL else None


def groups_of(query: Query, *, after: str = "") -> GroupPage:
    """Return a page of groups, in two queries. An unreadable ``after`` gives the first page."""
    mark = read_key(after)
    values = {
        **query.values(until=end_of(mark.day) if mark else None),
        "after": after if mark else "",
        "day": mark.day if mark else None,
        "mark_label": mark.label if mark else "",
        "mark_source": mark.source_id if mark else 0,
        "mail": mark.mail if mark else "",
        "examples": _EXAMPLES,
        "limit": PAGE_SIZE + 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(_GROUPS.replace("{events}", query.events), values)
        rows = cursor.fetchall()
    more, rows = len(rows) > PAGE_SIZE, rows[:PAGE_SIZE]
    examples = Event.objects.select_related("contact", "kind", "source").in_bulk(
        [event_id for *_, event_ids in rows for event_id in event_ids]
    )
    names = {kind.id: kind.name for kind in SHIPPED_KINDS}
    groups = []
    for label, source_id, day, mail, events, contacts, kinds, first_at, last_at, event_ids in rows:
        shown = tuple(examples[event_id] for event_id in event_ids if event_id in examples)
        groups.append(
            Group(
                key=GroupKey(label, source_id, day, mail),
                source=shown[0].source.name if shown else "",
                events=events,
                contacts=contacts,
                kinds=tuple(sorted(names.get(kind_id, "other") for kind_id in kinds)),
                first_at=first_at,
                last_at=last_at,
                examples=shown,
            )
        )
    return GroupPage(tuple(groups), groups[-1].key.written() if more else "")


def reasons_of(query: Query) -> Sequence[tuple[str, int]]:
    """Return the reasons (or user agents) among what the page looks through, with how many events; one query."""
    with connection.cursor() as cursor:
        cursor.execute(_REASONS.replace("{events}", query.events), query.values())
        return list(cursor.fetchall())


def events_of_group(query: Query, key: GroupKey, *, limit: int) -> list[int]:
    """Return the ids of a group's events, at most ``limit``; one query."""
    begin = datetime.combine(key.day, time.min, UTC)
    of_group = Query(query.suspect, begin, key.label, key.source_id)
    values = of_group.values(until=end_of(key.day))
    marks: dict[str, Any] = {
        "day": key.day,
        "mark_label": key.label,
        "mark_source": key.source_id,
        "mail": key.mail,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(_IDS.replace("{events}", of_group.events) + " LIMIT %(limit)s", {**values, **marks})
        return [event_id for (event_id,) in cursor.fetchall()]


def end_of(day: date) -> datetime:
    """Return the moment at which a day ends, in UTC."""
    return (
        datetime.combine(day, time.min, UTC) + timedelta(days=1) if day < date.max else datetime.max.replace(tzinfo=UTC)
    )

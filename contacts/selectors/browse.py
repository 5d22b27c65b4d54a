"""The contact list: by stage, searched, filtered, sorted, a page at a time, at any number of contacts.

Pages follow a key, never an offset. Counts and search candidates are capped, so that no list costs more than the
index entries it shows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import QuerySet
from django.db.models.expressions import F
from django.db.models.fields.tuple_lookups import Tuple, TupleLessThan

from contacts.enums import Role
from contacts.models import Standing
from contacts.selectors.search import SEARCH_CAP, search_candidates, search_words

PAGE_SIZE = 50
COUNT_CAP = 10_000
SOURCES_SHOWN = 100
NOBODY = "none"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Sort(StrEnum):
    """How the list is ordered, greatest first."""

    SCORE = "score"
    RECENT = "recent"


_COLUMNS = {Sort.SCORE: "engagement_mp", Sort.RECENT: "last_activity_at"}


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for. ``owner``: a user's id, ``none`` (Marketing) or ``""``; ``source``: a channel or ``""``."""

    stage: str = ""
    text: str = ""
    owner: str = ""
    source: str = ""
    sort: Sort = Sort.SCORE
    after: str = ""

    @classmethod
    def read(cls, given: Mapping[str, str]) -> "Query":
        """Return what the parameters of the list's address ask for; what cannot be read is as if it was not there."""
        return cls(
            stage=given.get("stage", ""),
            text=given.get("q", "").strip()[:200],
            owner=given.get("owner", ""),
            source=given.get("source", "").replace("\0", ""),
            sort=Sort.RECENT if given.get("sort") == Sort.RECENT else Sort.SCORE,
            after=given.get("after", ""),
        )


@dataclass(frozen=True, slots=True)
class StageCount:
    """How many contacts of a stage meet the query; ``more`` where counting stopped at the cap."""

    key: str
    count: int
    more: bool


@dataclass(frozen=True, slots=True)
class ContactPage:
    """One page of the list.

    ``rows`` come with contact, company and owner loaded. ``next`` is the ``after`` of the following page, ``""`` on the
    last one. ``candidates_capped`` tells that the search found more than it looks at.
    """

    rows: tuple[Standing, ...]
    next: str
    counts: tuple[StageCount, ...]
    candidates_capped: bool = False

    @property
    def total(self) -> StageCount:
        """All stages together."""
        return StageCount("", sum(item.count for item in self.counts), any(item.more for item in self.counts))


@dataclass(frozen=True, slots=True)
class _Found:
    """What the search and filters leave: a restriction of the standings."""

    candidates: tuple[int, ...] | None = None
    capped: bool = False
    filters: dict[str, Any] = field(default_factory=dict)

    def standings(self) -> "QuerySet[Standing]":
        rows = Standing.objects.filter(**self.filters)
        return rows if self.candidates is None else rows.filter(pk__in=self.candidates)


def browse_contacts(query: Query, *, stages: Sequence[str], limit: int = PAGE_SIZE) -> ContactPage:
    """Return a page of contacts with the count of each stage.

    ``stages`` are the keys in use. An unreadable ``after`` gives the first page. The number of database queries does
    not depend on what is found.
    """
    found = _find(query)
    shown = [query.stage] if query.stage in stages else list(stages)
    mark = _read_mark(query)
    column = _COLUMNS[query.sort]
    keys = _ordered_keys(found, shown, column, mark, limit + 1)
    rows = Standing.objects.select_related("contact__company", "owner").in_bulk([key for key, _ in keys[:limit]])
    return ContactPage(
        rows=tuple(rows[key] for key, _ in keys[:limit] if key in rows),
        next=_write_mark(keys[limit - 1]) if len(keys) > limit else "",
        counts=tuple(_count(found, stage) for stage in stages),
        candidates_capped=found.capped,
    )


def count_stages(*, stages: Sequence[str], cap: int) -> tuple[StageCount, ...]:
    """Count the contacts of each stage, up to ``cap`` each."""
    return tuple(_count(_Found(), stage, cap=cap) for stage in stages)


def source_channels(*, limit: int = SOURCES_SHOWN) -> list[str]:
    """Return the channels contacts came from, alphabetically, by skipping through the index from one to the next."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH RECURSIVE channel AS (
                (SELECT min(source_channel) AS name FROM contacts_contact WHERE source_channel > '')
                UNION ALL
                SELECT (SELECT min(source_channel) FROM contacts_contact WHERE source_channel > channel.name)
                FROM channel WHERE channel.name IS NOT NULL
            )
            SELECT name FROM channel WHERE name IS NOT NULL LIMIT %s
            """,
            [limit],
        )
        return [name for (name,) in cursor.fetchall()]


def possible_owners() -> list[User]:
    """Return who may own contacts: active people who sell, by name."""
    sellers = [Role.REP.value, Role.MANAGER.value, Role.ADMIN.value]
    people = User.objects.filter(is_active=True, groups__name__in=sellers).distinct()
    return list(people.order_by("first_name", "last_name", "username"))


def _find(query: Query) -> _Found:
    filters: dict[str, Any] = {}
    if query.owner == NOBODY:
        filters["owner"] = None
    elif query.owner.isdecimal():
        filters["owner_id"] = int(query.owner)
    if query.source:
        filters["contact__source_channel"] = query.source
    if not search_words(query.text):
        return _Found(filters=filters)
    candidates, capped = search_candidates(query.text)
    return _Found(candidates, capped=capped, filters=filters)


def _ordered_keys(
    found: _Found, stages: Sequence[str], column: str, mark: tuple[Any, int] | None, limit: int
) -> list[tuple[int, Any]]:
    """Return (contact id, sort value) in order: each stage contributes the head of its own index."""
    parts = []
    for stage in stages:
        part = found.standings().filter(stage=stage)
        if mark is not None:
            part = part.filter(TupleLessThan(Tuple(F(column), F("contact_id")), mark))
        parts.append(part.order_by(f"-{column}", "-contact_id").values_list("contact_id", column)[:limit])
    if not parts:
        return []
    first, *others = parts
    merged = first.union(*others, all=True).order_by(f"-{column}", "-contact_id")[:limit] if others else first
    return list(merged)


def _count(found: _Found, stage: str, *, cap: int = COUNT_CAP) -> StageCount:
    counted = found.standings().filter(stage=stage).order_by().values("pk")[: cap + 1].count()
    return StageCount(stage, min(counted, cap), counted > cap)


def _write_mark(row: tuple[int, Any]) -> str:
    key, value = row
    number = (value - _EPOCH) // _MICROSECOND if isinstance(value, datetime) else value
    return f"{number}_{key}"


def _read_mark(query: Query) -> tuple[Any, int] | None:
    number, _, key = query.after.partition("_")
    try:
        value, contact_id = int(number), int(key)
        return (_EPOCH + value * _MICROSECOND if query.sort is Sort.RECENT else value), contact_id
    except (ValueError, OverflowError):
        return None

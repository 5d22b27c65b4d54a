"""The contact list: by stage, searched, filtered, sorted, a page at a time, at any number of contacts.

Pages follow a key, never an offset. What few contacts can meet is answered from those few, which an index names;
anything else by walking along the index of the order, so many entries a page and no more. Counts are capped likewise.
So no list costs more than what it looks at, whatever is asked.
"""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import Combinable
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from django.utils import timezone

from contacts.models import Contact, Standing
from contacts.models.contact import sort_name
from contacts.selectors.browse.asked import Query, Sort
from contacts.selectors.browse.conditions import Conditions, conditions_of
from contacts.selectors.browse.rows import ListedContact, listed

PAGE_SIZE = 50
COUNT_CAP = 10_000
# Entries of an index that a page, and a stage's count, look at where a filter has none of its own.
WALKS: Final = (500, 5_000)
COUNTED_ALONG: Final = 1_000

_REMEMBERED_FROM: Final = 1_000
_REMEMBERED_FOR: Final = 60.0
# Until when a stage is known to hold more than a cap, by the clock of this process.
_over: dict[tuple[str, int], float] = {}
_COUNT_STAGES: Final = """
SELECT stage.key, (SELECT count(*) FROM (SELECT FROM contacts_standing s WHERE s.stage = stage.key LIMIT %s) AS few)
FROM unnest(%s::text[]) WITH ORDINALITY AS stage (key, place) ORDER BY stage.place
"""

_HEADS: Final = """
SELECT head.contact_id, head.value FROM unnest(%s::text[]) AS stage (key)
CROSS JOIN LATERAL (
    SELECT s.contact_id, s.{column} AS value FROM contacts_standing s
    WHERE s.stage = stage.key {after} ORDER BY s.{column} {way}, s.contact_id {way} LIMIT %s
) AS head
ORDER BY head.value {way}, head.contact_id {way} LIMIT %s
"""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MOMENTS: Final = frozenset({Sort.RECENT, Sort.SINCE})
# Of these a stage's standings are in order by an index.
_COLUMNS: Final = {
    Sort.SCORE: "engagement_mp",
    Sort.FIT: "fit_mp",
    Sort.RECENT: "last_activity_at",
    Sort.SINCE: "stage_since",
}


@dataclass(frozen=True, slots=True)
class StageCount:
    """How many contacts of a stage meet the query; ``more`` where counting stopped at a cap: at least so many."""

    key: str
    count: int
    more: bool


@dataclass(frozen=True, slots=True)
class ContactPage:
    """One page of the list.

    ``next`` is the ``after`` of the following page, ``""`` on the
    last one. ``candidates_capped`` tells that the search found more than it looks at; ``looked_at`` how many contacts
    were looked at where that was not all of them, so that the page may be short of rows: further ones follow ``next``.
    """

    rows: tuple[ListedContact, ...]
    next: str
    counts: tuple[StageCount, ...]
    candidates_capped: bool = False
    looked_at: int = 0

    @property
    def total(self) -> StageCount:
        """All stages together."""
        return StageCount("", sum(item.count for item in self.counts), any(item.more for item in self.counts))


def browse_contacts(
    query: Query, *, stages: Sequence[str], limit: int = PAGE_SIZE, now: datetime | None = None
) -> ContactPage:
    """Return a page of contacts with the count of each stage.

    ``stages`` are the keys in use. An unreadable ``after`` gives the first page. The number of database queries does
    not depend on how many are found.
    """
    found = conditions_of(query, stages=stages, now=now or timezone.now())
    shown = [query.stage] if query.stage in stages else list(stages)
    mark = _read_mark(query)
    looked_at = 0
    counts: tuple[StageCount, ...] | None = None
    if found.candidates is not None:
        keys, counts = _few(query, found, stages, shown, mark, limit + 1)
    elif query.sort in _COLUMNS and found.is_free:
        keys = _ordered_keys(query, shown, mark, limit + 1)
    else:
        keys, looked_at = _walk(query, found, shown, mark, limit + 1)
    has_more = len(keys) > limit
    page = keys[:limit]
    following = _write_mark(page[-1]) if has_more else ""
    if looked_at and not has_more:
        following = _last_looked_at(query, shown, mark, looked_at)
    return ContactPage(
        rows=listed([key for key, _ in page]),
        next=following,
        counts=counts if counts is not None else count_along(found, stages),
        candidates_capped=found.capped,
        looked_at=looked_at if following and not has_more else 0,
    )


def count_along(found: Conditions, stages: Sequence[str]) -> tuple[StageCount, ...]:
    """Count the contacts of each stage that meet the conditions, as far as that is cheap; a query a stage."""
    if found.candidates is not None:
        rows = found.standings().filter(stage__in=list(stages))
        return _counted(stages, rows.values_list("stage", flat=True))
    if found.is_free:
        return count_stages(stages=stages, cap=COUNT_CAP)
    counts = []
    for stage in stages:
        head = Standing.objects.filter(stage=stage).order_by("-engagement_mp", "-contact_id").values("pk")
        looked_at = head[: COUNTED_ALONG + 1].count()
        number = Standing.objects.filter(found.where, pk__in=head[:COUNTED_ALONG]).count()
        counts.append(StageCount(stage, number, looked_at > COUNTED_ALONG))
    return tuple(counts)


def _counted(stages: Sequence[str], standings: Iterable[str]) -> tuple[StageCount, ...]:
    numbers = Counter(standings)
    return tuple(StageCount(stage, numbers[stage], False) for stage in stages)


def count_stages(*, stages: Sequence[str], cap: int) -> tuple[StageCount, ...]:
    """Count the contacts of each stage, up to ``cap`` each; at most one query.

    That a stage holds more than a cap of thousands is remembered for a minute: to count so far again for every page
    takes PostgreSQL as long as all else that the page asks.
    """
    at = time.monotonic()
    numbers = {stage: cap + 1 for stage in stages if _over.get((stage, cap), 0.0) > at}
    if uncounted := [stage for stage in stages if stage not in numbers]:
        with connection.cursor() as cursor:
            cursor.execute(_COUNT_STAGES, [cap + 1, uncounted])
            numbers |= dict(cursor.fetchall())
    if cap >= _REMEMBERED_FROM:
        _over.update({(stage, cap): at + _REMEMBERED_FOR for stage in uncounted if numbers[stage] > cap})
    return tuple(StageCount(stage, min(numbers[stage], cap), numbers[stage] > cap) for stage in stages)


def count_query(query: Query, *, stages: Sequence[str], now: datetime | None = None) -> tuple[StageCount, ...]:
    """Count the contacts of each stage that the list shows for ``query``, its stage aside."""
    return count_along(conditions_of(query, stages=stages, now=now or timezone.now()), stages)


def ids_of_view(
    query: Query, *, stages: Sequence[str], most: int, now: datetime | None = None
) -> tuple[list[int], bool]:
    """Return the ids of the contacts that the list shows for ``query`` in its order, and whether there are more.

    At most ``most``, and what a search or a look ahead leaves out is left out here, too.
    """
    found = conditions_of(query, stages=stages, now=now or timezone.now())
    shown = [query.stage] if query.stage in stages else list(stages)
    rows = found.standings().filter(stage__in=shown)
    ordered = _keys_of_few(query, rows, None, most + 1)
    return [key for key, _ in ordered[:most]], len(ordered) > most or found.capped


def _expression(query: Query) -> Combinable | F:
    """The value that standings are sorted by, before their contact's id."""
    if query.sort is Sort.NAME:
        return sort_name("contact__")
    return F("contact_id") if query.sort is Sort.NEWEST else F(_COLUMNS[query.sort])


def _after(query: Query, value: Any, key: Any, mark: tuple[Any, int] | None) -> Q | Any:
    if mark is None:
        return Q()
    lookup = TupleLessThan if query.descending else TupleGreaterThan
    return lookup(Tuple(value, key), mark)


def _ordered_keys(
    query: Query, stages: Sequence[str], mark: tuple[Any, int] | None, limit: int
) -> list[tuple[int, Any]]:
    """Return (contact id, sort value) of all in order: each stage contributes the head of its own index."""
    way, beyond = ("DESC", "<") if query.descending else ("ASC", ">")
    column = _COLUMNS[query.sort]
    after = f"AND (s.{column}, s.contact_id) {beyond} (%s, %s)" if mark is not None else ""
    with connection.cursor() as cursor:
        cursor.execute(_HEADS.format(column=column, way=way, after=after), [list(stages), *(mark or ()), limit, limit])
        heads: list[tuple[int, Any]] = cursor.fetchall()
        return heads


def _few(
    query: Query,
    found: Conditions,
    stages: Sequence[str],
    shown: Sequence[str],
    mark: tuple[Any, int] | None,
    limit: int,
) -> tuple[list[tuple[int, Any]], tuple[StageCount, ...] | None]:
    """Return (contact id, sort value) of few in order, and with the first page the counts: both from one look."""
    if mark is not None:
        return _keys_of_few(query, found.standings().filter(stage__in=shown), mark, limit), None
    sign = "-" if query.descending else ""
    ordered = (
        found.standings()
        .filter(stage__in=list(stages))
        .annotate(sorted_by=_expression(query))
        .order_by(f"{sign}sorted_by", f"{sign}contact_id")
        .values_list("contact_id", "sorted_by", "stage")
    )
    rows = list(ordered)
    keys = [(key, value) for key, value, stage in rows if stage in shown]
    return keys[:limit], _counted(stages, (stage for _, _, stage in rows))


def _keys_of_few(
    query: Query, rows: "QuerySet[Standing]", mark: tuple[Any, int] | None, limit: int
) -> list[tuple[int, Any]]:
    """Return (contact id, sort value) of few rows in order, whatever the order."""
    ordered = rows.annotate(sorted_by=_expression(query))
    ordered = ordered.filter(_after(query, F("sorted_by"), F("contact_id"), mark))
    sign = "-" if query.descending else ""
    return list(
        ordered.order_by(f"{sign}sorted_by", f"{sign}contact_id").values_list("contact_id", "sorted_by")[:limit]
    )


def _walk(
    query: Query, found: Conditions, stages: Sequence[str], mark: tuple[Any, int] | None, limit: int
) -> tuple[list[tuple[int, Any]], int]:
    """Walk along the order from the mark; returns whom was met, and how many were looked at (0: all there are)."""
    keys: list[tuple[int, Any]] = []
    for most in WALKS:
        walked = [key for key, _ in _entries(query, stages, mark, most)]
        keys = _met(query, found, stages, walked, limit)
        if len(walked) < most:
            return keys, 0
        if len(keys) >= limit:
            return keys, most
    return keys, WALKS[-1]


def _met(
    query: Query, found: Conditions, stages: Sequence[str], walked: list[int], limit: int
) -> list[tuple[int, Any]]:
    rows = Standing.objects.filter(found.where, pk__in=walked, stage__in=list(stages))
    return _keys_of_few(query, rows, None, limit)


def _entries(query: Query, stages: Sequence[str], mark: tuple[Any, int] | None, most: int) -> list[tuple[int, Any]]:
    """The next entries of the order, filters aside: of the stages' indexes, or of all contacts by name or age."""
    if query.sort in _COLUMNS:
        return _ordered_keys(query, stages, mark, most)
    value = sort_name() if query.sort is Sort.NAME else F("id")
    rows = Contact.objects.filter(present=True).annotate(sorted_by=value)
    rows = rows.filter(_after(query, F("sorted_by"), F("id"), mark))
    sign = "-" if query.descending else ""
    return list(rows.order_by(f"{sign}sorted_by", f"{sign}id").values_list("id", "sorted_by")[:most])


def _last_looked_at(query: Query, stages: Sequence[str], mark: tuple[Any, int] | None, looked_at: int) -> str:
    walked = _entries(query, stages, mark, looked_at + 1)
    return _write_mark(walked[looked_at - 1]) if len(walked) > looked_at else ""


def _write_mark(row: tuple[int, Any]) -> str:
    key, value = row
    number = (value - _EPOCH) // _MICROSECOND if isinstance(value, datetime) else value
    return f"{number}_{key}"


def _read_mark(query: Query) -> tuple[Any, int] | None:
    said, _, key = query.after.rpartition("_")
    if query.sort is Sort.NAME:
        return (said, int(key)) if key.isascii() and key.isdecimal() and len(key) <= 18 else None
    try:
        value, contact_id = int(said), int(key)
        if query.sort in _MOMENTS:
            return _EPOCH + value * _MICROSECOND, contact_id
    except (ValueError, OverflowError):
        return None
    # Beyond what the database holds nothing is: whoever asks so has not read it from a page of ours.
    return (value, contact_id) if max(abs(value), abs(contact_id)) < 2**63 else None

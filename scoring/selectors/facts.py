"""Facts of many contacts as arrays: their events, a column at a time, and their profiles."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from django.core.exceptions import EmptyResultSet
from django.db.models import Q, QuerySet

from contacts.models import Event
from scoring.definition import Match
from scoring.engine import NEVER, UNKNOWN_PAST, Assessor, Compiled, Facts
from scoring.engine.coding import CodedMatch
from scoring.engine.facts import BoolArray, IntArray, SmallArray
from scoring.matching import JUDGED, matching_events, property_value
from scoring.selectors.columns import POSTGRES_EPOCH, copy_columns, whole_numbers
from scoring.selectors.histories import ProfileHistories
from scoring.selectors.profiles import CurrentProfiles


def load_facts(
    contact_ids: IntArray,
    compiled: Compiled,
    assessor: Assessor,
    *,
    until: datetime | None = None,
    with_event_ids: bool = False,
) -> Facts:
    """All facts of the contacts (ascending ids) with their attribute history, up to and including ``until``.

    A fixed number of queries, whatever the number of contacts.
    """
    events = _load_events(contact_ids, _Chosen.contacts(contact_ids, until), compiled, with_event_ids)
    histories = ProfileHistories(contact_ids, assessor, until)
    profiles = _Profiles(histories.contact, histories.at, histories.fit, histories.answers)
    return _facts(events, profiles, _first_seen(histories, _first_events(events, len(contact_ids))))


def facts_since(
    contact_ids: IntArray, compiled: Compiled, profiles: CurrentProfiles, judged_at: IntArray, *, until: datetime
) -> Facts:
    """What `load_facts` loads, for timelines that go on from ``judged_at`` (microseconds; UNKNOWN_PAST: start over).

    Of whom nothing was said since then there is only one profile to know, that in force now: bringing the history of
    everybody's attributes would cost more than any other part of a judgement.
    """
    events = _load_events(contact_ids, _Chosen.contacts(contact_ids, until), compiled, False)
    everyone = np.arange(len(contact_ids))
    # Without events the last activity is when somebody became known, which the history tells.
    is_active = np.bincount(events.contact, minlength=len(contact_ids)) > 0
    now = np.flatnonzero(is_active & (judged_at > UNKNOWN_PAST))
    fit, answers = np.empty(0, dtype=np.int64), np.empty((0, profiles.assessor.leaf_count), dtype=np.bool_)
    if len(now):
        fit, answers, unchanged = profiles.assess_unchanged(contact_ids[now], judged_at[now])
        now, fit, answers = now[unchanged], fit[unchanged], answers[unchanged]
    first_seen = np.full(len(contact_ids), NEVER, dtype=np.int64)
    contact, at = now, np.full(len(now), UNKNOWN_PAST, dtype=np.int64)
    if len(now) < len(contact_ids):
        then = np.setdiff1d(everyone, now, assume_unique=True)
        histories = ProfileHistories(contact_ids[then], profiles.assessor, until)
        first_seen[then] = _first_seen(histories, _first_events(events, len(contact_ids))[then])
        contact = np.concatenate([now, then[histories.contact]])
        order = np.argsort(contact, kind="stable")
        contact, at = contact[order], np.concatenate([at, histories.at])[order]
        fit, answers = np.concatenate([fit, histories.fit])[order], np.concatenate([answers, histories.answers])[order]
    return _facts(events, _Profiles(contact, at, fit, answers), first_seen)


def current_facts(contact_ids: IntArray, compiled: Compiled, profiles: CurrentProfiles) -> Facts:
    """What counts of the contacts (a whole range of ascending ids), with only the attribute values in force now.

    For judging at a moment later than every fact, where the history of attributes cannot matter, nor can events that
    the definition does not look at: they are left out.
    """
    events = _load_events(contact_ids, _Chosen.range(contact_ids), compiled, False, compiled.counted_kinds)
    fit, answers = profiles.assess(contact_ids)
    contacts = len(contact_ids)
    always = _Profiles(np.arange(contacts), np.full(contacts, UNKNOWN_PAST, dtype=np.int64), fit, answers)
    return _facts(events, always, np.full(contacts, NEVER, dtype=np.int64))


@dataclass(frozen=True, slots=True)
class _Profiles:
    """Columns of profiles: contact index, from when, fit and answers (see ``Facts``)."""

    contact: IntArray
    at: IntArray
    fit: IntArray
    answers: BoolArray


@dataclass(frozen=True, slots=True)
class _Events:
    """Columns of the judged events: contact index, time, code, id and value (see ``Facts``), and their order."""

    contact: IntArray
    at: IntArray
    code: SmallArray
    id: IntArray
    value: IntArray
    ordered: bool


def _facts(events: _Events, profiles: _Profiles, first_seen: IntArray) -> Facts:
    return Facts(
        contacts=len(first_seen),
        event_contact=events.contact,
        event_at=events.at,
        event_code=events.code,
        event_id=events.id,
        event_value=events.value,
        profile_contact=profiles.contact,
        profile_at=profiles.at,
        profile_fit=profiles.fit,
        profile_answers=profiles.answers,
        first_seen=first_seen,
        ordered=events.ordered,
    )


def _first_events(events: _Events, contacts: int) -> IntArray:
    """When each contact's first event was; NEVER for none."""
    first = np.full(contacts, NEVER, dtype=np.int64)
    np.minimum.at(first, events.contact, events.at)
    return first


def _first_seen(histories: ProfileHistories, first_event: IntArray) -> IntArray:
    """When each contact became known, where that is before all that is dated; else NEVER."""
    dated = np.minimum(first_event, histories.first_change)
    return np.where(histories.first_seen < dated, histories.first_seen, NEVER)


# A kind's id is a smallint: it goes into one number with its contact's, so that a column less has to come here.
_KIND_BITS = 15
# Kinds whose ids are below it are looked for in the bits of one number.
_MAPPED_KINDS = 63

_EVERY = f"""
SELECT contact_id * {1 << _KIND_BITS} + kind_id, occurred_at%(id)s FROM contacts_event
WHERE %(chosen)s AND retracted_at IS NULL AND suspect_reason = '' AND %(among)s
ORDER BY contact_id, occurred_at
"""  # noqa: S608  constants only
# By kind within an instant: which of them counts then does not hang on the order of arrival.
_IN_ORDER = " ORDER BY contacts_event.contact_id, contacts_event.occurred_at, contacts_event.kind_id"


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Whose events are read, up to when: conditions as SQL with parameters, and the same for a query of Django's."""

    sql: str
    params: tuple[object, ...]
    query: Q

    @classmethod
    def contacts(cls, contact_ids: IntArray, until: datetime | None) -> "_Chosen":
        """So many contacts, one by one."""
        ids = contact_ids.tolist()
        sql, params = "contacts_event.contact_id = ANY(%s::bigint[])", (whole_numbers(ids),)
        if until is None:
            return cls(sql, params, Q(contact_id__in=ids))
        query = Q(contact_id__in=ids, occurred_at__lte=until)
        return cls(f"{sql} AND contacts_event.occurred_at <= %s", (*params, until), query)

    @classmethod
    def range(cls, contact_ids: IntArray) -> "_Chosen":
        """All contacts from the first to the last, at all times."""
        first, last = int(contact_ids[0]), int(contact_ids[-1])
        return cls(
            "contacts_event.contact_id BETWEEN %s AND %s",
            (first, last),
            Q(contact_id__gte=first, contact_id__lte=last),
        )


def _load_events(
    contact_ids: IntArray, chosen: _Chosen, compiled: Compiled, with_ids: bool, kinds: Sequence[int] | None = None
) -> _Events:
    sql = _EVERY % {
        "id": ", id" if with_ids else "",
        "chosen": chosen.sql,
        "among": "true" if kinds is None else _is_among(kinds),
    }
    packed, when, *ids = copy_columns(sql, chosen.params, "qt" + "q" * with_ids)
    own, codes = [packed >> _KIND_BITS], [(packed & ((1 << _KIND_BITS) - 1)).astype(np.int16)]
    times, with_values = [when], any(match.value_of for match in compiled.property_matches)
    values = [np.zeros(len(when), dtype=np.int64)] if with_values else []
    for coded in compiled.property_matches:
        columns = _copy_matching(coded, chosen, with_ids)
        own.append(columns[0])
        times.append(columns[1])
        codes.append(np.full(len(columns[0]), coded.code, dtype=np.int16))
        if with_ids:
            ids.append(columns[2])
        if with_values:
            values.append(columns[-1] if coded.value_of else np.zeros(len(columns[0]), dtype=np.int64))
    at, code = _joined(times) + POSTGRES_EPOCH, _joined(codes)
    event_id: IntArray = _joined(ids) if with_ids else np.empty(0, dtype=np.int64)
    value: IntArray = _joined(values) if with_values else np.empty(0, dtype=np.int64)
    place = _places(contact_ids, _joined(own))
    known = place >= 0
    if not known.all():
        # A contact of the range that nobody asked for (merged away).
        place, at, code = place[known], at[known], code[known]
        event_id = event_id[known] if with_ids else event_id
        value = value[known] if with_values else value
    ordered = not any(len(part) for part in own[1:])
    return _Events(place, at, code, event_id, value, ordered)


def _is_among(kinds: Sequence[int]) -> str:
    """SQL for whether an event is of one of these kinds; a list of many costs as much as reading the event."""
    mapped = sum(1 << kind for kind in kinds if kind < _MAPPED_KINDS)
    others = [kind for kind in kinds if kind >= _MAPPED_KINDS]
    beyond = f"kind_id IN ({', '.join(map(str, others))})" if others else "false"
    return f"CASE WHEN kind_id < {_MAPPED_KINDS} THEN ({mapped}::bigint >> kind_id) & 1 = 1 ELSE {beyond} END"


def _copy_matching(coded: CodedMatch, chosen: _Chosen, with_ids: bool) -> list[npt.NDArray[Any]]:
    """Contact id, time, id where asked, and value where the match has one, of the events that meet a match."""
    types = "qt" + "q" * with_ids + "q" * bool(coded.value_of)
    match = msgspec.json.encode(coded.match)
    try:
        if any(test.pattern is not None for test in coded.match.properties.values()):
            judged = Event.objects.filter(chosen.query, JUDGED)
            sql, params = _matching(judged, coded, with_ids).query.sql_with_params()
        else:
            found, given = _matching_sql(coded.kind_ids, match, coded.value_of, with_ids)
            sql, params = f"{found} AND {chosen.sql}", (*given, *chosen.params)
    except EmptyResultSet:
        # No kind is what the match asks for (two-way, and begun by a third party).
        return [np.empty(0, dtype=np.int64) for _ in types]
    return copy_columns(sql + _IN_ORDER, params, types)


@lru_cache(maxsize=256)
def _matching_sql(
    kind_ids: tuple[int, ...], match: bytes, value_of: str, with_ids: bool
) -> tuple[str, tuple[object, ...]]:
    """The query for all events that meet a match (as JSON); it ends with its conditions, so that others may follow.

    Putting it together takes longer than the database needs for a few contacts.
    """
    coded = CodedMatch(0, kind_ids, msgspec.json.decode(match, type=Match), value_of)
    return _matching(Event.objects.filter(JUDGED), coded, with_ids).query.sql_with_params()


def _matching(judged: "QuerySet[Event]", coded: CodedMatch, with_ids: bool) -> "QuerySet[Any, Any]":
    columns = ["contact_id", "occurred_at", *(["id"] if with_ids else [])]
    found = matching_events(judged, coded.kind_ids, coded.match).order_by()
    if coded.value_of:
        return found.values_list(*columns, property_value(coded.value_of))
    return found.values_list(*columns)


def _joined(parts: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _places(contact_ids: IntArray, ids: IntArray) -> IntArray:
    """Where each id is among the ascending ``contact_ids``; -1 for one that is not."""
    first, span = int(contact_ids[0]), int(contact_ids[-1] - contact_ids[0]) + 1
    if span <= 4 * len(contact_ids):
        # Nearly all ids of a range: a table of them is read faster than any search.
        places = np.full(span, -1, dtype=np.int64)
        places[contact_ids - first] = np.arange(len(contact_ids))
        return places[ids - first]
    found = np.minimum(np.searchsorted(contact_ids, ids), len(contact_ids) - 1)
    return np.where(contact_ids[found] == ids, found, -1)

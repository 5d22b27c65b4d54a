"""Facts of many contacts as arrays: their events by binary COPY, and their profiles."""

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Q, QuerySet

from contacts.models import Event
from scoring.engine import NEVER, UNKNOWN_PAST, Assessor, Compiled, Facts
from scoring.engine.facts import IntArray, SmallArray
from scoring.matching import JUDGED, matching_events, property_value
from scoring.selectors.profiles import CurrentProfiles, ProfileHistories

_COPY_HEADER, _COPY_TRAILER = 19, 2
POSTGRES_EPOCH = 946_684_800_000_000  # 2000-01-01 in microseconds since 1970


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
    chosen = Q(contact_id__in=contact_ids.tolist())
    events = _load_events(contact_ids, chosen, compiled, until, with_event_ids)
    profiles = ProfileHistories(contact_ids, assessor, until)
    first_event = np.full(len(contact_ids), NEVER, dtype=np.int64)
    np.minimum.at(first_event, events.contact, events.at)
    first_seen = np.where(
        profiles.first_seen < np.minimum(first_event, profiles.first_change), profiles.first_seen, NEVER
    )
    return Facts(
        contacts=len(contact_ids),
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


def current_facts(contact_ids: IntArray, compiled: Compiled, profiles: CurrentProfiles) -> Facts:
    """What counts of the contacts (a whole range of ascending ids), with only the attribute values in force now.

    For judging at a moment later than every fact, where the history of attributes cannot matter, nor can events that
    the definition does not look at: they are left out.
    """
    chosen = Q(contact_id__gte=int(contact_ids[0]), contact_id__lte=int(contact_ids[-1]))
    events = _load_events(contact_ids, chosen, compiled, None, with_ids=False, kinds=compiled.counted_kinds)
    fit, answers = profiles.assess(contact_ids)
    return Facts(
        contacts=len(contact_ids),
        event_contact=events.contact,
        event_at=events.at,
        event_code=events.code,
        event_id=events.id,
        event_value=events.value,
        profile_contact=np.arange(len(contact_ids)),
        profile_at=np.full(len(contact_ids), UNKNOWN_PAST, dtype=np.int64),
        profile_fit=fit,
        profile_answers=answers,
        first_seen=np.full(len(contact_ids), NEVER, dtype=np.int64),
        ordered=events.ordered,
    )


@dataclass(frozen=True, slots=True)
class _Events:
    """Columns of the judged events: contact index, time, code, id and value (see ``Facts``), and their order."""

    contact: IntArray
    at: IntArray
    code: SmallArray
    id: IntArray
    value: IntArray
    ordered: bool


def _load_events(
    contact_ids: IntArray,
    chosen: Q,
    compiled: Compiled,
    until: datetime | None,
    with_ids: bool,
    kinds: Sequence[int] | None = None,
) -> _Events:
    columns = ["contact_id", "occurred_at", "kind_id", *(["id"] if with_ids else [])]
    judged = Event.objects.filter(chosen, JUDGED)
    if until is not None:
        judged = judged.filter(occurred_at__lte=until)
    types = "qqh" + "q" * with_ids
    every = judged if kinds is None else judged.filter(kind_id__in=kinds)
    parts = [_copy_query(every.order_by("contact_id", "occurred_at").values_list(*columns), types)]
    codes, with_values = [parts[0][2]], any(match.value_of for match in compiled.property_matches)
    values = [np.zeros(len(parts[0][0]), dtype=np.int64)] if with_values else []
    for property_code, kind_ids, match, value_of in compiled.property_matches:
        # By kind within an instant: which of them counts then does not hang on the order of arrival.
        found = matching_events(judged, kind_ids, match).order_by("contact_id", "occurred_at", "kind_id")
        if value_of:
            part = _copy_query(found.values_list(*columns, property_value(value_of)), types + "q")
        else:
            part = _copy_query(found.values_list(*columns), types)
        parts.append(part)
        codes.append(np.full(len(part[0]), property_code, dtype=np.int16))
        if with_values:
            values.append(part[-1] if value_of else np.zeros(len(part[0]), dtype=np.int64))
    when = _joined([part[1] for part in parts])
    place = _places(contact_ids, _joined([part[0] for part in parts]))
    known = place >= 0
    event_id: IntArray = _joined([part[3] for part in parts]) if with_ids else np.empty(0, dtype=np.int64)
    value: IntArray = np.concatenate(values) if with_values else np.empty(0, dtype=np.int64)
    code = _joined(codes)
    if not known.all():
        # A contact of the range that nobody asked for (merged away).
        place, when, code = place[known], when[known], code[known]
        event_id = event_id[known] if with_ids else event_id
        value = value[known] if with_values else value
    ordered = not any(len(part[0]) for part in parts[1:])
    return _Events(place, when + POSTGRES_EPOCH, code, event_id, value, ordered)


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


def _copy_query(rows: "QuerySet[Any, Any]", types: str) -> list[npt.NDArray[Any]]:
    try:
        sql, params = rows.query.sql_with_params()
    except EmptyResultSet:
        # Nobody is asked about, or no kind is what a match asks for (two-way, and begun by a third party).
        return [np.empty(0, dtype=f"=i{struct.calcsize(letter)}") for letter in types]
    return copy_columns(sql, params, types)


def copy_columns(sql: str, params: Sequence[object], types: str) -> list[npt.NDArray[Any]]:
    """Columns of a query as arrays, by binary COPY.

    ``types``: a letter for each column, ``q`` for bigint or timestamptz (microseconds since 2000), ``h`` for
    smallint; none may be NULL. Format: PostgreSQL manual, COPY, "Binary Format".
    """
    stream = io.BytesIO()
    with connection.cursor() as cursor:
        statement = cursor.mogrify(sql, params).decode()
        cursor.copy_expert(f"COPY ({statement}) TO STDOUT (FORMAT binary)", stream)
    fields: list[tuple[str, str]] = [("count", ">i2")]
    for index, letter in enumerate(types):
        fields += [(f"length{index}", ">i4"), (f"value{index}", f">i{struct.calcsize(letter)}")]
    data, row_type = stream.getbuffer(), np.dtype(fields)
    rows = (len(data) - _COPY_HEADER - _COPY_TRAILER) // row_type.itemsize
    table = np.frombuffer(data, dtype=row_type, offset=_COPY_HEADER, count=rows)
    return [table[f"value{index}"].astype(f"=i{struct.calcsize(letter)}") for index, letter in enumerate(types)]

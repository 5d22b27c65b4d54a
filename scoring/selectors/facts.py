"""Facts of many contacts as arrays: events by binary COPY, profiles from the attribute history."""

import io
import struct
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection
from django.db.models import Q, QuerySet

from contacts.models import AttributeChange, CompanyChange, Contact, Event
from scoring.engine import NEVER, UNKNOWN_PAST, Assessor, Compiled, Facts
from scoring.engine.facts import BoolArray, IntArray
from scoring.matching import JUDGED, match_query
from scoring.moments import to_micros

_COMPANY = "company."
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
    contact, when, code, event_id, ordered = _load_events(contact_ids, chosen, compiled, until, with_event_ids)
    profiles = _ProfileHistories(contact_ids, assessor, until)
    first_event = np.full(len(contact_ids), NEVER, dtype=np.int64)
    np.minimum.at(first_event, contact, when)
    first_seen = np.where(
        profiles.first_seen < np.minimum(first_event, profiles.first_change), profiles.first_seen, NEVER
    )
    return Facts(
        contacts=len(contact_ids),
        event_contact=contact,
        event_at=when,
        event_code=code,
        event_id=event_id,
        profile_contact=profiles.contact,
        profile_at=profiles.at,
        profile_fit=profiles.fit,
        profile_answers=profiles.answers,
        first_seen=first_seen,
        ordered=ordered,
    )


def current_facts(contact_ids: IntArray, compiled: Compiled, assessor: Assessor) -> Facts:
    """What counts of the contacts (a whole range of ascending ids), with only the attribute values in force now.

    For judging at a moment later than every fact, where the history of attributes cannot matter, nor can events that
    the definition does not look at: they are left out.
    """
    chosen = Q(contact_id__gte=int(contact_ids[0]), contact_id__lte=int(contact_ids[-1]))
    contact, when, code, event_id, ordered = _load_events(
        contact_ids, chosen, compiled, until=None, with_ids=False, kinds=compiled.counted_kinds
    )
    fit, answers = _assess_current(contact_ids, assessor)
    return Facts(
        contacts=len(contact_ids),
        event_contact=contact,
        event_at=when,
        event_code=code,
        event_id=event_id,
        profile_contact=np.arange(len(contact_ids)),
        profile_at=np.full(len(contact_ids), UNKNOWN_PAST, dtype=np.int64),
        profile_fit=fit,
        profile_answers=answers,
        first_seen=np.full(len(contact_ids), NEVER, dtype=np.int64),
        ordered=ordered,
    )


def _load_events(
    contact_ids: IntArray,
    chosen: Q,
    compiled: Compiled,
    until: datetime | None,
    with_ids: bool,
    kinds: Sequence[int] | None = None,
) -> tuple[IntArray, IntArray, npt.NDArray[np.int16], IntArray, bool]:
    """Columns of the judged events: contact index, time, code, id; and whether they are in order."""
    columns = ["contact_id", "occurred_at", "kind_id", *(["id"] if with_ids else [])]
    judged = Event.objects.filter(chosen, JUDGED)
    if until is not None:
        judged = judged.filter(occurred_at__lte=until)
    types = "qqh" + "q" * with_ids
    every = judged if kinds is None else judged.filter(kind_id__in=kinds)
    parts = [_copy_query(every.order_by("contact_id", "occurred_at").values_list(*columns), types)]
    codes = [parts[0][2]]
    for property_code, kind_ids, match in compiled.property_matches:
        found = judged.filter(match_query(kind_ids, match)).order_by("contact_id", "occurred_at")
        part = _copy_query(found.values_list(*columns), types)
        parts.append(part)
        codes.append(np.full(len(part[0]), property_code, dtype=np.int16))
    ids, when = np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
    place: IntArray = np.searchsorted(contact_ids, ids).astype(np.int64)
    known = place < len(contact_ids)
    known[known] = contact_ids[place[known]] == ids[known]
    event_id: IntArray = np.concatenate([part[3] for part in parts]) if with_ids else np.empty(0, dtype=np.int64)
    code = np.concatenate(codes).astype(np.int16)
    ordered = not any(len(part[0]) for part in parts[1:])
    if not known.all():
        # A contact of the range that nobody asked for (merged away).
        place, when, code = place[known], when[known], code[known]
        event_id = event_id[known] if with_ids else event_id
    return place, when + POSTGRES_EPOCH, code, event_id, ordered


def _copy_query(rows: "QuerySet[Any, Any]", types: str) -> list[npt.NDArray[Any]]:
    sql, params = rows.query.sql_with_params()
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


def profile_values(contact_id: int, assessor: Assessor, *, until: datetime) -> dict[str, object]:
    """The attribute values of one contact that a definition looks at, as in force at ``until``."""
    histories = _ProfileHistories(np.array([contact_id], dtype=np.int64), assessor, until)
    return dict(zip(assessor.attributes, histories.values[-1], strict=True))


class _ProfileHistories:
    """The profiles of contacts over time: a row wherever an attribute that the definition looks at changed."""

    def __init__(self, contact_ids: IntArray, assessor: Assessor, until: datetime | None) -> None:
        self._assessor = assessor
        self.values: list[list[object]] = []
        index_of = {contact_id: index for index, contact_id in enumerate(contact_ids.tolist())}
        own_names = [name for name in assessor.attributes if not name.startswith(_COMPANY)]
        before = Q() if until is None else Q(effective_at__lte=until)
        own: dict[int, list[tuple[datetime, str, Any]]] = defaultdict(list)
        rows = AttributeChange.objects.filter(
            before, contact_id__in=contact_ids.tolist(), name__in=[*own_names, "company"]
        )
        for contact_id, at, name, value in rows.order_by("contact_id", "effective_at", "message").values_list(
            "contact_id", "effective_at", "name", "value"
        ):
            own[contact_id].append((at, name, value))
        companies = {int(v) for changes in own.values() for _, name, v in changes if name == "company" and v}
        theirs: dict[int, list[tuple[datetime, str, Any]]] = defaultdict(list)
        company_names = [name.removeprefix(_COMPANY) for name in assessor.attributes if name.startswith(_COMPANY)]
        company_rows = CompanyChange.objects.filter(before, company_id__in=companies, name__in=company_names)
        for company_id, at, name, value in company_rows.order_by("company_id", "effective_at", "message").values_list(
            "company_id", "effective_at", "name", "value"
        ):
            theirs[company_id].append((at, f"{_COMPANY}{name}", value))

        self.first_seen = np.full(len(contact_ids), NEVER, dtype=np.int64)
        self.first_change = np.full(len(contact_ids), NEVER, dtype=np.int64)
        contact: list[int] = []
        times: list[int] = []
        fits: list[int] = []
        answers: list[tuple[bool, ...]] = []
        people = Contact.objects.filter(pk__in=contact_ids.tolist()).order_by("id")
        for contact_id, direction, source_at, created_at in people.values_list(
            "id", "source_direction", "source_at", "created_at"
        ):
            index = index_of[contact_id]
            self.first_seen[index] = to_micros(source_at or created_at)
            for since, values in self._epochs(direction, own.get(contact_id, []), theirs):
                assessment = assessor.assess(values)
                contact.append(index)
                times.append(since)
                self.values.append(values)
                fits.append(assessment.fit)
                answers.append(assessment.answers)
                if since > UNKNOWN_PAST:
                    self.first_change[index] = min(self.first_change[index], since)
        self.contact: IntArray = np.array(contact, dtype=np.int64)
        self.at: IntArray = np.array(times, dtype=np.int64)
        self.fit: IntArray = np.array(fits, dtype=np.int64)
        self.answers: BoolArray = np.array(answers, dtype=np.bool_).reshape(len(contact), assessor.leaf_count)

    def _epochs(
        self,
        direction: str,
        own: Sequence[tuple[datetime, str, Any]],
        theirs: dict[int, list[tuple[datetime, str, Any]]],
    ) -> Iterable[tuple[int, list[object]]]:
        """(from when, values of the assessor's attributes), the first from UNKNOWN_PAST; only real changes."""
        names = self._assessor.attributes
        values: dict[str, Any] = {"source_direction": direction}
        current: list[object] = [values.get(name) for name in names]
        yield UNKNOWN_PAST, current
        employers = {int(value) for _, name, value in own if name == "company" and value}
        # Company changes first: within one instant the contact's own "company" then looks at the new values.
        dated: list[tuple[datetime, int, int, str, Any]] = [
            (at, 0, company, name, value) for company in employers for at, name, value in theirs.get(company, [])
        ]
        dated += [(at, 1, 0, name, value) for at, name, value in own]
        dated.sort(key=lambda change: change[:2])
        company_values: dict[int, dict[str, Any]] = defaultdict(dict)
        employer = 0
        for place, (at, is_own, company, name, value) in enumerate(dated):
            if not is_own:
                company_values[company][name] = value
            elif name == "company":
                employer = int(value) if value else 0
            else:
                values[name] = value
            if place + 1 < len(dated) and dated[place + 1][0] == at:
                continue
            known = {**values, **company_values[employer]} if employer else values
            found: list[object] = [known.get(name) for name in names]
            if found != current:
                current = found
                yield to_micros(at), found


def _assess_current(contact_ids: IntArray, assessor: Assessor) -> tuple[IntArray, BoolArray]:
    """Fit and answers of each contact under the values in force now, from the contact and company columns."""
    columns = [_current_column(name) for name in assessor.attributes]
    people = Contact.objects.filter(id__gte=int(contact_ids[0]), id__lte=int(contact_ids[-1])).order_by("id")
    chosen = set(contact_ids.tolist())
    rows = [row for row in people.values_list("id", *columns).iterator(chunk_size=20_000) if row[0] in chosen]
    return assessor.assess_columns(list(zip(*rows, strict=True))[1:])


def _current_column(name: str) -> str:
    if name.startswith(_COMPANY):
        return "company__" + name.removeprefix(_COMPANY)
    return name.replace("attributes.", "attributes__", 1)

"""Who contacts were and are: attribute values over time and now, assessed under a definition."""

import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from django.db import connection, transaction

from contacts.enums import Answer
from contacts.selectors.history import COUNTS, IN_ORDER
from scoring.definition import DefinitionDocument
from scoring.engine import NEVER, UNKNOWN_PAST, Assessor
from scoring.engine.facts import BoolArray, IntArray
from scoring.moments import to_micros
from scoring.selectors.columns import read_rows, whole_numbers

_COMPANY = "company."
_ANSWERS, _CONFIRMED = ("means", "authority"), "details_confirmed"
_MOST_LINES = 100_000

# Attributes that have a column of their own; all others are free ones, or none at all.
_OWN_COLUMNS = frozenset({
    "email", "phone", "first_name", "last_name", "job_title", "role", "country", *_ANSWERS, _CONFIRMED,
    "source_direction",
})  # fmt: skip
_COMPANY_COLUMNS = frozenset({"name", "domain", "industry", "employees", "country"})


def profile_values(contact_id: int, assessor: Assessor, *, until: datetime) -> dict[str, object]:
    """The attribute values of one contact that a definition looks at, as in force at ``until``."""
    histories = ProfileHistories(np.array([contact_id], dtype=np.int64), assessor, until)
    return dict(zip(assessor.attributes, histories.values[-1], strict=True))


class ProfileHistories:
    """The profiles of contacts over time: a row wherever an attribute that the definition looks at changed."""

    def __init__(self, contact_ids: IntArray, assessor: Assessor, until: datetime | None) -> None:
        self._places = {name: place for place, name in enumerate(assessor.attributes)}
        self._unknown = [as_known(name, None) for name in assessor.attributes]
        self._company_places = [place for name, place in self._places.items() if name.startswith(_COMPANY)]
        self.values: list[list[object]] = []
        index_of = {contact_id: index for index, contact_id in enumerate(contact_ids.tolist())}
        own_names = [name for name in assessor.attributes if not name.startswith(_COMPANY)]
        own: dict[int, list[tuple[datetime, str, Any]]] = defaultdict(list)
        for contact_id, at, name, value in _changes(_OF_CONTACTS, contact_ids.tolist(), [*own_names, "company"], until):
            own[contact_id].append((at, name, value))
        companies = sorted({int(v) for changes in own.values() for _, name, v in changes if name == "company" and v})
        theirs: dict[int, list[tuple[datetime, str, Any]]] = defaultdict(list)
        company_names = [name.removeprefix(_COMPANY) for name in assessor.attributes if name.startswith(_COMPANY)]
        for company_id, at, name, value in _changes(_OF_COMPANIES, companies, company_names, until):
            theirs[company_id].append((at, f"{_COMPANY}{name}", value))

        self.first_seen = np.full(len(contact_ids), NEVER, dtype=np.int64)
        self.first_change = np.full(len(contact_ids), NEVER, dtype=np.int64)
        contact: list[int] = []
        times: list[int] = []
        fits: list[int] = []
        answers: list[tuple[bool, ...]] = []
        for contact_id, direction, first_at in _people(contact_ids.tolist()):
            index = index_of[contact_id]
            self.first_seen[index] = to_micros(first_at)
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
        values = self._unknown.copy()
        values[self._places["source_direction"]] = direction
        current = values
        yield UNKNOWN_PAST, current
        employers = {int(value) for _, name, value in own if name == "company" and value}
        # Company changes first: within one instant the contact's own "company" then looks at the new values.
        dated: list[tuple[datetime, int, str, Any]] = [
            (at, company, name, value) for company in employers for at, name, value in theirs.get(company, ())
        ]
        dated += [(at, 0, name, value) for at, name, value in own]
        if employers:
            dated.sort(key=lambda change: (change[0], not change[1]))
        values = current.copy()
        known_of: dict[int, dict[int, Any]] = {company: {} for company in employers}
        employer, last = 0, len(dated) - 1
        for place, (at, company, name, value) in enumerate(dated):
            if company:
                known_of[company][self._places[name]] = value
                if company == employer:
                    values[self._places[name]] = value
            elif name == "company":
                employer = int(value) if value else 0
                for theirs_place in self._company_places:
                    values[theirs_place] = None
                for theirs_place, known in known_of.get(employer, {}).items():
                    values[theirs_place] = known
            else:
                values[self._places[name]] = as_known(name, value)
            if place < last and dated[place + 1][0] == at:
                continue
            if values != current:
                current = values.copy()
                yield to_micros(at), current


# Ids go to the database as one text, and rows come back as they are: models would cost more than all the rest.
_CHANGES = """
SELECT o.{owner}, o.effective_at, o.name, o.value::text FROM {table} o
WHERE o.{owner} = ANY(%s::bigint[]) AND o.name = ANY(%s) AND o.effective_at <= %s::timestamptz AND {counts}
ORDER BY o.{owner}, {order}
"""
_OF_CONTACTS = _CHANGES.format(owner="contact_id", table="contacts_attributechange", counts=COUNTS, order=IN_ORDER)
_OF_COMPANIES = _CHANGES.format(
    owner="company_id", table="contacts_companychange", counts="true", order="o.effective_at, o.message"
)
_PEOPLE = """
SELECT id, source_direction, coalesce(source_at, created_at) FROM contacts_contact WHERE id = ANY(%s::bigint[])
ORDER BY id
"""


def _changes(
    sql: str, owner_ids: Sequence[int], names: Sequence[str], until: datetime | None
) -> Iterator[tuple[int, datetime, str, Any]]:
    """(whose, from when, attribute, value) of each change up to and including ``until``, in order."""
    with connection.cursor() as cursor:
        cursor.execute(sql, [whole_numbers(owner_ids), list(names), until or "infinity"])
        rows = cursor.fetchall()
    # The same few values over and over.
    values: dict[str | None, Any] = {None: None}
    for owner_id, at, name, text in rows:
        if text not in values:
            values[text] = json.loads(text)
        yield owner_id, at, name, values[text]


def _people(contact_ids: Sequence[int]) -> list[tuple[int, str, datetime]]:
    """Of each contact its direction, and when it became known, in order of ids."""
    with connection.cursor() as cursor:
        cursor.execute(_PEOPLE, [whole_numbers(contact_ids)])
        rows: list[tuple[int, str, datetime]] = cursor.fetchall()
        return rows


class CurrentProfiles:
    """The profiles of contacts under the values in force now, from the contact and company columns.

    What a contact says of itself and what its company says are told apart separately: of either there are few
    different ones, whatever the number of contacts. Both are remembered, so use one object for many ranges, in one
    thread.
    """

    def __init__(self, document: DefinitionDocument) -> None:
        self._assessor = Assessor(document)
        self._own = _Lines(self._assessor, is_company=False)
        self._theirs = _Lines(self._assessor, is_company=True)
        self._assessed: dict[int, int] = {}

    def assess(self, contact_ids: IntArray) -> tuple[IntArray, BoolArray]:
        """Fit in millipoints and answers of each contact (ascending ids, all of which exist). At most two queries."""
        ids, own, company = self._read_people(int(contact_ids[0]), int(contact_ids[-1]))
        place = np.searchsorted(ids, contact_ids)
        pairs, which = np.unique(own[place] << 32 | self._read_companies(company[place]), return_inverse=True)
        found = np.array([self._assessment(pair) for pair in pairs.tolist()], dtype=np.int64)[which]
        fit, answers = self._assessor.assessments()
        return fit[found], answers[found]

    def _read_people(self, first: int, last: int) -> tuple[IntArray, IntArray, IntArray]:
        """All contacts of a range of ids, ascending: id, what can be told of them, company (0 for none).

        Grouped by the database: what it would cost to bring every contact's values here is most of the whole.
        """
        sql, params = self._own.grouped("contacts_contact", "id", "coalesce(company_id, 0)", "id BETWEEN %s AND %s")
        with transaction.atomic(), connection.cursor() as cursor:
            # It expects as many groups as contacts, and would sort them all to be prepared for that.
            cursor.execute("SET LOCAL enable_sort = off")
            alike = list(_copy_groups(sql, [*params, first, last]))
            cursor.execute("SET LOCAL enable_sort TO DEFAULT")
        ids = np.concatenate([members for members, _, _ in alike])
        company = np.concatenate([companies for _, companies, _ in alike])
        told = [self._own[values] for _, _, values in alike]
        order = np.argsort(ids)
        return ids[order], np.repeat(told, [len(members) for members, _, _ in alike])[order], company[order]

    def _read_companies(self, company: IntArray) -> IntArray:
        """What can be told of each of these companies (0: none, of whom nothing is known).

        Grouped by all but their size, which hardly two of them share.
        """
        if not self._theirs.places:
            return np.zeros(len(company), dtype=np.int64)
        asked, which = np.unique(company, return_inverse=True)
        sql, params = self._theirs.grouped("contacts_company", "id", _SIZE, "id = ANY(%s::bigint[])")
        told = np.zeros(len(asked), dtype=np.int64)
        for ids, sizes, values in _copy_groups(sql, [*params, whole_numbers(asked.tolist())]):
            different, place = np.unique(sizes, return_inverse=True)
            numbers = [self._theirs[(*values, size)] for size in different.tolist()]
            told[np.searchsorted(asked, ids)] = np.array(numbers, dtype=np.int64)[place]
        return told[which]

    def _assessment(self, pair: int) -> int:
        found = self._assessed.get(pair)
        if found is None:
            numbers = [0] * len(self._assessor.attributes)
            for lines, number in ((self._own, pair >> 32), (self._theirs, pair & 0xFFFFFFFF)):
                for place, told in zip(lines.places, lines.told_apart[number], strict=True):
                    numbers[place] = told
            found = self._assessed[pair] = self._assessor.assessment_of(tuple(numbers))
        return found


# The text of each column (None for NULL), and of companies the size.
Values = tuple[bytes | int | None, ...]
Reader = Callable[[Any], object]

_UNKNOWN_SIZE = -1
_SIZE = f"coalesce(employees, {_UNKNOWN_SIZE})"


class _Lines(dict[Values, int]):
    """Values of contacts or companies by what the definition can tell of them: a number, alike ones the same.

    ``told_apart`` has what can be told for each number; number 0 is that of whom nothing is known.
    """

    def __init__(self, assessor: Assessor, *, is_company: bool) -> None:
        super().__init__()
        names = [name for name in assessor.attributes if name.startswith(_COMPANY) == is_company]
        found = [(name, _column(name, asks_presence_only=assessor.asks_presence_only(name))) for name in names]
        # Companies come grouped by the rest, and their sizes follow.
        found.sort(key=lambda column: column[0] == f"{_COMPANY}employees")
        self.places = [assessor.attributes.index(name) for name, _ in found]
        self._columns = [(sql, params) for _, (sql, params, _) in found if sql]
        self._is_company = is_company
        self._fields = [
            _Field(assessor, place, reader) for place, (_, (_, _, reader)) in zip(self.places, found, strict=True)
        ]
        self._numbers: dict[tuple[int, ...], int] = {}
        self.told_apart: list[tuple[int, ...]] = []
        self._number(assessor.tell_apart(self.places, [None] * len(names)))

    def grouped(self, table: str, first: str, second: str, chosen: str) -> tuple[str, list[object]]:
        """The query for rows with the same values: two numbers of each row, joined, then the values, a column each."""
        columns = "".join(f", {sql}" for sql, _ in self._columns)
        joined = f"string_agg(int8send({first}), ''), string_agg(int8send({second}), '')"
        sql = f"SELECT {joined}{columns} FROM {table} WHERE {chosen}"  # noqa: S608  our columns
        if self._columns:
            sql += f" GROUP BY {', '.join(str(place) for place in range(3, 3 + len(self._columns)))}"
        return sql, [one for _, params in self._columns for one in params]

    def __missing__(self, values: Values) -> int:
        # Free text could make this grow without end.
        if len(self) >= _MOST_LINES:
            self.clear()
        # A size may follow that nobody asked for.
        told = tuple(field[value] for field, value in zip(self._fields, values, strict=False))
        number = self[values] = self._number(told)
        return number

    def _number(self, told: tuple[int, ...]) -> int:
        number = self._numbers.setdefault(told, len(self.told_apart))
        if number == len(self.told_apart):
            self.told_apart.append(told)
        return number


class _Field(dict[bytes | int | None, int]):
    """One column's values by what the definition can tell of them."""

    def __init__(self, assessor: Assessor, place: int, reader: Reader) -> None:
        super().__init__()
        self._assessor, self._place, self._reader = assessor, place, reader

    def __missing__(self, found: bytes | int | None) -> int:
        if len(self) >= _MOST_LINES:
            self.clear()
        value = self._reader(found.decode() if isinstance(found, bytes) else found)
        (number,) = self._assessor.tell_apart([self._place], [value])
        self[found] = number
        return number


def _column(name: str, *, asks_presence_only: bool) -> tuple[str, tuple[object, ...], Reader]:
    """An attribute's current value as text, as SQL with parameters, and how to read it.

    No SQL for the size of a company, which comes as a number.
    """
    if name.startswith("attributes."):
        # As text: 1 and 1.0 are one key to the database, and need not be one to a definition.
        return "(attributes -> %s::text)::text", (name.removeprefix("attributes."),), _read_json
    if name.startswith(_COMPANY):
        return _company_column(name.removeprefix(_COMPANY))
    if name not in _OWN_COLUMNS:
        # Nothing is ever known of it.
        return "''::text", (), _read_text
    if asks_presence_only:
        # Hardly two contacts share an address; whether they have one, they do.
        return f"CASE WHEN {name} = '' THEN '' ELSE 'known' END", (), _read_text
    if name == _CONFIRMED:
        return f"{name}::text", (), lambda text: text == "true"
    return name, (), lambda text: as_known(name, text)


def _company_column(name: str) -> tuple[str, tuple[object, ...], Reader]:
    if name == "employees":
        return "", (), lambda size: None if size == _UNKNOWN_SIZE else size
    return (name, (), _read_text) if name in _COMPANY_COLUMNS else ("''::text", (), lambda _: None)


def _read_text(text: str | None) -> object:
    return text


def _read_json(text: str | None) -> object:
    return None if text is None else json.loads(text)


def _copy_groups(sql: str, params: Sequence[object]) -> Iterator[tuple[IntArray, IntArray, tuple[bytes | None, ...]]]:
    """The rows of a query as of ``_Lines.grouped``, by binary COPY: two arrays of whole numbers, then the values."""
    stream = io.BytesIO()
    with connection.cursor() as cursor:
        statement = cursor.mogrify(sql, params).decode()
        cursor.copy_expert(f"COPY ({statement}) TO STDOUT (FORMAT binary)", stream)
    for first, second, *values in read_rows(stream.getvalue()):
        # Nobody at all makes a row without numbers where nothing is grouped by.
        if first is not None and second is not None:
            yield (
                np.frombuffer(first, ">i8").astype(np.int64),
                np.frombuffer(second, ">i8").astype(np.int64),
                (*values,),
            )


def as_known(name: str, value: object) -> object:
    """A value as definitions see it: nobody's answer is no value, and who has not confirmed details has not.

    So what the columns hold by default and what a history does not mention are the same.
    """
    if name in _ANSWERS and value == Answer.UNKNOWN:
        return None
    return False if value is None and name == _CONFIRMED else value

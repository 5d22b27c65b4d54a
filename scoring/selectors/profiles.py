"""Who contacts were and are: attribute values over time and now, assessed under a definition."""

import io
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from django.contrib.postgres.aggregates import ArrayAgg
from django.db import connection, transaction
from django.db.models import Case, F, TextField, Value, When
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import Cast, Coalesce

from contacts.enums import Answer
from contacts.models import Contact
from contacts.selectors.history import COUNTS, IN_ORDER
from scoring.definition import DefinitionDocument
from scoring.engine import NEVER, UNKNOWN_PAST, Assessor
from scoring.engine.facts import BoolArray, IntArray
from scoring.moments import to_micros

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
        self._assessor = assessor
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
        names = self._assessor.attributes
        values: dict[str, Any] = {"source_direction": direction}
        current: list[object] = [as_known(name, values.get(name)) for name in names]
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
            found: list[object] = [as_known(name, known.get(name)) for name in names]
            if found != current:
                current = found
                yield to_micros(at), found


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
        cursor.execute(sql, [_array(owner_ids), list(names), until or "infinity"])
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
        cursor.execute(_PEOPLE, [_array(contact_ids)])
        rows: list[tuple[int, str, datetime]] = cursor.fetchall()
        return rows


def _array(numbers: Iterable[int]) -> str:
    """Whole numbers as PostgreSQL reads an array; a list of parameters takes it longer to read than the rows."""
    return f"{{{','.join(map(str, numbers))}}}"


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
        columns = {f"own{place}": column for place, column in enumerate(self._own.columns)}
        people = Contact.objects.filter(id__gte=first, id__lte=last).values(**columns)
        groups = people.annotate(members=ArrayAgg("id"), companies=ArrayAgg(Coalesce("company_id", 0)))
        sql, params = groups.values_list(*columns, "members", "companies").query.sql_with_params()
        with transaction.atomic(), connection.cursor() as cursor:
            # It expects as many groups as contacts, and would sort them all to be prepared for that.
            cursor.execute("SET LOCAL enable_sort = off")
            alike = [line.rsplit(b"\t", 2) for line in _copy_lines(sql, params)]
            cursor.execute("SET LOCAL enable_sort TO DEFAULT")
        members = [_whole_numbers(numbers) for _, numbers, _ in alike]
        ids = np.concatenate(members)
        company = np.concatenate([_whole_numbers(numbers) for _, _, numbers in alike])
        told = [self._own[values] for values, _, _ in alike]
        order = np.argsort(ids)
        return ids[order], np.repeat(told, [len(one) for one in members])[order], company[order]

    def _read_companies(self, company: IntArray) -> IntArray:
        """What can be told of each of these companies (0: none, of whom nothing is known)."""
        if not self._theirs.columns:
            return np.zeros(len(company), dtype=np.int64)
        asked, which = np.unique(company, return_inverse=True)
        selected = ", ".join(connection.ops.quote_name(column) for column in self._theirs.columns)
        sql = f"SELECT id, {selected} FROM contacts_company WHERE id = ANY(%s::bigint[])"  # noqa: S608  our columns
        lines = [line.partition(b"\t") for line in _copy_lines(sql, [_array(asked.tolist())])]
        told = np.zeros(len(asked), dtype=np.int64)
        ids = np.fromiter((int(number) for number, _, _ in lines), dtype=np.int64, count=len(lines))
        told[np.searchsorted(asked, ids)] = [self._theirs[values] for _, _, values in lines]
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


class _Lines(dict[bytes, int]):
    """Lines of COPY by what the definition can tell of them: each has a number, alike ones the same.

    ``told_apart`` has what can be told for each number; number 0 is that of a line where nothing is known.
    """

    def __init__(self, assessor: Assessor, *, is_company: bool) -> None:
        super().__init__()
        names = [name for name in assessor.attributes if name.startswith(_COMPANY) == is_company]
        self.places = [assessor.attributes.index(name) for name in names]
        found = [_column(name, asks_presence_only=assessor.asks_presence_only(name)) for name in names]
        self.columns = [column for column, _ in found]
        self._fields = [_Field(assessor, place, reader) for place, (_, reader) in zip(self.places, found, strict=True)]
        self._numbers: dict[tuple[int, ...], int] = {}
        self.told_apart: list[tuple[int, ...]] = []
        self._number(assessor.tell_apart(self.places, [None] * len(names)))

    def __missing__(self, line: bytes) -> int:
        # Free text could make this grow without end.
        if len(self) >= _MOST_LINES:
            self.clear()
        told = tuple(field[text] for field, text in zip(self._fields, line.split(b"\t"), strict=True))
        number = self[line] = self._number(told)
        return number

    def _number(self, told: tuple[int, ...]) -> int:
        number = self._numbers.setdefault(told, len(self.told_apart))
        if number == len(self.told_apart):
            self.told_apart.append(told)
        return number


class _Field(dict[bytes, int]):
    """One column's texts by what the definition can tell of them."""

    def __init__(self, assessor: Assessor, place: int, reader: "Reader") -> None:
        super().__init__()
        self._assessor, self._place, self._reader = assessor, place, reader

    def __missing__(self, text: bytes) -> int:
        if len(self) >= _MOST_LINES:
            self.clear()
        value = self._reader(_unescaped(text))
        (number,) = self._assessor.tell_apart([self._place], [value])
        self[text] = number
        return number


Reader = Callable[[str | None], object]


def _column(name: str, *, asks_presence_only: bool) -> tuple[Any, Reader]:
    """The database column of an attribute's current value, and how to read its text."""
    if name.startswith("attributes."):
        # As text: 1 and 1.0 are one key to the database, and need not be one to a definition.
        return Cast(KeyTransform(name.removeprefix("attributes."), "attributes"), TextField()), _read_json
    if name.startswith(_COMPANY):
        return _company_column(name.removeprefix(_COMPANY))
    if name not in _OWN_COLUMNS:
        # Nothing is ever known of it.
        return Value("", output_field=TextField()), _read_text
    if asks_presence_only:
        # Hardly two contacts share an address; whether they have one, they do.
        return Case(When(**{name: ""}, then=Value("")), default=Value("known")), _read_text
    if name == _CONFIRMED:
        return F(name), lambda text: text == "t"
    return F(name), lambda text: as_known(name, text)


def _company_column(name: str) -> tuple[str, Reader]:
    if name == "employees":
        return name, lambda text: None if text is None else int(text)
    return (name, _read_text) if name in _COMPANY_COLUMNS else ("normalised_name", lambda _: None)


def _read_text(text: str | None) -> object:
    return text


def _read_json(text: str | None) -> object:
    return None if text is None else json.loads(text)


def _copy_lines(sql: str, params: Sequence[object]) -> list[bytes]:
    """The rows of a query as COPY writes them in its text format: a line each, tabs between the columns."""
    stream = io.BytesIO()
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY ({cursor.mogrify(sql, params).decode()}) TO STDOUT", stream)
    lines = stream.getvalue().split(b"\n")
    lines.pop()
    return lines


def _whole_numbers(array: bytes) -> IntArray:
    """The numbers of an array as PostgreSQL writes it, in braces."""
    return np.fromstring(array[1:-1], dtype=np.int64, sep=",")


def _unescaped(field: bytes) -> str | None:
    """The text of a field (PostgreSQL manual, COPY, "Text Format"); None for NULL."""
    if b"\\" not in field:
        return field.decode()
    if field == b"\\N":
        return None
    return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[1]), field.decode())


_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def as_known(name: str, value: object) -> object:
    """A value as definitions see it: nobody's answer is no value, and who has not confirmed details has not.

    So what the columns hold by default and what a history does not mention are the same.
    """
    if name in _ANSWERS and value == Answer.UNKNOWN:
        return None
    return False if value is None and name == _CONFIRMED else value

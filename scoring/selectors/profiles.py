"""Who contacts are: their attribute values in force now, assessed under a definition."""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from django.db import connection, transaction

from contacts.enums import Answer
from scoring.definition import DefinitionDocument
from scoring.engine import NEVER, Assessor
from scoring.engine.facts import BoolArray, IntArray
from scoring.moments import moment_sql
from scoring.selectors.columns import read_rows, whole_numbers

COMPANY = "company."
_ANSWERS, _CONFIRMED = ("means", "authority"), "details_confirmed"

# Attributes that have a column of their own; all others are free ones, or none at all.
_OWN_COLUMNS = frozenset({
    "email", "phone", "first_name", "last_name", "job_title", "role", "country", *_ANSWERS, _CONFIRMED,
    "source_direction",
})  # fmt: skip
_COMPANY_COLUMNS = frozenset({"name", "domain", "industry", "employees", "country"})


class CurrentProfiles:
    """The profiles of contacts under the values in force now, from the contact and company columns.

    What a contact says of itself and what its company says are told apart separately: of either there are few
    different ones, whatever the number of contacts. Both are remembered, so use one object for many ranges, in one
    thread.
    """

    def __init__(self, document: DefinitionDocument, *, remembered: int = 100_000) -> None:
        """``remembered``: how many different values at most, of contacts and of companies."""
        self.assessor = Assessor(document)
        self._own = _Lines(self.assessor, is_company=False, most=remembered)
        self._theirs = _Lines(self.assessor, is_company=True, most=remembered)
        self._assessed: dict[int, int] = {}
        names = self.assessor.attributes
        self._own_names = ["company", *(name for name in names if not name.startswith(COMPANY))]
        self._company_names = [name.removeprefix(COMPANY) for name in names if name.startswith(COMPANY)]

    def assess(self, contact_ids: IntArray) -> tuple[IntArray, BoolArray]:
        """Fit in millipoints and answers of each contact (ascending ids, all of which exist). At most two queries."""
        ids, own, company = self._read_range(int(contact_ids[0]), int(contact_ids[-1]))
        place = np.searchsorted(ids, contact_ids)
        return self._assess(own[place], company[place])

    def assess_unchanged(self, contact_ids: IntArray, since: IntArray) -> tuple[IntArray, BoolArray, BoolArray]:
        """As `assess`, of some contacts out of a range, and who of them has had this profile ever since.

        ``since``: a moment of each (microseconds). Of a company it asks whether it changed since the earliest moment of
        its people. At most four queries.
        """
        _, own, company = self._read_people("id = ANY(%s::bigint[])", [whole_numbers(contact_ids.tolist())])
        fit, answers = self._assess(own, company)
        # Asked after the values were read: a change that is committed between the two is seen here, and counts as one.
        changed = _changed_since(_OF_CONTACTS, contact_ids, since, self._own_names)
        employers, which = np.unique(company, return_inverse=True)
        if self._company_names and employers[-1]:
            earliest = np.full(len(employers), NEVER, dtype=np.int64)
            np.minimum.at(earliest, which, since)
            changed |= _changed_since(_OF_COMPANIES, employers, earliest, self._company_names)[which]
        return fit, answers, ~changed

    def _assess(self, own: IntArray, company: IntArray) -> tuple[IntArray, BoolArray]:
        pairs, which = np.unique(own << 32 | self._read_companies(company), return_inverse=True)
        found = np.array([self._assessment(pair) for pair in pairs.tolist()], dtype=np.int64)[which]
        fit, answers = self.assessor.assessments()
        return fit[found], answers[found]

    def _read_range(self, first: int, last: int) -> tuple[IntArray, IntArray, IntArray]:
        with transaction.atomic(), connection.cursor() as cursor:
            # It expects as many groups as contacts, and would sort them all to be prepared for that.
            cursor.execute("SET LOCAL enable_sort = off")
            people = self._read_people("id BETWEEN %s AND %s", [first, last])
            cursor.execute("SET LOCAL enable_sort TO DEFAULT")
        return people

    def _read_people(self, chosen: str, values: Sequence[object]) -> tuple[IntArray, IntArray, IntArray]:
        """The contacts that meet a condition, ascending: id, what can be told of them, company (0 for none).

        Grouped by the database: what it would cost to bring every contact's values here is most of the whole.
        """
        sql, params = self._own.grouped("contacts_contact", "id", "coalesce(company_id, 0)", chosen)
        alike = list(_copy_groups(sql, [*params, *values]))
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
            numbers = [0] * len(self.assessor.attributes)
            for lines, number in ((self._own, pair >> 32), (self._theirs, pair & 0xFFFFFFFF)):
                for place, told in zip(lines.places, lines.told_apart[number], strict=True):
                    numbers[place] = told
            found = self._assessed[pair] = self.assessor.assessment_of(tuple(numbers))
        return found


# Whether an index's entries for one owner hold a later moment; a row for each owner of whom that is so.
_CHANGED = f"""
SELECT asked.id FROM unnest(%s::bigint[], %s::bigint[]) AS asked (id, since)
CROSS JOIN LATERAL (
    SELECT FROM {{table}} AS change
    WHERE change.{{owner}} = asked.id AND change.name = ANY(%s) AND change.effective_at > {moment_sql("asked.since")}
    LIMIT 1) AS later
"""  # noqa: S608  constants only
_OF_CONTACTS = _CHANGED.format(table="contacts_attributechange", owner="contact_id")
_OF_COMPANIES = _CHANGED.format(table="contacts_companychange", owner="company_id")


def _changed_since(sql: str, owner_ids: IntArray, since: IntArray, names: Sequence[str]) -> BoolArray:
    """Of which owners (ascending ids) the history says anything under these names later than a moment of each."""
    changed = np.zeros(len(owner_ids), dtype=np.bool_)
    with connection.cursor() as cursor:
        cursor.execute(sql, [whole_numbers(owner_ids.tolist()), whole_numbers(since.tolist()), list(names)])
        changed[np.searchsorted(owner_ids, np.array(cursor.fetchall(), dtype=np.int64).ravel())] = True
    return changed


# The text of each column (None for NULL), and of companies the size.
Values = tuple[bytes | int | None, ...]
Reader = Callable[[Any], object]

_UNKNOWN_SIZE = -1
_SIZE = f"coalesce(employees, {_UNKNOWN_SIZE})"


class _Lines(dict[Values, int]):
    """Values of contacts or companies by what the definition can tell of them: a number, alike ones the same.

    ``told_apart`` has what can be told for each number; number 0 is that of whom nothing is known.
    """

    def __init__(self, assessor: Assessor, *, is_company: bool, most: int) -> None:
        super().__init__()
        self._most = most
        names = [name for name in assessor.attributes if name.startswith(COMPANY) == is_company]
        found = [(name, _column(name, asks_presence_only=assessor.asks_presence_only(name))) for name in names]
        # Companies come grouped by the rest, and their sizes follow.
        found.sort(key=lambda column: column[0] == f"{COMPANY}employees")
        self.places = [assessor.attributes.index(name) for name, _ in found]
        self._columns = [(sql, params) for _, (sql, params, _) in found if sql]
        self._is_company = is_company
        self._fields = [
            _Field(assessor, place, reader, most) for place, (_, (_, _, reader)) in zip(self.places, found, strict=True)
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
        if len(self) >= self._most:
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

    def __init__(self, assessor: Assessor, place: int, reader: Reader, most: int) -> None:
        super().__init__()
        self._assessor, self._place, self._reader, self._most = assessor, place, reader, most

    def __missing__(self, found: bytes | int | None) -> int:
        if len(self) >= self._most:
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
    if name.startswith(COMPANY):
        return _company_column(name.removeprefix(COMPANY))
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

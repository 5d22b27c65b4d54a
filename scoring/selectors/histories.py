"""Who contacts were: attribute values over time, assessed under a definition."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from django.db import connection

from contacts.selectors.history import COUNTS, IN_ORDER
from scoring.engine import NEVER, UNKNOWN_PAST, Assessor
from scoring.engine.facts import BoolArray, IntArray
from scoring.moments import to_micros
from scoring.selectors.columns import whole_numbers
from scoring.selectors.profiles import COMPANY, as_known


def profile_values(contact_id: int, assessor: Assessor, *, until: datetime) -> dict[str, object]:
    """The attribute values of one contact that a definition looks at, as in force at ``until``."""
    histories = ProfileHistories(np.array([contact_id], dtype=np.int64), assessor, until)
    return dict(zip(assessor.attributes, histories.values[-1], strict=True))


class ProfileHistories:
    """The profiles of contacts over time: a row wherever an attribute that the definition looks at changed."""

    def __init__(self, contact_ids: IntArray, assessor: Assessor, until: datetime | None) -> None:
        self._places = {name: place for place, name in enumerate(assessor.attributes)}
        self._unknown = [as_known(name, None) for name in assessor.attributes]
        self._company_places = [place for name, place in self._places.items() if name.startswith(COMPANY)]
        self.values: list[list[object]] = []
        index_of = {contact_id: index for index, contact_id in enumerate(contact_ids.tolist())}
        own_names = [name for name in assessor.attributes if not name.startswith(COMPANY)]
        own: dict[int, list[tuple[datetime, str, Any]]] = defaultdict(list)
        for contact_id, at, name, value in _changes(_OF_CONTACTS, contact_ids.tolist(), [*own_names, "company"], until):
            own[contact_id].append((at, name, value))
        companies = sorted({int(v) for changes in own.values() for _, name, v in changes if name == "company" and v})
        theirs: dict[int, list[tuple[datetime, str, Any]]] = defaultdict(list)
        company_names = [name.removeprefix(COMPANY) for name in assessor.attributes if name.startswith(COMPANY)]
        for company_id, at, name, value in _changes(_OF_COMPANIES, companies, company_names, until):
            theirs[company_id].append((at, f"{COMPANY}{name}", value))

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

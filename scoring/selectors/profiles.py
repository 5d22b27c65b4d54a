"""Who contacts were and are: attribute values over time and now, assessed under a definition."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from django.db.models import Q

from contacts.models import AttributeChange, CompanyChange, Contact
from scoring.engine import NEVER, UNKNOWN_PAST, Assessor
from scoring.engine.facts import BoolArray, IntArray
from scoring.moments import to_micros

_COMPANY = "company."


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


def assess_current(contact_ids: IntArray, assessor: Assessor) -> tuple[IntArray, BoolArray]:
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

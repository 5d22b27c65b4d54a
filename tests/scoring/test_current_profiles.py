"""Profiles read for many contacts at once: the same as one by one from their histories, whatever the values are."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from contacts.models import Company, Contact
from scoring.definition import DefinitionDocument, read_document, to_builtins
from scoring.engine import Assessor
from scoring.selectors.histories import ProfileHistories
from scoring.selectors.profiles import CurrentProfiles
from tests.scoring.facts import incoming, record
from tests.scoring.worlds import default_document

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

TITLES = [
    "",
    "Head\tof\nOps",
    "C:\\N",
    "\\N",
    "\\",
    "a\\tb",
    "Chief \u2028 Ärztin",
    "Head of Ops",
    "\x0b\x0c\x08\r",
    "intern",
]
INDUSTRIES = ["software", "", "fin\tance", "\\N", "Health\ncare", "software"]
FREE: list[Any] = [
    None,
    True,
    False,
    1,
    1.0,
    "1",
    "true",
    0,
    "",
    "a\tb\\n",
    [1, "x\ty"],
    {"a": "\\N"},
    2**53 + 1,
    1.5,
]


def document() -> DefinitionDocument:
    """The default with a rule for each odd value, so that no two of them can be mistaken for one another."""
    data = to_builtins(default_document())
    tests: list[dict[str, Any]] = [{"name": "job_title", "equals": title} for title in TITLES if title]
    tests += [{"name": "company.industry", "equals": industry} for industry in INDUSTRIES if industry]
    tests += [{"name": "company.employees", "equals": 7}, {"name": "company.name", "words": ["acme 3"]}]
    tests += [{"name": "attributes.free", "equals": value} for value in (True, False, 1, "1", 0, "a\tb\\n", 1.5)]
    tests += [{"name": "attributes.free", "known": True}, {"name": "attributes.odd__key.x", "equals": "yes"}]
    tests += [{"name": "means", "known": True}, {"name": "authority", "equals": "unknown"}]
    tests += [{"name": "details_confirmed", "equals": False}, {"name": "details_confirmed", "known": True}]
    tests += [{"name": "phone", "known": True}, {"name": "country", "equals": "DE"}]
    rules = [
        {"key": f"r{n}", "label": "R", "test": test, "points": 7919 * (n + 1) % 99_991 / 1000}
        for n, test in enumerate(tests)
    ]
    return read_document({**data, "fit": {"rules": rules}})


def populate() -> None:
    """Contacts with every odd value; some without company, some whose answers were given and taken back."""
    for number in range(42):
        traits: dict[str, Any] = {
            "job_title": TITLES[number % len(TITLES)],
            "attributes": None,
            "free": FREE[number % len(FREE)],
            "odd__key.x": "yes" if number % 5 == 0 else "no",
            "means": ("yes", "no", "unknown")[number % 3],
            "details_confirmed": bool(number % 2),
            "phone": "+49 30 1234567" if number % 4 == 0 else "",
        }
        if number % 3:
            traits["company"] = {
                "name": f"Acme {number % 5}",
                "domain": f"acme{number % 7}.example",
                "industry": INDUSTRIES[number % len(INDUSTRIES)],
                "employees": 7 if number % 2 else 200,
            }
        del traits["attributes"]
        email = f"p{number}@x{number}.example"
        # Of what is said of a company at one moment the greatest id decides, so these are not left to chance.
        record(
            incoming("page_viewed", NOW - timedelta(days=2), email=email, traits=traits, message_id=f"first {number}")
        )
        if number % 6 == 0:
            taken_back = {"means": None, "free": None}
            record(incoming("page_viewed", NOW - timedelta(days=1), email=email, traits=taken_back))
    record(incoming("page_viewed", NOW, email="plain@nowhere.example"))


def test_read_at_once_they_are_what_their_histories_end_with() -> None:
    populate()
    ids = np.array(sorted(Contact.objects.values_list("pk", flat=True)), dtype=np.int64)
    histories = ProfileHistories(ids, Assessor(document()), NOW)
    last = np.searchsorted(histories.contact, np.arange(len(ids)), side="right") - 1
    assert len(set(histories.fit[last].tolist())) > 30

    profiles = CurrentProfiles(document())
    for chosen in (slice(None), slice(0, 5), slice(3, None, 4)):
        fit, answers = profiles.assess(ids[chosen])
        assert fit.tolist() == histories.fit[last][chosen].tolist()
        assert answers.tolist() == histories.answers[last][chosen].tolist()


def test_what_changes_between_two_readings_is_seen() -> None:
    populate()
    ids = np.array(sorted(Contact.objects.values_list("pk", flat=True)), dtype=np.int64)
    profiles = CurrentProfiles(document())
    before, _ = profiles.assess(ids)
    Company.objects.update(industry="software")
    Contact.objects.filter(pk=ids[1]).update(job_title="intern")
    after, _ = profiles.assess(ids)
    fresh, _ = CurrentProfiles(document()).assess(ids)
    assert after.tolist() == fresh.tolist() != before.tolist()

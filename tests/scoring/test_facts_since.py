"""Facts for timelines that go on: what they leave out of a history makes no difference from the last judgement on."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts.models import Company, Contact
from scoring.definition import to_builtins
from scoring.engine import NEVER, UNKNOWN_PAST, Assessor, Compiled, Facts
from scoring.engine.facts import IntArray
from scoring.models import Transition
from scoring.moments import to_micros
from scoring.selectors.definitions import compile_document
from scoring.selectors.facts import facts_since, load_facts
from scoring.selectors.profiles import CurrentProfiles
from scoring.services.evaluate import drain_due
from scoring.services.verification import verify_judgements
from tests.scoring.facts import FITTING, contact_id_of, incoming, record
from tests.scoring.test_current_profiles import document

pytestmark = pytest.mark.django_db
committed = pytest.mark.django_db(transaction=True, serialized_rollback=True)

JUDGED = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
NOW = JUDGED + timedelta(hours=1)

TRAITS: list[dict[str, Any]] = [
    {},
    {"job_title": "intern"},
    {"job_title": "Head of Ops", "country": "DE"},
    {"means": None},
    {"phone": "+49 30 1234567"},
    {"free": 1},
    {"company": {"name": "Acme 3", "domain": "acme.example", "employees": 7}},
    {"company": {"domain": "acme.example", "industry": "software"}},
    {"company": None},
]
SAID = st.lists(
    st.tuples(
        st.sampled_from(["ann@acme.example", "bob@acme.example", "eve@gmail.com"]),
        st.sampled_from(TRAITS),
        st.sampled_from(["page_viewed", None]),
        st.sampled_from([-90, -10, 0, 10, 40, 90]),
    ),
    min_size=1,
    max_size=12,
)


def compiled() -> Compiled:
    return compile_document(to_builtins(document()), version="x@1")


def everyone() -> IntArray:
    return np.array(sorted(Contact.objects.values_list("pk", flat=True)), dtype=np.int64)


def moments(facts: Facts, contact: int, since: int) -> tuple[Any, ...]:
    """What a judgement of the contact after ``since`` can tell: its events, its profile then and the later ones."""
    mine = facts.profile_contact == contact
    at = np.maximum(facts.profile_at[mine], since)
    fit, answers = facts.profile_fit[mine], facts.profile_answers[mine]
    in_force = np.searchsorted(at, since, side="right") - 1
    events = facts.event_at[facts.event_contact == contact]
    first_seen = int(facts.first_seen[contact])
    return (
        events.tolist(),
        list(zip(at[in_force:].tolist(), fit[in_force:].tolist(), answers[in_force:].tolist(), strict=True)),
        # Whether somebody became known before all that is dated matters only where nothing is.
        first_seen if since == UNKNOWN_PAST or not len(events) else NEVER,
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=SAID)
def test_from_the_last_judgement_on_they_are_what_the_whole_history_tells(said: list[Any]) -> None:
    with transaction.atomic():
        for email, traits, kind, minutes in said:
            at = JUDGED + timedelta(minutes=minutes)
            record(incoming(kind, at, email=email, traits=traits), at=max(at, JUDGED))
        ids, rules = everyone(), compiled()
        whole = load_facts(ids, rules, Assessor(rules.document), until=NOW)
        for judged_at in (
            np.full(len(ids), to_micros(JUDGED)),
            np.where(np.arange(len(ids)) % 2, to_micros(JUDGED), UNKNOWN_PAST),
        ):
            going_on = facts_since(ids, rules, CurrentProfiles(rules.document), judged_at, until=NOW)
            for contact, since in enumerate(judged_at.tolist()):
                assert moments(going_on, contact, since) == moments(whole, contact, since)
            assert (np.diff(going_on.profile_contact) >= 0).all()
        transaction.set_rollback(True)


def test_of_whom_nothing_was_said_no_history_is_read() -> None:
    for number in range(5):
        record(incoming("page_viewed", JUDGED, email=f"p{number}@acme.example", traits=FITTING))
    ids, rules = everyone(), compiled()
    profiles = CurrentProfiles(rules.document)

    def histories_read(judged_at: datetime) -> int:
        with CaptureQueriesContext(connection) as captured:
            facts_since(ids, rules, profiles, np.full(len(ids), to_micros(judged_at)), until=NOW)
        return sum("o.value::text" in query["sql"] for query in captured.captured_queries)

    assert histories_read(JUDGED) == 0
    assert histories_read(JUDGED - timedelta(minutes=1)) == 2


def in_between(statement: str, work: Callable[[], object], *, after: bool) -> Callable[..., Any]:
    """Does ``work`` on a connection of its own, once, before or after a statement that contains this."""
    waiting = [work]

    def do_it() -> None:
        thread = threading.Thread(target=waiting.pop())
        thread.start()
        thread.join()

    def wrapper(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        is_now = statement in sql and bool(waiting)
        if is_now and not after:
            do_it()
        result = execute(sql, params, many, context)
        if is_now and after:
            do_it()
        return result

    return wrapper


@committed
@pytest.mark.parametrize(
    ("statement", "after"),
    [
        ("AS asked (id, since)", False),
        ("FROM contacts_companychange AS change", False),
        ("FROM contacts_companychange AS change", True),
    ],
)
def test_what_a_company_learns_while_its_people_are_judged_is_true_from_then_on_and_not_before(
    statement: str, after: bool
) -> None:
    """Companies are not held by whoever judges their people: between two statements they may be others."""
    known = {"job_title": "Director", "company": {"domain": "acme.example"}}
    record(incoming("page_viewed", JUDGED - timedelta(hours=1), traits=known))
    drain_due(now=JUDGED)
    record(incoming("demo_requested", JUDGED))
    learned_at = NOW - timedelta(minutes=1)

    def learn() -> None:
        try:
            told = {"company": {"domain": "acme.example", "employees": 300}}
            record(incoming(None, learned_at, email="bob@acme.example", traits=told), at=NOW)
        finally:
            connection.close()

    with connection.execute_wrapper(in_between(statement, learn, after=after)):
        drain_due(now=NOW)
    assert Company.objects.get().employees == 300
    drain_due(now=NOW)
    became = list(Transition.objects.filter(contact_id=contact_id_of()).order_by("effective_at"))
    assert [(one.to_stage, one.effective_at) for one in became][-2:] == [
        ("marketing_prospect", JUDGED),
        ("sales_prospect", learned_at),
    ]
    assert not list(verify_judgements(now=NOW))

"""Observations: what was known when, and nothing that came later."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from contacts.models import Contact
from contacts.services.work import CannotRun, Unwatched
from scoring.definition import DefinitionDocument
from scoring.engine import Assessor, Timeline, compile_definition, replay
from scoring.engine.facts import DAY as MICROS_OF_A_DAY
from scoring.engine.facts import NEVER
from scoring.engine.observing import Observations
from scoring.matching import load_kinds
from scoring.moments import to_datetime, to_micros
from scoring.selectors import load_facts, published_definition
from scoring.services.observing import ObservationTimes, Outcome, default_outcome, observe, read_outcome
from tests.scoring.facts import FITTING, contact_id_of, incoming, record

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 20, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def document() -> DefinitionDocument:
    return published_definition()[1]


def observations(outcome: Outcome | None = None, **times: Any) -> list[Observations]:
    compiled = compile_definition(document(), load_kinds(), version="default@1")
    chosen = outcome or default_outcome(document())
    given = ObservationTimes(**times)
    return list(observe(compiled, times=given, outcome=chosen, now=NOW, progress=Unwatched()))


def seen(found: list[Observations], email: str = "ann@acme.example") -> list[tuple[str, bool, str]]:
    """When the contact was observed, whether it then bought, and its stage."""
    stages = [stage.key for stage in document().stages]
    return [
        (f"{to_datetime(at):%Y-%m-%d %H:%M}", bool(label), stages[stage])
        for part in found
        for contact, at, label, stage in zip(part.contact, part.at, part.label, part.stage, strict=True)
        if contact == contact_id_of(email)
    ]


def test_a_contact_is_observed_at_month_ends_from_its_first_fact_until_its_outcome() -> None:
    record(
        incoming("page_viewed", datetime(2026, 1, 15, tzinfo=UTC), traits=FITTING),
        incoming("demo_requested", datetime(2026, 2, 10, tzinfo=UTC)),
        incoming("purchased", datetime(2026, 3, 20, tzinfo=UTC)),
        incoming("purchased", datetime(2026, 4, 20, tzinfo=UTC)),
    )
    record(incoming("form_submitted", datetime(2026, 2, 28, tzinfo=UTC), email="bob@acme.example"))
    found = observations(horizon_days=30)
    assert seen(found) == [("2026-01-31 23:59", False, "audience"), ("2026-02-28 23:59", True, "sales_prospect")]
    # Thirty days after the end of May are not over yet.
    assert seen(found, "bob@acme.example") == [
        ("2026-02-28 23:59", False, "lead"),
        ("2026-03-31 23:59", False, "lead"),
        ("2026-04-30 23:59", False, "lead"),
    ]
    (part,) = found
    # The end of May of the one, and the ends of March, April and May after the other's purchase.
    assert (part.left_out.horizon_open, part.left_out.after_outcome, part.contacts) == (1, 3, 2)
    ann = part.contact == contact_id_of()
    assert set(part.purchase_at[ann]) == {to_micros(datetime(2026, 3, 20, tzinfo=UTC))}
    assert set(part.purchase_at[~ann]) == {NEVER}


def test_the_features_are_what_weighed_then() -> None:
    record(
        incoming("demo_requested", datetime(2026, 1, 1, 23, 59, 59, 999_999, tzinfo=UTC), traits=FITTING),
        *(incoming("page_viewed", datetime(2026, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC)) for _ in range(30)),
        # All of this came later.
        incoming("form_submitted", datetime(2026, 2, 1, tzinfo=UTC), traits={"job_title": "Student"}),
        incoming("purchased", datetime(2026, 2, 2, tzinfo=UTC)),
    )
    (part,) = observations(horizon_days=1)
    (row,) = np.flatnonzero(part.contact == contact_id_of())
    values = dict(zip(part.feature_names, part.values[row].tolist(), strict=True))
    # Thirty days are one half-life; the group of page views is capped.
    assert {name: value for name, value in values.items() if value} == {
        "signals.readiness": 20.0,
        "groups.browsing": 10.0,
        "fit_rules.company_size": 1.0,
        "fit_rules.industry": 1.0,
        "fit_rules.leading_title": 1.0,
    }
    assert (part.engagement[row], part.fit[row]) == (30_000, 30_000)
    assert not part.label[row]


def test_own_times_are_the_last_moments_of_days_and_few() -> None:
    start = datetime(2026, 1, 1, 8, tzinfo=UTC)
    record(
        incoming("page_viewed", start),
        incoming("page_viewed", start + timedelta(hours=3)),
        incoming("email_sent", start + timedelta(hours=5)),
        incoming("form_submitted", start + 2 * DAY),
        incoming("purchased", start + 2 * DAY + timedelta(hours=1)),
        incoming("page_viewed", start + 3 * DAY),
    )
    record(*(incoming("page_viewed", start + day * DAY, email="bob@acme.example") for day in range(36)))
    found = observations(mode="own-times", horizon_days=20)
    assert seen(found) == [("2026-01-01 11:00", True, "audience"), ("2026-01-03 08:00", True, "lead")]
    times = [when for when, _, _ in seen(found, "bob@acme.example")]
    assert times == [f"{start + day * DAY:%Y-%m-%d %H:%M}" for day in range(1, 36, 3)]
    (part,) = found
    assert (part.left_out.thinned, part.left_out.after_outcome) == (24, 0)


def test_a_period_bounds_the_moments() -> None:
    record(incoming("form_submitted", datetime(2025, 1, 15, tzinfo=UTC)))
    since, until = datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 5, 1, tzinfo=UTC)
    assert [when for when, _, _ in seen(observations(since=since, until=until))] == [
        "2025-03-31 23:59",
        "2025-04-30 23:59",
    ]
    assert seen(observations(mode="own-times", since=since, until=until)) == []


def test_buyers_carry_what_led_there() -> None:
    record(
        incoming("form_submitted", datetime(2026, 1, 5, tzinfo=UTC), traits=FITTING),
        incoming("demo_requested", datetime(2026, 2, 10, tzinfo=UTC)),
        incoming("purchased", datetime(2026, 3, 20, tzinfo=UTC)),
    )
    record(incoming("purchased", datetime(2026, 3, 21, tzinfo=UTC), email="bob@acme.example"))
    buyers = observations()[0].buyers
    assert buyers.contact.tolist() == [contact_id_of(), contact_id_of("bob@acme.example")]
    assert buyers.known.tolist() == [True, False]
    stages = [stage.key for stage in document().stages]
    assert [stages[rank] if rank >= 0 else "" for rank in buyers.stage] == ["sales_prospect", ""]
    reached = {
        key: to_datetime(at).strftime("%m-%d")
        for key, at in zip(stages, buyers.reached_at[0].tolist(), strict=True)
        if at < NEVER
    }
    assert reached == {"audience": "01-05", "lead": "01-05", "marketing_prospect": "02-10", "sales_prospect": "02-10"}
    assert (buyers.reached_at[1] == NEVER).all()


def test_every_observation_is_the_verdict_of_a_replay_up_to_it() -> None:
    kinds = ["page_viewed", "email_clicked", "form_submitted", "demo_requested", "social_question", "call_connected"]
    for number in range(25):
        events = [
            incoming(
                kinds[(number * 5 + step * 3) % len(kinds)],
                datetime(2025, 9, 1, tzinfo=UTC) + (number * 3 + step * 17) * DAY,
                email=f"p{number}@x{number}.example",
                traits=FITTING if step == number % 4 else {},
                **({"with": "Sam"} if number % 2 else {}),
            )
            for step in range(number % 7 + 1)
        ]
        record(*events)
    compiled = compile_definition(document(), load_kinds(), version="default@1")
    for mode in ("month-ends", "own-times"):
        (part,) = observations(mode=mode)
        assert len(part.at) > 40
        for row in range(len(part.at)):
            ids = part.contact[row : row + 1]
            facts = load_facts(ids, compiled, Assessor(document()), until=to_datetime(part.at[row]))
            timeline = Timeline.start(1)
            replay(compiled, facts, timeline, until=part.at[row : row + 1])
            assert timeline.stage[0] == part.stage[row]
            assert part.label[row] == (part.purchase_at[row] <= part.at[row] + 90 * MICROS_OF_A_DAY)


def test_parts_add_up_and_merged_contacts_are_left_to_what_they_became() -> None:
    for number in range(9):
        record(incoming("form_submitted", NOW - 200 * DAY, email=f"p{number}@x{number}.example"))
    gone = Contact.objects.get(pk=contact_id_of("p4@x4.example"))
    gone.merged_into_id = contact_id_of("p3@x3.example")
    gone.save()
    compiled = compile_definition(document(), load_kinds())
    parts = list(
        observe(
            compiled,
            times=ObservationTimes(),
            outcome=default_outcome(document()),
            now=NOW,
            progress=Unwatched(),
            chunk=2,
        )
    )
    (whole,) = observations()
    assert len(parts) > 3
    assert np.concatenate([part.contact for part in parts]).tolist() == whole.contact.tolist()
    assert gone.pk not in whole.contact
    assert sum(part.contacts for part in parts) == whole.contacts == 8


def test_the_outcome_is_named_by_evidence_or_kinds() -> None:
    assert default_outcome(document()) == Outcome(evidence="purchase")
    assert read_outcome("", document()) == Outcome(evidence="purchase")
    assert read_outcome("readiness", document()) == Outcome(evidence="readiness")
    assert read_outcome("purchased, trial_started", document()) == Outcome(kinds=("purchased", "trial_started"))
    record(
        incoming("form_submitted", datetime(2026, 1, 5, tzinfo=UTC)),
        incoming("trial_started", datetime(2026, 2, 10, tzinfo=UTC)),
    )
    assert seen(observations(Outcome(kinds=("trial_started",)))) == [("2026-01-31 23:59", True, "lead")]


@pytest.mark.parametrize(
    ("times", "outcome", "message"),
    [
        ({"mode": "weekly"}, None, "'weekly' is no way to choose moments"),
        ({"horizon_days": 0}, None, "between 1 and 3,650 days"),
        ({"since": NOW, "until": NOW - DAY}, None, "ends before it begins"),
        ({}, Outcome(evidence="sale"), "'sale' is no evidence of this definition; it has "),
        ({}, Outcome(kinds=("bought",)), "'bought' is neither an evidence of this definition nor an event kind"),
        ({}, Outcome(), "Say what counts as the outcome"),
    ],
)
def test_what_makes_no_sense_is_said(times: dict[str, Any], outcome: Outcome | None, message: str) -> None:
    with pytest.raises(CannotRun, match=message):
        observations(outcome, **times)


def test_an_empty_installation_gives_nothing() -> None:
    assert observations() == []

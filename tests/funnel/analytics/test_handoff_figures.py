"""How the handing over went, against cases counted by hand."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from contacts.models import Company
from funnel.analytics import Segment
from funnel.selectors.clock_figures import attempt_clock, claim_clock, figures_by_rep
from funnel.selectors.handoff_figures import FIGURES, handoff_figures, offered_in, offers, oldest_waiting
from tests.funnel.analytics.rows import MARCH, hour, tell

pytestmark = pytest.mark.django_db
HOUR = 3600
ALL = Segment()
NOW = hour(1_000)


@pytest.fixture
def rep() -> User:
    return User.objects.create_user(username="rhea", first_name="Rhea", last_name="Rep")


@pytest.fixture
def other() -> User:
    return User.objects.create_user(username="ben", first_name="Ben", last_name="Boss")


def claims(now: Any = NOW, segment: Segment = ALL) -> tuple[int, int, int, int]:
    clock, _ = claim_clock(MARCH, segment, now=now)
    return clock.met, clock.missed, clock.running, clock.void


def attempts(now: Any = NOW) -> tuple[int, int, int, int]:
    clock, _ = attempt_clock(MARCH, ALL, now=now)
    return clock.met, clock.missed, clock.running, clock.void


# met, missed, running, void
CLAIM_CASES: dict[str, tuple[list[tuple[Any, ...]], tuple[int, int, int, int]]] = {
    "claimed an hour before the deadline": ([("offer", 0, None), ("claim", 3, 4)], (1, 0, 0, 0)),
    "claimed at the very deadline": ([("offer", 0, None), ("claim", 4, 4)], (1, 0, 0, 0)),
    "claimed late, before the sweep came": ([("offer", 0, None), ("claim", 5, 4)], (0, 1, 0, 0)),
    "claimed over a weekend, in business time": ([("offer", 103, None), ("claim", 168, 171)], (1, 0, 0, 0)),
    "expired": ([("offer", 0, None), ("expire", 4, 4)], (0, 1, 0, 0)),
    "withdrawn in time": ([("offer", 0, None), ("withdraw", 2, 4)], (0, 0, 0, 1)),
    "withdrawn when it was too late": ([("offer", 0, None), ("withdraw", 6, 4)], (0, 1, 0, 0)),
    "claimed while no clock ran": ([("offer", 0, None), ("claim", 3, None)], (0, 0, 0, 1)),
    "released and claimed again late": (
        [("offer", 0, None), ("claim", 1, 4), ("release", 9, 9, {"reason": "no_attempt"}), ("claim", 14, 13)],
        (1, 1, 0, 0),
    ),
}


@pytest.mark.parametrize("case", CLAIM_CASES)
def test_a_claim_is_measured_by_the_deadline_it_met(rep: User, case: str) -> None:
    moves, expected = CLAIM_CASES[case]
    tell(*moves, rep=rep)
    assert claims() == expected


def test_an_offer_that_waits_is_running_until_its_deadline_and_missed_after_it() -> None:
    tell(("offer", 0, None), due_at=hour(4))
    assert claims(now=hour(3)) == (0, 0, 1, 0)
    assert claims(now=hour(5)) == (0, 1, 0, 0)


ATTEMPT_CASES: dict[str, tuple[list[tuple[Any, ...]], dict[str, Any], tuple[int, int, int, int]]] = {
    "attempted and won": ([("offer", 0, None), ("claim", 1, 4), ("win", 30, None)], {"attempted_at": 2}, (1, 0, 0, 0)),
    "nobody tried": (
        [("offer", 0, None), ("claim", 1, 4), ("release", 9, 9, {"reason": "no_attempt"})],
        {},
        (0, 1, 0, 0),
    ),
    "given back by hand before trying": (
        [("offer", 0, None), ("claim", 1, 4), ("release", 3, 9, {"reason": "by_hand"})],
        {},
        (0, 0, 0, 1),
    ),
    "given back by hand after a try": (
        [("offer", 0, None), ("claim", 1, 4), ("release", 20, None, {"reason": "by_hand"})],
        {},
        (1, 0, 0, 0),
    ),
    "returned without a try": (
        [("offer", 0, None), ("claim", 1, 4), ("return", 2, 9, {"reason": "duplicate"})],
        {},
        (0, 0, 0, 1),
    ),
    "still in conversation": ([("offer", 0, None), ("claim", 1, 4)], {"attempted_at": 2}, (1, 0, 0, 0)),
    "nothing tried yet": ([("offer", 0, None), ("claim", 1, 4)], {"due_at": 2_000}, (0, 0, 1, 0)),
    "nothing tried, and too late": ([("offer", 0, None), ("claim", 1, 4)], {"due_at": 9}, (0, 1, 0, 0)),
}


@pytest.mark.parametrize("case", ATTEMPT_CASES)
def test_the_first_attempt_is_measured_from_the_claim(rep: User, case: str) -> None:
    moves, columns, expected = ATTEMPT_CASES[case]
    given: dict[str, Any] = {name: hour(at) for name, at in columns.items()}
    tell(*moves, rep=rep, **given)
    assert attempts() == expected


def test_reassigning_begins_the_attempt_anew_for_the_next_rep(rep: User, other: User) -> None:
    tell(("offer", 0, None), ("claim", 1, 4), ("reassign", 12, 10, {"rep": other}), rep=rep, attempted_at=hour(13))
    assert attempts() == (1, 1, 0, 0)
    by_rep = {figures.name: figures for figures in figures_by_rep(MARCH, ALL, now=NOW)}
    assert (by_rep["Rhea Rep"].attempts.missed, by_rep["Ben Boss"].attempts.met) == (1, 1)
    # Only who took it from the queue is measured by the queue's clock.
    assert (by_rep["Rhea Rep"].claims.met, by_rep["Ben Boss"].claims.met) == (1, 0)
    assert (by_rep["Rhea Rep"].in_hand, by_rep["Ben Boss"].in_hand) == (0, 1)


def test_time_to_claim_and_time_without_an_owner(rep: User) -> None:
    for waited in (1, 2, 3, 4, 10):
        tell(("offer", 0, None), ("claim", waited, 20), rep=rep)
    # Offered in vain for ten hours; the second offer was claimed after two.
    first = tell(("offer", 0, None), ("expire", 10, 10))
    tell(("offer", 10, None), ("claim", 12, 20), rep=rep, first_offered_at=hour(0), previous=first, escalation=1)
    figures = handoff_figures(MARCH, ALL, now=NOW)
    # 1 2 2 3 4 10 from offer to claim; 1 2 3 4 10 12 from the first offer.
    assert figures.claims.median == 2.5 * HOUR
    assert figures.claims.p90 == pytest.approx(7 * HOUR)
    assert figures.unowned.median == 3.5 * HOUR
    assert figures.unowned.p90 == pytest.approx(11 * HOUR)
    assert figures.unowned.total == (1 + 2 + 3 + 4 + 10 + 10 + 2) * HOUR
    assert figures.claims.attained == 6 / 7


def test_an_offer_that_waits_counts_until_now_and_the_oldest_from_its_first_offer() -> None:
    first = tell(("offer", 0, None), ("expire", 10, 10))
    tell(("offer", 10, None), first_offered_at=hour(0), previous=first)
    figures = handoff_figures(MARCH, ALL, now=hour(15))
    assert figures.unowned.total == 15 * HOUR
    assert figures.unowned.oldest == hour(0)
    assert figures.unowned.median is None


def test_what_became_of_offers_and_who_is_behind_each_number(rep: User) -> None:
    claimed = [("offer", 0, None), ("claim", 1, 4)]
    tell(*claimed, ("accept", 2, None), rep=rep)
    tell(*claimed, ("accept", 2, None), ("win", 3, None), rep=rep)
    tell(*claimed, ("accept", 2, None), ("return", 9, None, {"reason": "no_want"}), rep=rep)
    tell(*claimed, ("return", 9, None, {"reason": "bad_data"}), rep=rep)
    tell(*claimed, ("return", 9, None, {"reason": "no_want"}), rep=rep)
    tell(*claimed, rep=rep)
    tell(*claimed, ("release", 9, 9, {"reason": "no_attempt"}), rep=rep)
    tell(("offer", 0, None), ("expire", 4, 4))
    tell(("offer", 0, None), ("withdraw", 2, 4))
    tell(("offer", 0, None))
    tell(("offer", -1_000, None))
    tell(("offer", 31 * 24, None))
    found = offers(MARCH, ALL)
    assert found.counts == {
        "offered": 10, "claimed": 7, "accepted": 3, "decided": 5, "won": 1, "returned": 3, "expired": 1,
        "withdrawn": 1, "waiting": 2, "in_hand": 2,
    }  # fmt: skip
    assert found.reasons == (("no_want", 2), ("bad_data", 1))
    assert found.acceptance == 3 / 5
    for name, asked in FIGURES.items():
        assert offered_in(MARCH, ALL).filter(asked).count() == found.counts[name]
    assert handoff_figures(MARCH, ALL, now=NOW).released == 1
    (mine,) = figures_by_rep(MARCH, ALL, now=NOW)
    assert (mine.taken, mine.accepted, mine.decided, mine.returned, mine.won, mine.released, mine.in_hand) == (
        7, 3, 5, 3, 1, 1, 2,
    )  # fmt: skip


def test_a_purchase_counts_for_the_rep_who_had_it_and_not_as_a_verdict_on_an_unclaimed_offer(rep: User) -> None:
    tell(("offer", 0, None), ("claim", 1, 4), ("win", 2, None), rep=rep)
    tell(("offer", 0, None), ("win", 2, 4))
    counts = offers(MARCH, ALL).counts
    assert (counts["won"], counts["accepted"], counts["decided"]) == (2, 1, 1)


@pytest.mark.parametrize(
    "segment",
    [
        Segment(source="web"), Segment(motion="demand_generation"), Segment(campaign="spring"),
        Segment(direction="inbound"),
        Segment(country="DE"), Segment(industry="software"), Segment(employees_at_least=50, employees_at_most=200),
    ],
)  # fmt: skip
def test_a_segment_narrows_every_figure(rep: User, segment: Segment) -> None:
    acme = Company.objects.create(name="Acme", domain="acme.example", industry="software", employees=200)
    facets = {
        "source_channel": "web", "source_motion": "demand_generation", "source_campaign": "spring",
        "source_direction": "inbound", "country": "DE", "company": acme,
    }  # fmt: skip
    tell(("offer", 0, None), ("claim", 1, 4), contact=facets, rep=rep)
    tell(("offer", 0, None), ("claim", 1, 4), rep=rep)
    figures = handoff_figures(MARCH, segment, now=NOW)
    assert (figures.offers.counts["offered"], figures.claims.met, figures.attempts.void) == (1, 1, 1)
    assert [figure.taken for figure in figures.reps] == [1]
    assert handoff_figures(MARCH, ALL, now=NOW).offers.counts["offered"] == 2


@pytest.mark.parametrize("times", [1, 3])
def test_the_number_of_queries_is_fixed(rep: User, times: int, django_assert_num_queries: Callable[[int], Any]) -> None:
    for _ in range(times):
        tell(("offer", 0, None), ("claim", 1, 4), ("return", 9, None, {"reason": "no_want"}), rep=rep)
    with django_assert_num_queries(7):
        handoff_figures(MARCH, ALL, now=NOW)


def test_nothing_happened() -> None:
    figures = handoff_figures(MARCH, ALL, now=NOW)
    assert set(figures.offers.counts.values()) == {0}
    assert figures.offers.acceptance is None
    assert (figures.claims.attained, figures.claims.median, figures.unowned.total) == (None, None, 0)
    assert figures.reps == ()
    assert oldest_waiting() is None

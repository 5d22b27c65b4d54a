"""Training on arrays and its figures: pure, no database."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.learning import (
    TooFewOutcomes,
    area_under_curve,
    calibration,
    check_outcomes,
    check_tested,
    distribution,
    likelihoods,
    split_by_time,
    stability_index,
    train,
)

DAY = 24 * 3600 * 1_000_000


def planted(size: int = 4_000, seed: int = 7) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (points 0 or 40, a rule met or not, noise) and labels drawn from known log-odds."""
    chance = np.random.default_rng(seed)
    values = np.stack(
        [40.0 * chance.integers(0, 2, size), chance.integers(0, 2, size), chance.normal(5, 3, size)], axis=1
    ).astype(np.float32)
    odds = -2 + 0.05 * values[:, 0] + 1.0 * values[:, 1]
    return values, chance.random(size) < 1 / (1 + np.exp(-odds)), odds


def test_a_planted_relation_is_found_in_sign_and_size() -> None:
    values, label, odds = planted(20_000)
    weights = train(values, label)
    assert weights.intercept == pytest.approx(-2, abs=0.15)
    assert weights.factors.tolist() == pytest.approx([0.05, 1.0, 0.0], abs=0.1)
    assert weights.factors[0] == pytest.approx(0.05, abs=0.005)
    assert np.abs(likelihoods(weights, values) - 1 / (1 + np.exp(-odds))).max() < 0.03
    # What one standard deviation does: 20 points and half a rule.
    assert weights.effects.tolist() == pytest.approx([1.0, 0.5, 0.0], abs=0.1)


def test_training_twice_gives_the_same_weights() -> None:
    values, label, _ = planted()
    first, second = train(values, label), train(values.copy(), label.copy())
    assert first.intercept == second.intercept
    assert first.factors.tolist() == second.factors.tolist()


def test_weights_are_in_the_units_of_the_features() -> None:
    values, label, _ = planted()
    weights, scaled = train(values, label), train(values * [0.1, 1, 1], label)
    assert scaled.factors[0] == pytest.approx(10 * weights.factors[0], rel=1e-3)
    assert likelihoods(scaled, values * [0.1, 1, 1]) == pytest.approx(likelihoods(weights, values), abs=1e-4)


def test_a_feature_that_never_varies_weighs_nothing() -> None:
    values, label, _ = planted()
    values[:, 2] = 3
    weights = train(values, label)
    assert (weights.factors[2], weights.effects[2]) == (0, 0)
    assert weights.factors[0] == pytest.approx(0.05, abs=0.01)
    alone = train(values[:, 2:], label)
    assert likelihoods(alone, values[:, 2:]) == pytest.approx(np.full(len(label), label.mean()), abs=1e-4)


def test_what_separates_perfectly_is_held_back_by_the_penalty() -> None:
    label = np.arange(200) % 4 == 0
    weights = train(label[:, None].astype(np.float32), label)
    assert 1 < weights.factors[0] < 20


def test_the_earlier_part_knows_nothing_of_the_later_one() -> None:
    at = np.arange(100) * DAY
    split = split_by_time(at, 10 * DAY)
    assert split.at == 70 * DAY
    assert np.flatnonzero(split.test).tolist() == list(range(70, 100))
    # Day 59's horizon ends on day 69, before the later part begins; day 60's would not.
    assert np.flatnonzero(split.train).tolist() == list(range(60))
    assert split.dropped == 10
    assert split_by_time(np.empty(0, dtype=np.int64), DAY).dropped == 0


def test_observations_of_one_moment_stay_together() -> None:
    at = np.repeat(np.arange(10), 10) * DAY
    split = split_by_time(at[::-1].copy(), DAY // 2)
    assert split.test.sum() == 30
    assert split.train.sum() == 70
    assert split_by_time(np.full(10, DAY), DAY).test.all()


def test_a_contact_counts_as_one_outcome_however_often_observed() -> None:
    contact = np.repeat(np.arange(60), 3)
    label = contact < 50
    assert check_outcomes(label, contact, features=5) == 50
    with pytest.raises(TooFewOutcomes, match=r"50 contacts .* 60 are needed \(10 for each of 6 factors, at least 50\)"):
        check_outcomes(label, contact, features=6)
    with pytest.raises(TooFewOutcomes, match=r"49 contacts .* 50 are needed"):
        check_outcomes(contact < 49, contact, features=1)
    with pytest.raises(TooFewOutcomes, match="All 180 observations ended with an outcome"):
        check_outcomes(np.ones(180, dtype=np.bool_), contact, features=1)


def test_the_later_part_needs_outcomes_too() -> None:
    contact = np.arange(40)
    assert check_tested(contact < 10, contact) == 10
    with pytest.raises(TooFewOutcomes, match="9 contacts with one in the later part of the history, and 10 are needed"):
        check_tested(contact < 9, contact)
    with pytest.raises(TooFewOutcomes, match="All 40 observations of the later part"):
        check_tested(np.ones(40, dtype=np.bool_), contact)


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), max_size=30))
def test_the_area_is_the_share_of_pairs_ranked_right(rows: list[tuple[int, bool]]) -> None:
    score, label = np.array([row[0] for row in rows]), np.array([row[1] for row in rows], dtype=np.bool_)
    pairs = [(one > zero) + (one == zero) / 2 for one in score[label] for zero in score[~label]]
    found = area_under_curve(score, label)
    assert found == (pytest.approx(sum(pairs) / len(pairs)) if pairs else None)


def test_calibration_sets_what_was_expected_against_what_came() -> None:
    likelihood = np.array([0.05, 0.15, 0.15, 0.95, 1.0])
    label = np.array([False, False, True, True, True])
    low, middle, high = calibration(likelihood, label)
    assert (low.low, low.high, low.observations, low.expected, low.happened) == (0, 0.1, 1, 0.05, 0)
    assert (middle.observations, middle.happened) == (2, 0.5)
    assert (high.low, high.observations, high.happened) == (0.9, 2, 1)
    assert high.expected == pytest.approx(0.975)


def test_the_stability_index_tells_another_population() -> None:
    chance = np.random.default_rng(3)
    before = distribution(chance.random(10_000))
    assert len(before.shares) == 10
    assert before.shares == pytest.approx([0.1] * 10, abs=1e-3)
    assert stability_index(before, chance.random(10_000)) < 0.01
    assert stability_index(before, chance.random(10_000) ** 3) > 0.25
    # By hand, for two bands: half below became three quarters.
    halves = distribution(np.array([0.2] * 5 + [0.8] * 5))
    assert halves.edges == (0.2, 0.8)
    assert halves.shares == (0.0, 0.5, 0.5)
    expected = 0.25 * math.log(0.75 / 0.5) - 0.25 * math.log(0.25 / 0.5)
    assert stability_index(halves, np.array([0.2, 0.2, 0.2, 0.8])) == pytest.approx(expected)

"""Training a learned score, and judging how good it is: arrays in, weights and figures out.

Only ``train`` needs scikit-learn; everything else, and judging by a learned score, does without it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# The earlier part of the history trains, the later part tests.
TRAINING_SHARE = 0.7

# Fewer make weights of noise. Outcomes for each feature: Peduzzi et al., A simulation study of the number of events per
# variable in logistic regression analysis, Journal of Clinical Epidemiology 49 (1996).
FEWEST_OUTCOMES = 50
OUTCOMES_A_FEATURE = 10
# With fewer in the later part its area under the curve says next to nothing.
FEWEST_TESTED = 10

# The inverse of the L2 penalty, on features of mean 0 and deviation 1. Weaker penalties rank no better (measured: the
# area is the same within 0.001), but call hopeless what some hundred contacts did of whom none happened to buy.
_STRENGTH = 0.1
_MOST_STEPS = 2000
_DIGITS = 6

_BANDS = 10
# A band in which nobody stands counts as this share of everybody: the index has no finite value otherwise.
_LEAST_SHARE = 1e-4


class NothingToTrainWith(RuntimeError):
    """scikit-learn is not installed; the message says how to get it."""

    def __init__(self) -> None:
        super().__init__(
            "Training needs scikit-learn, which is not installed. Get it with "
            "pip install --require-hashes -r requirements-learn.txt"
        )


class TooFewOutcomes(ValueError):
    """The history holds too few outcomes to learn from; the message has the numbers."""


@dataclass(frozen=True, slots=True)
class Split:
    """Which observations train and which test; ``at`` is the first moment of the later part (microseconds).

    ``dropped`` observations are of the earlier part, but what became of them was known only in the later one.
    """

    train: BoolArray
    test: BoolArray
    at: int

    @property
    def dropped(self) -> int:
        """How many observations are in neither part."""
        return int(len(self.train) - self.train.sum() - self.test.sum())


@dataclass(frozen=True, slots=True)
class Weights:
    """A logistic regression: log-odds = ``intercept`` + the sum of ``factors`` times features, in the features' units.

    ``effects``: what one standard deviation of each feature adds to the log-odds, for telling factors' importance.
    """

    intercept: float
    factors: FloatArray
    effects: FloatArray


@dataclass(frozen=True, slots=True)
class Band:
    """Observations with a likelihood from ``low`` to ``high``: what was expected of them, and what came true."""

    low: float
    high: float
    observations: int
    expected: float
    happened: float


@dataclass(frozen=True, slots=True)
class Distribution:
    """How likelihoods were spread: shares of the bands between ``edges``, open at both ends."""

    edges: tuple[float, ...]
    shares: tuple[float, ...]


def split_by_time(at: IntArray, horizon: int, *, share: float = TRAINING_SHARE) -> Split:
    """Split observations (times in microseconds) by time: the earlier ``share`` trains, the later rest tests.

    An observation trains only if its ``horizon`` was over before the later part begins: what happens there must not
    be known to what is tested on it. Observations of one moment stay together.
    """
    if not len(at):
        nothing = np.zeros(0, dtype=np.bool_)
        return Split(nothing, nothing, 0)
    border = int(np.sort(at)[min(int(len(at) * share), len(at) - 1)])
    return Split(train=at + horizon < border, test=at >= border, at=border)


def check_outcomes(label: BoolArray, contact: IntArray, features: int) -> int:
    """Count the contacts with an outcome among training observations; a contact counts once however often observed.

    Raises:
        TooFewOutcomes: fewer than 50, fewer than 10 for each feature, or nobody without an outcome.
    """
    outcomes = len(np.unique(contact[label]))
    needed = max(FEWEST_OUTCOMES, OUTCOMES_A_FEATURE * features)
    if outcomes < needed:
        raise TooFewOutcomes(
            f"Too few outcomes to learn from: {outcomes:,} contacts with one in the earlier part of the history, and "
            f"{needed:,} are needed ({OUTCOMES_A_FEATURE} for each of {features} factors, at least {FEWEST_OUTCOMES})."
        )
    if label.all():
        raise TooFewOutcomes(f"All {len(label):,} observations ended with an outcome; there is nothing to tell apart.")
    return outcomes


def check_tested(label: BoolArray, contact: IntArray) -> int:
    """Count the contacts with an outcome among test observations.

    Raises:
        TooFewOutcomes: fewer than 10, or nobody without an outcome.
    """
    outcomes = len(np.unique(contact[label]))
    if outcomes < FEWEST_TESTED:
        raise TooFewOutcomes(
            f"Too few outcomes to test with: {outcomes:,} contacts with one in the later part of the history, and "
            f"{FEWEST_TESTED} are needed."
        )
    if label.all():
        raise TooFewOutcomes(f"All {len(label):,} observations of the later part ended with an outcome.")
    return outcomes


def train(values: npt.NDArray[np.floating], label: BoolArray) -> Weights:
    """Fit a logistic regression with an L2 penalty; the same observations in the same order give the same weights.

    ``values``: observations x features. Features are standardised for fitting and weights given back in the features'
    own units. A feature that never varies weighs nothing. Source: Hastie, Tibshirani, Friedman, The Elements of
    Statistical Learning (2nd ed.), 4.4.

    Raises:
        NothingToTrainWith: scikit-learn is not installed.
    """
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise NothingToTrainWith from error
    table = values.astype(np.float64)
    mean, deviation = table.mean(axis=0), table.std(axis=0)
    varies = deviation > 0
    factors, effects = np.zeros(table.shape[1]), np.zeros(table.shape[1])
    intercept = float(np.log(label.mean() / (1 - label.mean())))
    if varies.any():
        standard = (table[:, varies] - mean[varies]) / deviation[varies]
        fitted = LogisticRegression(C=_STRENGTH, max_iter=_MOST_STEPS, tol=1e-8).fit(standard, label)
        effects[varies] = fitted.coef_[0]
        factors[varies] = fitted.coef_[0] / deviation[varies]
        intercept = float(fitted.intercept_[0]) - float((factors * mean).sum())
    return Weights(_rounded(intercept), np.array([_rounded(factor) for factor in factors]), effects)


def _rounded(number: float) -> float:
    return float(f"{number:.{_DIGITS}g}")


def likelihoods(weights: Weights, values: npt.NDArray[np.floating]) -> FloatArray:
    """The likelihood of each observation: 1 / (1 + exp(-log-odds))."""
    return 1 / (1 + np.exp(-(weights.intercept + values.astype(np.float64) @ weights.factors)))


def area_under_curve(score: npt.NDArray[np.number], label: BoolArray) -> float | None:
    """How often a score ranks one with an outcome above one without, ties counting half; None without both.

    Source: Hanley and McNeil, The meaning and use of the area under a ROC curve, Radiology 143 (1982).
    """
    _, inverse, number = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(number) - (number - 1) / 2)[inverse]
    ones = int(label.sum())
    zeros = len(label) - ones
    if not ones or not zeros:
        return None
    return float((rank[label].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def calibration(likelihood: FloatArray, label: BoolArray) -> list[Band]:
    """Expected and true share of outcomes in ten bands of likelihood; bands without observations are left out."""
    band = np.minimum((likelihood * _BANDS).astype(np.int64), _BANDS - 1)
    return [
        Band(
            low=index / _BANDS,
            high=(index + 1) / _BANDS,
            observations=int(inside.sum()),
            expected=float(likelihood[inside].mean()),
            happened=float(label[inside].mean()),
        )
        for index in range(_BANDS)
        if (inside := band == index).any()
    ]


def distribution(likelihood: FloatArray) -> Distribution:
    """The likelihoods in ten bands of equal share; fewer where many are equal."""
    edges = np.unique(np.quantile(likelihood, np.arange(1, _BANDS) / _BANDS, method="higher"))
    return Distribution(tuple(edges.tolist()), _shares(edges, likelihood))


def _shares(edges: Sequence[float] | FloatArray, likelihood: FloatArray) -> tuple[float, ...]:
    number = np.bincount(np.searchsorted(edges, likelihood, side="right"), minlength=len(edges) + 1)
    return tuple((number / max(len(likelihood), 1)).tolist())


def stability_index(before: Distribution, likelihood: FloatArray) -> float:
    """The population stability index of likelihoods now against those at training: sum of (a - e) ln(a / e).

    Source: Siddiqi, Credit Risk Scorecards (2006): below 0.1 nothing changed, above 0.25 the population is another.
    """
    expected = np.maximum(before.shares, _LEAST_SHARE)
    actual = np.maximum(_shares(before.edges, likelihood), _LEAST_SHARE)
    return float(((actual - expected) * np.log(actual / expected)).sum())

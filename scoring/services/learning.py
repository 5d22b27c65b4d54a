"""Learned scores: trained on the history of a definition's own signals and fit rules, kept, and put to use."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext, gettext_noop

from config.web.formats import format_date
from contacts.services.work import CannotRun, Progress
from scoring import learning
from scoring.definition import DefinitionDocument
from scoring.definition.document import Learned
from scoring.engine import compile_definition
from scoring.engine.facts import BoolArray, IntArray
from scoring.engine.observing import Observations
from scoring.enums import DefinitionState, ModelState
from scoring.matching import load_kinds
from scoring.models import Definition, LearnedModel
from scoring.moments import to_datetime
from scoring.selectors import definition_document
from scoring.services.drafts import store_draft
from scoring.services.observing import ObservationTimes, Outcome, observe, read_outcome, read_times

# So many observations are enough for weights that no longer move; more only cost memory.
MOST_OBSERVATIONS = 1_000_000

# Spreads consecutive ids evenly over 64 bits: Fibonacci hashing. Source: Knuth, The Art of Computer Programming 3, 6.4.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class NothingToSee(CannotRun):
    """No contact was known at any of the moments to look back at."""


class TooLittleHistory(CannotRun):
    """The history holds too few outcomes to learn from; the message has the numbers."""


@dataclass(frozen=True, slots=True)
class History:
    """Observations of many contacts, a row each, by contact and time; ``hand`` is the hand-written score (mp).

    ``values``: observations x features, named by ``names``. ``sampled``: the share of contacts that is here.
    """

    contact: IntArray
    at: IntArray
    label: BoolArray
    hand: IntArray
    values: npt.NDArray[np.float32]
    names: tuple[str, ...]
    sampled: float


def gather_history(
    document: DefinitionDocument, *, times: ObservationTimes, outcome: Outcome, now: datetime, progress: Progress
) -> History:
    """Observe contacts under a definition; above MOST_OBSERVATIONS a sample of them, the same for the same history.

    Raises:
        NothingToSee: nobody was known at any of these moments.
        CannotRun: the moments or the outcome make no sense, or the definition has nothing to learn from.
        Cancelled: by ``progress``.
    """
    # What an earlier learned score says must not count for the next one.
    plain = msgspec.structs.replace(document, learned=None)
    compiled = compile_definition(plain, load_kinds(), version=document.key)
    parts: list[History] = []
    share = 1.0
    for found in observe(compiled, times=times, outcome=outcome, now=now, progress=progress):
        parts.append(_part(found, share))
        while sum(len(part.at) for part in parts) > MOST_OBSERVATIONS:
            share /= 2
            parts = [_kept(part, share) for part in parts]
    if not parts or not len(np.concatenate([part.at for part in parts])):
        raise NothingToSee(
            gettext_noop("There is nothing to look back at: no contact was known long enough before now.")
        )
    if not parts[0].names:
        raise CannotRun(
            gettext_noop("The definition has no signals with points and no fit rules; there is nothing to learn from.")
        )
    return History(
        contact=np.concatenate([part.contact for part in parts]),
        at=np.concatenate([part.at for part in parts]),
        label=np.concatenate([part.label for part in parts]),
        hand=np.concatenate([part.hand for part in parts]),
        values=np.concatenate([part.values for part in parts]),
        names=parts[0].names,
        sampled=share,
    )


def _part(found: Observations, share: float) -> History:
    hand = found.engagement + found.fit
    whole = History(found.contact, found.at, found.label, hand, found.values, found.feature_names, share)
    return whole if share == 1 else _kept(whole, share)


def _kept(part: History, share: float) -> History:
    """The observations of a share of contacts; each contact is in or out as a whole."""
    chosen = part.contact.astype(np.uint64) * _GOLDEN < np.uint64(int(share * 2**64))
    return History(
        part.contact[chosen],
        part.at[chosen],
        part.label[chosen],
        part.hand[chosen],
        part.values[chosen],
        part.names,
        share,
    )


def train_model(
    definition: Definition,
    *,
    now: datetime,
    parameters: Mapping[str, Any],
    progress: Progress,
    document: DefinitionDocument | None = None,
) -> LearnedModel:
    """Train a learned score for a definition on its history up to ``now``; an older one of it is replaced.

    The weights are those whose figures were measured: trained on the earlier 70 % of the observations, tested on the
    later rest. ``parameters`` say how to look back, as for a backtest: mode, horizon_days, since, until, outcome.
    ``document`` where the definition's own has changed since the work was ordered.

    Raises:
        TooLittleHistory: too few outcomes; the message has the numbers.
        CannotRun: there is nothing to learn from, or scikit-learn is missing.
        Cancelled: by ``progress``.
    """
    document = document or definition_document(definition)
    times, outcome = read_times(parameters), read_outcome(str(parameters.get("outcome", "")), document)
    history = gather_history(document, times=times, outcome=outcome, now=now, progress=progress)
    weights, metrics = train_weights(history, times)
    learned = _learned(document, history.names, weights, metrics, now)
    metrics |= {
        "parameters": {**parameters, "mode": times.mode, "horizon_days": times.horizon_days, "outcome": str(outcome)},
        "rules": rules_digest(document),
        "factors": _factors(document, history.names, weights),
        "drift": None,
    }
    return keep_model(definition, learned=learned, metrics=metrics, now=now)


def keep_model(definition: Definition, *, learned: Learned, metrics: Mapping[str, Any], now: datetime) -> LearnedModel:
    """Keep a learned score as the one of its definition that is ready; an older one is replaced."""
    with transaction.atomic():
        # Two trainings at once end one after the other; the later one stands.
        Definition.objects.select_for_update(no_key=True).get(pk=definition.pk)
        ready = LearnedModel.objects.filter(definition=definition, state=ModelState.READY)
        ready.update(state=ModelState.REPLACED, reason="A later training took its place.")
        return LearnedModel.objects.create(
            definition=definition, weights=msgspec.to_builtins(learned), metrics=metrics, trained_at=now
        )


def train_weights(history: History, times: ObservationTimes) -> tuple[learning.Weights, dict[str, Any]]:
    """The weights of a history, and every figure about them that is kept.

    Raises:
        TooLittleHistory: too few outcomes; the message has the numbers.
        CannotRun: scikit-learn is missing.
    """
    horizon = times.horizon_days * 24 * 3600 * 1_000_000
    split = learning.split_by_time(history.at, horizon)
    train, test = split.train, split.test
    label = history.label[test]
    try:
        outcomes = {
            "train": learning.check_outcomes(history.label[train], history.contact[train], len(history.names)),
            "test": learning.check_tested(label, history.contact[test]),
        }
        weights = learning.train(history.values[train], history.label[train])
    except learning.TooFewOutcomes as error:
        said = {"reason": str(error), "day": format_date(to_datetime(split.at).date())}
        message = gettext("%(reason)s The later part begins on %(day)s.")
        raise TooLittleHistory(message % said) from error
    except learning.NothingToTrainWith as error:
        raise CannotRun(str(error)) from error
    trained = learning.likelihoods(weights, history.values[train])
    tested = learning.likelihoods(weights, history.values[test])
    return weights, {
        "split_at": to_datetime(split.at).isoformat(),
        "observations": {"train": int(train.sum()), "test": int(test.sum()), "dropped": split.dropped},
        "outcomes": outcomes,
        "sampled": history.sampled,
        "auc": learning.area_under_curve(tested, label),
        "auc_hand_written": learning.area_under_curve(history.hand[test], label),
        "calibration": [asdict(band) for band in learning.calibration(tested, label)],
        "distribution": asdict(learning.distribution(trained)),
    }


def _learned(
    document: DefinitionDocument,
    names: Iterable[str],
    weights: learning.Weights,
    metrics: Mapping[str, Any],
    now: datetime,
) -> Learned:
    """The weights as a part of the definition; what weighs nothing is left out."""
    parts: dict[str, dict[str, float]] = {"signals": {}, "groups": {}, "fit_rules": {}}
    for name, factor in zip(names, weights.factors.tolist(), strict=True):
        place, _, key = name.partition(".")
        if factor:
            parts[place][key] = factor
    return Learned(
        intercept=weights.intercept,
        signals=parts["signals"],
        groups=parts["groups"],
        fit_rules=parts["fit_rules"],
        trained_at=now.isoformat(),
        auc=round(metrics["auc"], 4),
        outcomes=sum(metrics["outcomes"].values()),
    )


def _factors(document: DefinitionDocument, names: Iterable[str], weights: learning.Weights) -> list[dict[str, Any]]:
    """What matters most first: each factor's label, weight, and by how much the odds grow with one of it.

    ``odds``: times so much for one fresh event of a signal, for each point of a group, or for a fit rule that is met.
    ``effect``: log-odds that one standard deviation adds; what factors are ordered by.
    """
    signals = {signal.key: signal for signal in document.signals}
    labels = {f"signals.{signal.key}": signal.label for signal in document.signals}
    labels |= {f"groups.{group.key}": group.label for group in document.groups}
    labels |= {f"fit_rules.{rule.key}": rule.label for rule in document.fit.rules}
    found = []
    for name, factor, effect in zip(names, weights.factors.tolist(), weights.effects.tolist(), strict=True):
        place, _, key = name.partition(".")
        unit = signals[key].points if place == "signals" else 1.0
        # An odds ratio beyond this says no more than "decides".
        odds = float(np.exp(np.clip(factor * unit, -20, 20)))
        found.append({"factor": name, "label": labels[name], "weight": factor, "odds": odds, "effect": effect})
    return sorted(found, key=lambda one: -abs(one["effect"]))


def rules_digest(document: DefinitionDocument) -> str:
    """A fingerprint of what weights rest on: signals, groups and the tests of fit rules; labels aside."""
    rests_on = (
        [msgspec.structs.replace(signal, label="") for signal in document.signals],
        [msgspec.structs.replace(group, label="") for group in document.groups],
        [msgspec.structs.replace(rule, label="", points=0.0) for rule in document.fit.rules],
    )
    return hashlib.sha256(msgspec.json.encode(rests_on, order="deterministic")).hexdigest()


def use_model(*, model_id: int, by: User | None) -> Definition:
    """Store a new draft of the definition with its learned score built in, for a criterion on its likelihood.

    Raises:
        CannotRun: the score was replaced or switched off, or the definition's rules have changed since the training.
        LearnedModel.DoesNotExist: there is no such learned score.
    """
    model = LearnedModel.objects.select_related("definition").get(pk=model_id)
    if model.state != ModelState.READY:
        if model.reason:
            said = {"state": model.get_state_display(), "reason": model.reason}
            raise CannotRun(gettext("This learned score is %(state)s: %(reason)s") % said)
        message = gettext("This learned score is %(state)s: train a new one.")
        raise CannotRun(message % {"state": model.get_state_display()})
    return embed(model, _latest_with_rules(model), by=by)


def _latest_with_rules(model: LearnedModel) -> DefinitionDocument:
    """The version that was trained, or a later published one with the same rules: its stages must not be undone."""
    trained = model.definition
    later = Definition.objects.filter(key=trained.key, version__gt=trained.version, state=DefinitionState.PUBLISHED)
    for row in later.order_by("-version"):
        document = definition_document(row)
        if rules_digest(document) == model.metrics["rules"]:
            return document
    return definition_document(trained)


def embed(model: LearnedModel, document: DefinitionDocument, *, by: User | None) -> Definition:
    """Store a draft of ``document`` with the weights of a learned score.

    Raises:
        CannotRun: the document's rules are not those that the weights were trained on.
    """
    if rules_digest(document) != model.metrics["rules"]:
        message = gettext(
            "The signals, groups or fit rules of %(definition)s have changed since this score was trained; train a new "
            "one."
        )
        raise CannotRun(message % {"definition": model.definition})
    learned = msgspec.convert(model.weights, Learned)
    return store_draft(document=msgspec.structs.replace(document, learned=learned), by=by)


def model_view(model: LearnedModel) -> dict[str, Any]:
    """A learned score as pages, the API and the shell show it: its state and all its figures."""
    return {
        "model": str(model.pk),
        "definition": f"{model.definition.key}@{model.definition.version}",
        "state": model.state,
        "reason": model.reason,
        "trained_at": model.trained_at.isoformat(),
        "checked_at": model.checked_at.isoformat() if model.checked_at else None,
        **{name: value for name, value in model.metrics.items() if name not in ("rules", "distribution")},
    }

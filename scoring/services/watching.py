"""Watching learned scores in use: measured every day, switched off when they drift, trained anew on schedule.

Nothing here is silent: whatever Ripen does by itself leaves a notice. Nothing makes a score count that people did not
publish: what is trained anew waits as a draft.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import numpy as np
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from config.web.replica import long_reads_from_replica
from contacts.audit import AuditAct
from contacts.permissions import check_edit_definitions
from contacts.services.auditing import audited
from contacts.services.work import CannotRun, Progress, Unwatched
from scoring import learning
from scoring.definition import DefinitionDocument, read_document
from scoring.definition.document import Learned
from scoring.enums import DefinitionState, ModelState, RunKind
from scoring.models import Definition, LearnedModel, Notice, Run
from scoring.selectors import definition_document, published_definition
from scoring.services.drafts import discard_draft, store_draft
from scoring.services.holding import hold_publications
from scoring.services.learning import (
    History,
    NothingToSee,
    TooLittleHistory,
    embed,
    gather_history,
    model_view,
    rules_digest,
    train_model,
)
from scoring.services.observing import ObservationTimes, read_outcome, read_times
from scoring.services.publish import NotPublishable, order_publication
from scoring.services.runs import start_run

logger = logging.getLogger(__name__)

CHECK_EVERY = timedelta(hours=20)
RETRAIN_EVERY = timedelta(days=30)

# Whose likelihoods now are set against those at training, and how many contacts it takes to tell.
RECENT = timedelta(days=90)
ENOUGH_CONTACTS = 200
# Above this the population is another. Source: Siddiqi, Credit Risk Scorecards (2006).
MOST_INSTABILITY = 0.25

# 0.5 is a coin. With fewer outcomes an AUC is too uncertain to act upon: at 50 its standard error is about 0.04
# (Hanley and McNeil 1982).
LEAST_AUC = 0.6
ENOUGH_OUTCOMES = 50


@dataclass(frozen=True, slots=True)
class Watched:
    """What came of watching one learned score: why it was switched off ("": it was not), the retraining ordered."""

    model: LearnedModel
    in_force: bool
    reason: str
    retrains: Run | None


@dataclass(frozen=True, slots=True)
class _Score:
    """A learned score to watch, under the document it is measured with (None: its rules exist no more)."""

    model: LearnedModel
    document: DefinitionDocument | None
    in_force: bool


def watch_models(*, now: datetime, at_once: bool = False) -> list[Watched]:
    """Check every learned score that is ready or in force and was not checked lately; ``at_once`` checks them all.

    A score that drifts is switched off (``disable_model``). One in force is trained anew every RETRAIN_EVERY, and as
    soon as another version's rules are in force than it was trained on: a run is ordered, whose result is a draft.
    """
    return [watched for score in _scores(now) if (watched := _watch(score, now=now, at_once=at_once)) is not None]


def _scores(now: datetime) -> Iterator[_Score]:
    row, document = published_definition()
    used = _model_in_force(row, document.learned, now) if document.learned and document.learned.enabled else None
    if used is not None:
        yield _Score(used, document if rules_digest(document) == used.metrics["rules"] else None, in_force=True)
    ready = LearnedModel.objects.filter(state=ModelState.READY).select_related("definition").order_by("id")
    for model in ready.exclude(pk=used.pk) if used else ready:
        own = definition_document(model.definition)
        yield _Score(model, own if rules_digest(own) == model.metrics["rules"] else None, in_force=False)


def _model_in_force(row: Definition, learned: Learned, now: datetime) -> LearnedModel:
    """The record of the learned score in force; one that came with an imported definition gets its record here."""
    with transaction.atomic():
        Definition.objects.select_for_update(no_key=True).get(pk=row.pk)
        known = LearnedModel.objects.filter(definition__key=row.key, weights=_weights(learned))
        found = known.select_related("definition").order_by("-id").first()
        if found is not None:
            return found
        document = definition_document(row)
        return LearnedModel.objects.create(
            definition=row,
            state=ModelState.REPLACED,
            reason="Came with the definition.",
            weights=_weights(learned),
            metrics={
                "parameters": {},
                "rules": rules_digest(document),
                "distribution": None,
                "auc": learned.auc,
                "auc_hand_written": None,
                "outcomes": {"train": learned.outcomes, "test": 0},
                "factors": [],
                "drift": None,
            },
            trained_at=_moment(learned.trained_at) or now,
        )


def _weights(learned: Learned) -> dict[str, Any]:
    """What a record of this learned score holds, whether it is switched on or not."""
    weights: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(learned, enabled=True))
    return weights


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def _watch(score: _Score, *, now: datetime, at_once: bool) -> Watched | None:
    # Whoever sets the time first does the work; should it die, the next check does it again.
    unchecked = Q() if at_once else Q(checked_at=None) | Q(checked_at__lte=now - CHECK_EVERY)
    if not LearnedModel.objects.filter(unchecked, pk=score.model.pk).update(checked_at=now):
        return None
    reason = str(score.model.metrics.get("unlearnable", ""))
    if not reason:
        reason = _measure(score, now)
    if reason:
        _switch_off(score.model, reason, now)
    score.model.refresh_from_db()
    retrains = _order_retraining(score, now) if score.in_force and not reason else None
    return Watched(score.model, score.in_force, reason, retrains)


def _measure(score: _Score, now: datetime) -> str:
    """Measure a score's drift and keep it; the reason to switch it off, or ""."""
    model, document = score.model, score.document
    try:
        drift = measure_drift(model, document, now=now) if document is not None else None
    except CannotRun as error:
        # Its outcome is an evidence that this version has no more, say: somebody must know that nobody looks.
        text = f"The learned score of {model.definition} cannot be checked: {error}"[:500]
        if not Notice.objects.filter(definition=model.definition, text=text, dismissed_at=None).exists():
            Notice.objects.create(definition=model.definition, text=text)
        return ""
    if drift is None:
        return ""
    model.metrics["drift"] = {name: value for name, value in drift.items() if name != "distribution"}
    if model.metrics.get("distribution") is None:
        # Nothing is known of its training: from now on it is measured against what it says today.
        model.metrics["distribution"] = drift["distribution"]
    model.save(update_fields=["metrics"])
    return str(drift["reason"])


def _switch_off(model: LearnedModel, reason: str, now: datetime) -> None:
    try:
        disable_model(model_id=model.pk, reason=reason, now=now)
    except NotPublishable as error:
        # Another publication is under way; the next check is within the hour.
        logger.warning("learned_score_not_switched_off", extra={"model": model.pk, "why": str(error)})
        LearnedModel.objects.filter(pk=model.pk).update(checked_at=None)


def measure_drift(
    model: LearnedModel, document: DefinitionDocument, *, now: datetime, progress: Progress | None = None
) -> dict[str, Any]:
    """Set a learned score's likelihoods of late against those at training, and against what has come true since.

    Both look at contacts at moments chosen as for its training, so that like is set against like. Returns ``at``,
    ``stability_index`` of the ``contacts`` observed of late, ``auc`` of the ``outcomes`` that became known after the
    training (each None where too few tell), the ``distribution`` of late, and the ``reason`` to switch it off, or "".

    Raises:
        CannotRun: how to look back cannot be read.
    """
    parameters = model.metrics["parameters"]
    times, outcome = read_times(parameters), read_outcome(str(parameters.get("outcome", "")), document)

    def observed(horizon_days: int, since: datetime) -> History | None:
        lately = ObservationTimes(mode=times.mode, horizon_days=horizon_days, since=since)
        try:
            return gather_history(document, times=lately, outcome=outcome, now=now, progress=progress or Unwatched())
        except NothingToSee:
            return None

    found: dict[str, Any] = {"at": now.isoformat(), "contacts": 0, "stability_index": None, "distribution": None}
    # For today's likelihoods nobody needs to know what came of them.
    history = observed(1, now - RECENT)
    if history is not None:
        found["contacts"] = len(np.unique(history.contact))
        if found["contacts"] >= ENOUGH_CONTACTS:
            likelihood = _likelihoods(model, history)
            found["distribution"] = msgspec.to_builtins(learning.distribution(likelihood))
            before = model.metrics.get("distribution")
            if before is not None:
                known = msgspec.convert(before, learning.Distribution)
                found["stability_index"] = learning.stability_index(known, likelihood)
    found |= {"outcomes": 0, "auc": None}
    # Observations whose horizon ended after the training: their outcomes were not known to it.
    history = observed(times.horizon_days, model.trained_at - timedelta(days=times.horizon_days))
    if history is not None:
        found["outcomes"] = len(np.unique(history.contact[history.label]))
        if found["outcomes"] >= ENOUGH_OUTCOMES:
            found["auc"] = learning.area_under_curve(_likelihoods(model, history), history.label)
    found["reason"] = _reason(found)
    return found


def _likelihoods(model: LearnedModel, history: History) -> learning.FloatArray:
    factors = [
        model.weights.get(place, {}).get(key, 0.0) for place, _, key in (n.partition(".") for n in history.names)
    ]
    weights = learning.Weights(float(model.weights["intercept"]), np.array(factors), np.zeros(len(factors)))
    return learning.likelihoods(weights, history.values)


def _reason(drift: Mapping[str, Any]) -> str:
    index, auc = drift["stability_index"], drift["auc"]
    if index is not None and index > MOST_INSTABILITY:
        return (
            f"likelihoods have drifted from those at its training (stability index {index:.2f}, limit "
            f"{MOST_INSTABILITY:g}, {drift['contacts']:,} contacts)"
        )
    if auc is not None and auc < LEAST_AUC:
        return (
            f"it foretold {drift['outcomes']:,} outcomes since its training badly (AUC {auc:.2f}, limit {LEAST_AUC:g})"
        )
    return ""


def disable_model(*, model_id: int, reason: str, now: datetime) -> Run | None:
    """Switch a learned score off, with a notice; returns the run of the publication that takes it out, if any.

    Where the definition in force has a criterion on it, a version with the score switched off is published quietly at
    once, without waiting for approvals: it is a safety switch. Moments before stay judged as they were.

    Raises:
        NotPublishable: another publication or roll-back is under way; nothing was changed.
    """
    with transaction.atomic():
        hold_publications()
        model = LearnedModel.objects.select_for_update(of=("self",)).select_related("definition").get(pk=model_id)
        model.state, model.reason = ModelState.DISABLED, f"Switched off: {reason}."[:300]
        model.save(update_fields=["state", "reason"])
        row, document = published_definition()
        learned = document.learned
        told = f"The learned score of {model.definition} was switched off: {reason}."
        if learned is None or not learned.enabled or _weights(learned) != model.weights:
            Notice.objects.create(definition=model.definition, text=told)
            return None
        if not any(leaf.likelihood is not None for leaf in document.leaves()):
            Notice.objects.create(definition=row, text=f"{told} {row} shows it still, but no stage depends on it.")
            return None
        safe = msgspec.structs.replace(document, learned=msgspec.structs.replace(learned, enabled=False))
        draft = store_draft(document=safe, by=None)
        run = order_publication(definition_id=draft.pk, by=None, now=now, quiet=True, safety_switch=True)
        Notice.objects.create(
            definition=draft,
            text=f"{told} {draft} is in force instead of {row}: nobody enters or keeps a stage by likelihood.",
        )
        return run


def _order_retraining(score: _Score, now: datetime) -> Run | None:
    row, document = published_definition()
    trained = LearnedModel.objects.filter(definition__key=row.key, metrics__rules=rules_digest(document))
    if trained.filter(trained_at__gt=now - RETRAIN_EVERY).exists():
        return None
    ordered = Run.objects.filter(definition=row, kind=RunKind.LEARN, parameters__retrain=True)
    if ordered.filter(Q(finished_at=None) | Q(requested_at__gt=now - RETRAIN_EVERY)).exists():
        return None
    # A period that ended would teach nothing new.
    parameters = {name: value for name, value in score.model.metrics["parameters"].items() if name != "until"}
    return start_run(kind=RunKind.LEARN, definition=row, by=None, parameters={**parameters, "retrain": True})


@long_reads_from_replica
def run_learn(run: Run, progress: Progress) -> Mapping[str, Any]:
    """Do a run that trains, and give the learned score's figures.

    One that the watch ordered leaves a draft with the new weights and a notice; where too few outcomes are left to
    train on, the score in force is switched off.
    """
    now = run.started_at or timezone.now()
    retrains = bool(run.parameters.get("retrain"))
    try:
        model = train_model(
            run.definition,
            now=now,
            parameters={name: value for name, value in run.parameters.items() if name != "retrain"},
            progress=progress,
            document=read_document(run.document),
        )
    except TooLittleHistory as error:
        if retrains:
            _give_up(run, str(error), now)
        raise
    except CannotRun as error:
        if retrains:
            text = f"The learned score of {run.definition} could not be trained anew: {error}"
            Notice.objects.create(definition=run.definition, text=text[:500])
        raise
    if retrains:
        _offer(model, run)
    return model_view(model)


def _give_up(run: Run, why: str, now: datetime) -> None:
    row, document = published_definition()
    if row.pk == run.definition_id and document.learned is not None and document.learned.enabled:
        model = _model_in_force(row, document.learned, now)
        model.metrics["unlearnable"] = f"it could not be trained anew. {why}".rstrip(".")
        model.save(update_fields=["metrics"])
        _switch_off(model, model.metrics["unlearnable"], now)


def _offer(model: LearnedModel, run: Run) -> None:
    """Store the newly trained score as a draft for people to look at; an older one that nobody touched makes way."""
    with transaction.atomic():
        for replaced in LearnedModel.objects.filter(definition__key=model.definition.key, metrics__has_key="draft"):
            untouched = Definition.objects.filter(
                pk=replaced.metrics["draft"], state=DefinitionState.DRAFT, revision=1, edited_by=None
            )
            for draft in untouched:
                discard_draft(definition_id=draft.pk, by=None)
        draft = embed(model, read_document(run.document), by=None)
        model.metrics["draft"] = draft.pk
        model.save(update_fields=["metrics"])
        auc, hand = model.metrics["auc"], model.metrics["auc_hand_written"]
        Notice.objects.create(
            definition=draft,
            text=(
                f"The learned score of {run.definition} was trained anew (AUC {auc:.3f}, hand-written score "
                f"{hand:.3f}). It counts once you publish it: look at {draft} and what it would change."
            ),
        )


@audited(AuditAct.NOTICE_DISMISSED, "result")
def dismiss_notice(*, notice_id: int, by: User, now: datetime) -> Notice:
    """Put a notice away for everybody; dismissing it again changes nothing.

    Raises:
        PermissionDenied: ``by`` may not edit definitions.
        Notice.DoesNotExist: there is no such notice.
    """
    check_edit_definitions(by)
    Notice.objects.filter(pk=notice_id, dismissed_at=None).update(dismissed_at=now, dismissed_by=by)
    return Notice.objects.get(pk=notice_id)

"""Backtest: a definition held against what really happened, knowing at each moment only what was known then."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop

from config.web.replica import long_reads_from_replica
from contacts.services.work import CannotRun, Progress, Unwatched
from scoring.definition import DefinitionDocument, FitRule, Signal, stored_document
from scoring.engine import compile_definition
from scoring.engine.backtesting import (
    FEWEST,
    MILLI,
    Chosen,
    Found,
    LeadTimes,
    Share,
    Tally,
    brier,
    count_bands,
    median,
    percentile,
    rank,
    thresholds,
)
from scoring.engine.facts import FloatArray, IntArray, likelihood_of
from scoring.engine.observing import Mode
from scoring.matching import load_kinds
from scoring.models import Run
from scoring.moments import to_datetime
from scoring.services.observing import (
    HORIZON_DAYS,
    ObservationTimes,
    Outcome,
    default_outcome,
    observe,
    read_outcome,
    read_times,
)

_LIKELIHOODS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_WAITS = (0, 1, 7, 30, 90, 180)
_CUTS, _BANDS = 30, 10


def backtest(
    document: DefinitionDocument,
    *,
    now: datetime,
    mode: Mode = "month-ends",
    horizon_days: int = HORIZON_DAYS,
    outcome: Outcome | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    stage: str = "",
    progress: Progress | None = None,
    connections: int = 1,
    version: str = "",
) -> dict[str, Any]:
    """Hold a definition against history, as if it had always been in force; reads one snapshot, writes nothing.

    ``outcome``: what it should foresee (None: what its customer stage counts). ``since`` and ``until`` bound the
    moments of observation. ``stage``: from which stage on a contact counts as flagged (its handoff stage if "").

    The answer is JSON-ready; times are ISO 8601, scores points, rates 0 to 1, what cannot be said None:

    - ``at``, ``definition`` (key@version), ``asked`` {mode, horizon_days, since, until, outcome {key, label},
      stage {key, label}}
    - ``population`` {contacts, observed, observations, outcomes, converted, rate, first, last}: contacts looked at,
      those observed, observations, those followed by the outcome, contacts behind these, outcomes / observations
    - ``left_out`` {after_outcome, horizon_open, thinned}: moments that were no observations, and why
    - ``warnings``: sentences on what the figures cannot carry
    - ``auc``: [{of (score, engagement, fit, stage, likelihood), label, auc, low, high}]
    - ``stages``, weakest first: [{key, label, observations, outcomes, rate, low, high (exactly at the stage),
      or_above {observations, outcomes, precision, low, high, recall, share, lift}}]
    - ``thresholds``, ascending: [{at_least, of_definition, and what ``or_above`` has}]
    - ``bands`` of the score: [{from, to (None: open), observations, outcomes, rate, low, high}]
    - ``likelihood`` (None without a learned score): {brier, bands: [{from, to, foretold, ...}]}
    - ``lead``: {buyers, unknown, stage, flagged, never, standing, median_days, p90_days, waits [{from, to, contacts}],
      stages [{key, label, flagged, never, standing, median_days, p90_days}]}: contacts with the outcome in the period,
      those nothing was known of before; flagged before or never (unknown ones aside), still flagged right before
    - ``rules``: [{kind (signal, fit), key, label, points, observations, outcomes, rate, lift, low, high (of the lift),
      enough (contacts to mean something)}], in the definition's order

    Raises:
        CannotRun: what is asked makes no sense; the message says why.
        Cancelled: by ``progress``.
    """
    version = version or f"{document.key}@draft"
    flagged = _flagged_stage(document, stage)
    outcome = outcome or default_outcome(document)
    label = outcome.events(document, load_kinds()).label
    times = ObservationTimes(mode=mode, horizon_days=horizon_days, since=since, until=until)
    signals = [signal for signal in document.signals if round(signal.points * 1000)]
    found = Found.nothing(rules=len(signals) + len(document.fit.rules), stages=len(document.stages))
    compiled = compile_definition(document, load_kinds(), version=version)
    for part in observe(
        compiled, times=times, outcome=outcome, now=now, progress=progress or Unwatched(), connections=connections
    ):
        found.add(part)
    cuts = thresholds(found.scores, most=_CUTS, unit=1_000)
    own = {round(leaf.score.at_least * 1000) for leaf in document.leaves() if leaf.score}
    return {
        "at": now.isoformat(),
        "definition": version,
        "asked": {
            "mode": mode,
            "horizon_days": horizon_days,
            "since": since and since.isoformat(),
            "until": until and until.isoformat(),
            "outcome": {"key": str(outcome), "label": label},
            "stage": {"key": document.stages[flagged].key, "label": document.stages[flagged].label},
        },
        "population": {
            "contacts": found.contacts,
            "observed": found.observed,
            "observations": found.every.number,
            "outcomes": found.every.outcomes,
            "converted": found.converted,
            "rate": _rounded(found.every.rate),
            "first": to_datetime(found.first).isoformat() if found.observed else None,
            "last": to_datetime(found.last).isoformat() if found.observed else None,
        },
        "left_out": {
            "after_outcome": found.after_outcome,
            "horizon_open": found.horizon_open,
            "thinned": found.thinned,
        },
        "warnings": _warnings(found, horizon_days, label) + _seen_before(found, document),
        "auc": _areas(found),
        "stages": _stages(found, document),
        "thresholds": [
            {"at_least": cut / 1000, "of_definition": cut in own, **_chosen(found.scores.at_least(cut), found)}
            for cut in sorted({*cuts, *own})
        ],
        "bands": _bands(found.scores, _band_edges(found), found.weight),
        "likelihood": _likelihood(found),
        "lead": _lead(found.lead, document, flagged),
        "rules": _rules(found, document),
    }


@long_reads_from_replica
def run_backtest(run: Run, progress: Progress) -> Mapping[str, Any]:
    """Do the run: a backtest of its document as it was ordered; returns the result.

    Its parameters are those of ``read_times``, ``outcome`` as ``read_outcome`` reads it, and ``stage``.

    Raises:
        CannotRun: a parameter makes no sense; the message names it.
    """
    document = stored_document(run.document)
    times = read_times(run.parameters)
    return backtest(
        document,
        now=timezone.now(),
        mode=times.mode,
        horizon_days=times.horizon_days,
        since=times.since,
        until=times.until,
        outcome=read_outcome(str(run.parameters.get("outcome") or ""), document),
        stage=str(run.parameters.get("stage") or ""),
        progress=progress,
        version=f"{run.definition.key}@{run.definition.version}",
    )


def _flagged_stage(document: DefinitionDocument, key: str) -> int:
    """Rank of the stage from which on a contact counts as flagged."""
    keys = [stage.key for stage in document.stages]
    if key:
        if key not in keys:
            message = gettext("%(stage)s is no stage of this definition; it uses %(stages)s.")
            raise CannotRun(message % {"stage": repr(key), "stages": ", ".join(keys)})
        return keys.index(key)
    handed_over = [place for place, stage in enumerate(document.stages) if stage.handoff]
    below_customer = [place for place, stage in enumerate(document.stages) if stage.key != "customer"]
    return (handed_over or below_customer[-1:] or [0])[0]


def _warnings(found: Found, horizon_days: int, label: str) -> list[str]:
    every = found.every
    if not every.number:
        return [gettext_noop("Nobody could be observed: no contact was known, without the outcome, long enough ago.")]
    if not every.outcomes:
        return [f"No observation was followed by {label} within {horizon_days} days: nothing can be told apart."]
    warnings = []
    if every.outcomes == every.number:
        warnings.append(f"Every observation was followed by {label}: nothing can be told apart.")
    if found.converted < FEWEST:
        noun = "contact" if found.converted == 1 else "contacts"
        warnings.append(
            f"Only {found.converted} {noun} had the outcome after being observed; with fewer than {FEWEST} every "
            "figure is rough."
        )
    return warnings


def _seen_before(found: Found, document: DefinitionDocument) -> list[str]:
    """A learned score is not tried on what it was trained on without saying so."""
    learned = document.learned
    trained_at = learned.trained_at if learned is not None and learned.enabled else ""
    if not found.observed or not trained_at or to_datetime(found.first).isoformat() >= trained_at:
        return []
    told = f"The learned score was trained on {trained_at[:10]} from this history, so its figures here flatter it; "
    return [told + "the AUC kept with it comes from outcomes that it had not seen."]


def _areas(found: Found) -> list[dict[str, Any]]:
    tallies = {
        "score": (gettext_noop("Fit and engagement together"), found.scores),
        "engagement": (gettext_noop("Engagement"), found.engagement),
        "fit": (gettext_noop("Fit"), found.fit),
        "stage": (gettext_noop("Stage"), found.stage),
    }
    if found.log_odds is not None:
        tallies["likelihood"] = (gettext_noop("Likelihood (learned)"), found.log_odds)
    areas = []
    for name, (label, tally) in tallies.items():
        ranking = rank(tally, found.weight)
        areas.append({"of": name, "label": label, "auc": _rounded(ranking.auc), **_ends(ranking.interval)})
    return areas


def _stages(found: Found, document: DefinitionDocument) -> list[dict[str, Any]]:
    return [
        {
            "key": stage.key,
            "label": stage.label,
            **_share(found.stage.between(place, place + 1, found.weight)),
            "or_above": _chosen(found.stage.at_least(place), found),
        }
        for place, stage in enumerate(document.stages)
    ]


def _chosen(share: Share, found: Found) -> dict[str, Any]:
    chosen = Chosen(Share(share.number, share.outcomes, found.weight), found.every)
    return {
        "observations": share.number,
        "outcomes": share.outcomes,
        "precision": _rounded(chosen.precision),
        **_ends(chosen.chosen.interval),
        "recall": _rounded(chosen.recall),
        "share": _rounded(chosen.share),
        "lift": _rounded(chosen.lift),
    }


def _share(share: Share) -> dict[str, Any]:
    return {
        "observations": share.number,
        "outcomes": share.outcomes,
        "rate": _rounded(share.rate),
        **_ends(share.interval),
    }


def _band_edges(found: Found) -> list[float]:
    return [float(cut) for cut in thresholds(found.scores, most=_BANDS, unit=1_000)]


def _bands(tally: Tally, edges: Sequence[float], weight: float) -> list[dict[str, Any]]:
    ends = [*edges[1:], np.inf][: len(edges)]
    return [
        {
            "from": low / 1000,
            "to": None if high == np.inf else high / 1000,
            **_share(tally.between(low, high, weight)),
        }
        for low, high in zip(edges, ends, strict=True)
    ]


def _foretold(scores: IntArray) -> FloatArray:
    return likelihood_of(scores * MILLI)


def _likelihood(found: Found) -> dict[str, Any] | None:
    tally = found.log_odds
    if tally is None:
        return None
    # A log-odds of -infinity is a likelihood of nothing: the first band is open below.
    edges = [-np.inf, *(float(np.log(edge / (1 - edge)) * 1_000) for edge in _LIKELIHOODS[1:]), np.inf]
    bands = []
    for place, low in enumerate(_LIKELIHOODS):
        foretold = tally.mean(edges[place], edges[place + 1], _foretold)
        high = _LIKELIHOODS[place + 1] if place + 1 < len(_LIKELIHOODS) else 1.0
        share = tally.between(edges[place], edges[place + 1], found.weight)
        bands.append({"from": low, "to": high, "foretold": _rounded(foretold), **_share(share)})
    return {"brier": _rounded(brier(tally, _foretold)), "bands": bands}


def _lead(lead: LeadTimes, document: DefinitionDocument, flagged: int) -> dict[str, Any]:
    stages = []
    for place, stage in enumerate(document.stages):
        days = lead.days(place)
        stages.append(
            {
                "key": stage.key,
                "label": stage.label,
                "flagged": len(days),
                "never": lead.buyers - lead.unknown - len(days),
                "standing": int(lead.standing[place]),
                "median_days": _rounded(median(days)),
                "p90_days": _rounded(percentile(days, 0.9)),
            }
        )
    waits = count_bands(lead.days(flagged), _WAITS)
    chosen = stages[flagged]
    return {
        "buyers": lead.buyers,
        "unknown": lead.unknown,
        "stage": chosen["key"],
        **{name: chosen[name] for name in ("flagged", "never", "standing", "median_days", "p90_days")},
        "waits": [
            {"from": low, "to": high, "contacts": number}
            for low, high, number in zip(_WAITS, (*_WAITS[1:], None), waits, strict=True)
        ],
        "stages": stages,
    }


def _rules(found: Found, document: DefinitionDocument) -> list[dict[str, Any]]:
    named: list[tuple[str, Signal | FitRule]] = [
        ("signal", signal) for signal in document.signals if round(signal.points * 1000)
    ]
    named += [("fit", rule) for rule in document.fit.rules]
    base = found.every.rate
    return [
        {
            "kind": kind,
            "key": rule.key,
            "label": rule.label,
            "points": rule.points,
            "observations": share.number,
            "outcomes": share.outcomes,
            "rate": _rounded(share.rate),
            "lift": _rounded(share.lift(base)),
            **_ends(share.lift_interval(base)),
            "enough": share.enough,
        }
        for (kind, rule), share in zip(named, found.rules.shares(found.weight), strict=True)
    ]


def _ends(interval: tuple[float, float] | None) -> dict[str, float | None]:
    return {"low": _rounded(interval[0]), "high": _rounded(interval[1])} if interval else {"low": None, "high": None}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)

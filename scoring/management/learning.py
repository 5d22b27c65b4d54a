"""Learned scores from the shell: the actions ``learn``, ``use-model`` and ``watch-models`` of manage.py definition."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.core.management.base import CommandError, OutputWrapper
from django.utils import timezone

from contacts.enums import WorkState
from contacts.services.work import CannotRun, Unwatched
from scoring.enums import ModelState
from scoring.models import Definition, LearnedModel, Run
from scoring.selectors import find_definition
from scoring.services.learning import model_view, train_model, use_model
from scoring.services.observing import HORIZON_DAYS, MODES
from scoring.services.watching import watch_models
from scoring.services.work import work_off_runs

_MOST_FACTORS = 5


def add_actions(actions: Any) -> None:
    """Declare the actions on the command's sub-parsers."""
    action = actions.add_parser("learn", help="train a learned score on what really happened")
    action.add_argument("definition", metavar="KEY", help="key, or key@version")
    action.add_argument(
        "--mode", choices=MODES, default=MODES[0], help="when to look at contacts (default: %(default)s)"
    )
    action.add_argument(
        "--horizon-days",
        type=int,
        default=HORIZON_DAYS,
        metavar="N",
        help="an outcome within so many days counts (default: %(default)s)",
    )
    action.add_argument("--since", metavar="DAY", help="look back no further than this")
    action.add_argument("--until", metavar="DAY", help="look at contacts up to this day only")
    action.add_argument(
        "--outcome", metavar="EVIDENCE", help="an evidence key or event kinds (default: what makes a customer)"
    )
    action.add_argument("--json", action="store_true", help="as JSON")
    action = actions.add_parser("use-model", help="store a draft with the learned score built in")
    action.add_argument("definition", metavar="KEY", help="key, or key@version of what was trained")
    actions.add_parser("watch-models", help="measure the drift of learned scores now; switch off and train anew as due")


def learn(options: Mapping[str, Any], stdout: OutputWrapper) -> None:
    """Train, and tell how good it is."""
    row = _definition(options["definition"])
    asked = {name: options[name] for name in ("mode", "horizon_days", "since", "until", "outcome") if options[name]}
    try:
        model = train_model(row, now=timezone.now(), parameters=asked, progress=Unwatched())
    except CannotRun as error:
        raise CommandError(str(error)) from error
    view = model_view(model)
    stdout.write(json.dumps(view, indent=2) if options["json"] else "\n".join(_told(row, view)))


def use(options: Mapping[str, Any], stdout: OutputWrapper) -> None:
    """Build the latest learned score into a draft."""
    row = _definition(options["definition"])
    models = LearnedModel.objects.filter(state=ModelState.READY, definition__key=row.key)
    if "@" in options["definition"]:
        models = models.filter(definition=row)
    model = models.order_by("-trained_at").first()
    if model is None:
        raise CommandError(f"{options['definition']} has no learned score that is ready; train one with learn.")
    try:
        draft = use_model(model_id=model.pk, by=None)
    except CannotRun as error:
        raise CommandError(str(error)) from error
    stdout.write(
        f"{draft.key}@{draft.version} stored as a draft with the learned score built in. It decides nothing until a "
        "stage has a criterion such as likelihood: {at_least: 0.3}"
    )


def watch(options: Mapping[str, Any], stdout: OutputWrapper) -> None:
    """Check every learned score at once, and do what follows from it."""
    found = watch_models(now=timezone.now(), at_once=True)
    # What was ordered just now: trainings, and publications that take a score out.
    work_off_runs()
    for watched in found:
        drift = watched.model.metrics.get("drift") or {}
        index, auc = drift.get("stability_index"), drift.get("auc")
        used = ", in force" if watched.in_force else ""
        stdout.write(
            f"{watched.model} ({watched.model.get_state_display()}{used}): "
            f"stability index {_figure(index)}, AUC since training {_figure(auc)}"
        )
        if watched.reason:
            stdout.write(f"  switched off: {watched.reason}")
        if watched.retrains:
            stdout.write(f"  {_trained_anew(watched.retrains)}")
    if not found:
        stdout.write("There are no learned scores to watch.")


def _trained_anew(run: Run) -> str:
    run.refresh_from_db()
    if run.state == WorkState.FINISHED:
        return "trained anew as a draft; the notice on it says more"
    return f"not trained anew: {run.error}" if run.state == WorkState.FAILED else "is being trained anew by the worker"


ACTIONS: dict[str, Callable[[Mapping[str, Any], OutputWrapper], None]] = {
    "learn": learn,
    "use-model": use,
    "watch-models": watch,
}


def _definition(name: str) -> Definition:
    try:
        return find_definition(name)
    except Definition.DoesNotExist as error:
        raise CommandError(str(error)) from None


def _figure(number: float | None) -> str:
    return "unknown (too few to tell)" if number is None else f"{number:.3f}"


def _told(row: Definition, view: Mapping[str, Any]) -> Iterator[str]:
    observations, outcomes = view["observations"], view["outcomes"]
    yield f"Learned score of {row.key}@{row.version}"
    yield (
        f"  trained on {observations['train']:,} observations ({outcomes['train']:,} contacts with an outcome) before "
        f"{view['split_at'][:10]}"
    )
    yield f"  tested on the {observations['test']:,} ({outcomes['test']:,}) from then on"
    yield f"  {observations['dropped']:,} left out: what became of them was known only later"
    hand = view["auc_hand_written"]
    yield f"AUC {view['auc']:.3f} learned, {hand:.3f} hand-written (0.5 is chance, 1 is perfect)"
    told = [factor for factor in view["factors"] if factor["weight"]]
    for title, sign in (("Speaks for it", 1), ("Speaks against it", -1)):
        chosen = [factor for factor in told if factor["effect"] * sign > 0][:_MOST_FACTORS]
        if chosen:
            yield title
            yield from (f"  {factor['label']}: odds x {factor['odds']:.3g}" for factor in chosen)
    yield f"To use it: manage.py definition use-model {row.key}@{row.version}"

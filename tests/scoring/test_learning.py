"""Learned scores: trained on what really happened, built into a definition, judged by the engine."""

import json
import subprocess
import sys
import threading
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from config.env import BASE_DIR
from contacts.enums import WorkState
from contacts.services.work import CannotRun, Unwatched
from scoring.definition import read_document
from scoring.definition.document import Learned
from scoring.engine import compile_definition
from scoring.enums import ModelState, RunKind
from scoring.matching import load_kinds
from scoring.models import Definition, LearnedModel
from scoring.selectors import definition_document
from scoring.services import learning as learning_services
from scoring.services.drafts import change_draft, store_draft
from scoring.services.learning import TooLittleHistory, keep_model, rules_digest, train_model, use_model
from scoring.services.observing import ObservationTimes, Outcome, observe
from scoring.services.runs import start_run
from scoring.services.work import work_off_runs
from tests.factories import make_event
from tests.scoring.histories import DAY, HORIZON_DAYS, LOOK_BACK, NOW, Town, planted_document, with_criterion

pytestmark = pytest.mark.django_db


@pytest.fixture
def town() -> Town:
    """900 people in a year and a half."""
    return Town()


@pytest.fixture
def buyers(town: Town) -> list[tuple[dict[str, Any], datetime]]:
    return town.settle(900, NOW - 640 * DAY, 540 * DAY)


@pytest.fixture
def planted(buyers: list[tuple[dict[str, Any], datetime]]) -> Definition:
    return store_draft(document=planted_document(), by=None)


def learn(definition: Definition, **parameters: Any) -> LearnedModel:
    return train_model(definition, now=NOW, parameters={**LOOK_BACK, **parameters}, progress=Unwatched())


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("definition", *arguments, stdout=out)
    return out.getvalue()


def test_what_makes_people_buy_is_learned_and_beats_wrong_points(planted: Definition) -> None:
    model = learn(planted)
    weights, metrics = model.weights, model.metrics
    # 10 points for a demo that is worth 2.5, a rule worth 1; within three standard errors of what was planted.
    assert weights["signals"]["demo"] * 10 == pytest.approx(2.5, abs=0.7)
    assert weights["fit_rules"]["gold"] == pytest.approx(1, abs=0.7)
    assert weights["signals"]["download"] * 40 == pytest.approx(0, abs=0.6)
    assert weights["intercept"] == pytest.approx(-2, abs=0.8)
    assert metrics["auc"] > max(0.75, metrics["auc_hand_written"] + 0.08)
    best = metrics["factors"][0]
    assert (best["factor"], best["label"]) == ("signals.demo", "Asked for a demo")
    assert best["odds"] == pytest.approx(np.exp(best["weight"] * 10))
    assert metrics["observations"] == {"train": 580, "test": 270, "dropped": 50}
    for band in metrics["calibration"]:
        if band["observations"] > 40:
            assert band["happened"] == pytest.approx(band["expected"], abs=0.2)


def test_what_came_after_a_purchase_changes_no_weight(
    town: Town, planted: Definition, buyers: list[tuple[dict[str, Any], datetime]]
) -> None:
    before = learn(planted)
    events = []
    for contact, bought_at in buyers:
        at = (bought_at + timedelta(hours=1)).isoformat()
        events += [
            make_event(kind, contact=contact, occurred_at=at, traits={"tier": "gold"})
            for kind in ("demo_requested", "page_viewed")
        ]
    town.tell(events, received_at=NOW)
    after = learn(planted)
    assert {**after.weights, "trained_at": ""} == {**before.weights, "trained_at": ""}
    assert after.metrics == before.metrics


def test_training_again_gives_equal_weights_and_replaces(planted: Definition) -> None:
    first, second = learn(planted), learn(planted)
    assert first.weights == second.weights
    first.refresh_from_db()
    assert (first.state, second.state) == (ModelState.REPLACED, ModelState.READY)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.parametrize("locked", [True, False])
def test_of_two_trainings_at_once_the_later_stands(locked: bool) -> None:
    row = store_draft(document=planted_document(), by=None)
    score = Learned(intercept=0.0)
    keep_model(row, learned=score, metrics={}, now=NOW)
    outcomes: list[str] = []

    def keep() -> None:
        try:
            if locked:
                keep_model(row, learned=score, metrics={}, now=NOW + DAY)
            else:
                # The control: the same without the lock on the definition.
                with transaction.atomic():
                    LearnedModel.objects.filter(definition=row, state="ready").update(state="replaced")
                    LearnedModel.objects.create(definition=row, weights={}, trained_at=NOW + DAY)
            outcomes.append("kept")
        except IntegrityError:
            outcomes.append("refused")
        finally:
            connection.close()

    other = threading.Thread(target=keep)
    with transaction.atomic():
        keep_model(row, learned=score, metrics={}, now=NOW)
        other.start()
        # Until it waits for what this transaction holds.
        other.join(1)
    other.join()
    assert outcomes == ["kept" if locked else "refused"]
    assert LearnedModel.objects.filter(state="ready").count() == 1
    assert LearnedModel.objects.get(state="ready").trained_at == (NOW + DAY if locked else NOW)


def test_a_sample_of_the_contacts_gives_nearly_the_same(planted: Definition, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = learn(planted)
    monkeypatch.setattr(learning_services, "MOST_OBSERVATIONS", 500)
    part = learn(planted)
    assert part.metrics["sampled"] == 0.5
    assert 400 < sum(part.metrics["observations"].values()) <= 500
    assert part.weights["signals"]["demo"] == pytest.approx(whole.weights["signals"]["demo"], rel=0.5)


def test_too_few_outcomes_are_said_with_the_numbers(town: Town) -> None:
    town.settle(100, NOW - 640 * DAY, 540 * DAY)
    row = store_draft(document=planted_document(), by=None)
    with pytest.raises(
        TooLittleHistory, match=r"Too few outcomes to learn from: \d\d contacts with one .* 50 are needed"
    ):
        learn(row)
    assert not LearnedModel.objects.exists()
    with pytest.raises(CannotRun, match="no contact was known long enough"):
        learn(row, since="2026-05-01")
    with pytest.raises(CannotRun, match="no signals with points and no fit rules"):
        learn(store_draft(document=planted_document(key="bare", signals=[], groups=[], fit={}), by=None))


def test_the_engine_judges_a_built_in_score_by_the_plain_formula(planted: Definition) -> None:
    model = learn(planted)
    draft = use_model(model_id=model.pk, by=None)
    assert (draft.key, draft.version) == ("planted", 2)
    document = definition_document(draft)
    assert document.learned is not None
    found = next(
        observe(
            compile_definition(document, load_kinds()),
            times=ObservationTimes(mode="own-times", horizon_days=HORIZON_DAYS),
            outcome=Outcome(evidence="purchase"),
            now=NOW,
            progress=Unwatched(),
        )
    )
    weights = {
        **{f"signals.{key}": weight for key, weight in document.learned.signals.items()},
        **{f"groups.{key}": weight for key, weight in document.learned.groups.items()},
        **{f"fit_rules.{key}": weight for key, weight in document.learned.fit_rules.items()},
    }
    plain = document.learned.intercept + found.values @ [weights[name] for name in found.feature_names]
    assert found.log_odds is not None
    assert len(found.log_odds) == 900
    assert found.log_odds / 1e6 == pytest.approx(plain, abs=1e-4)


def test_a_score_is_built_in_only_under_the_rules_it_was_trained_on(planted: Definition) -> None:
    model = learn(planted)
    document = planted_document(name="Renamed", description="Other words change nothing.")
    assert rules_digest(document) == model.metrics["rules"]
    signals = [{**signal, "points": signal["points"] * 2} for signal in planted.document["signals"]]
    change_draft(definition_id=planted.pk, document=planted_document(signals=signals), by=None, revision=None, now=NOW)
    with pytest.raises(CannotRun, match=r"planted v1 have changed since this score was trained; train a new one"):
        use_model(model_id=model.pk, by=None)
    learn(planted)
    with pytest.raises(CannotRun, match=r"This learned score is replaced: A later training took its place\."):
        use_model(model_id=model.pk, by=None)


def test_a_later_published_version_keeps_its_stages_when_a_score_is_built_in(planted: Definition) -> None:
    model = learn(planted)
    later = store_draft(document=planted_document(name="Later"), by=None)
    assert definition_document(use_model(model_id=model.pk, by=None)).name == "Planted"
    Definition.objects.filter(pk=later.pk).update(state="published")
    assert definition_document(use_model(model_id=model.pk, by=None)).name == "Later"


def test_a_run_trains_what_was_ordered_and_gives_the_figures(planted: Definition) -> None:
    order = start_run(kind=RunKind.LEARN, definition=planted, by=None, parameters=LOOK_BACK)
    work_off_runs()
    order.refresh_from_db()
    assert (order.state, order.error) == (WorkState.FINISHED, "")
    model = LearnedModel.objects.get()
    assert order.result is not None
    assert order.result["model"] == str(model.pk)
    assert order.result["auc"] == model.metrics["auc"]
    assert order.result["definition"] == "planted@1"
    assert order.result["parameters"] == {**LOOK_BACK, "outcome": "purchase"}
    failing = start_run(kind=RunKind.LEARN, definition=planted, by=None, parameters={**LOOK_BACK, "horizon_days": "x"})
    work_off_runs()
    failing.refresh_from_db()
    assert (failing.state, failing.error) == ("failed", "horizon_days must be a whole number of days, not 'x'.")


def test_a_criterion_by_likelihood_is_sound_and_judged(planted: Definition) -> None:
    draft = use_model(model_id=learn(planted).pk, by=None)
    changed = change_draft(
        definition_id=draft.pk, document=with_criterion(definition_document(draft)), by=None, revision=None, now=NOW
    )
    compiled = compile_definition(definition_document(changed), load_kinds())
    found = next(
        observe(
            compiled,
            times=ObservationTimes(mode="own-times", horizon_days=HORIZON_DAYS),
            outcome=Outcome(evidence="purchase"),
            now=NOW,
            progress=Unwatched(),
        )
    )
    assert found.log_odds is not None
    likely = 1 / (1 + np.exp(-found.log_odds / 1e6)) >= 0.3
    assert (found.stage == 2).tolist() == likely.tolist()
    assert 200 < likely.sum() < 700


def test_the_shell_learns_and_builds_in(planted: Definition) -> None:
    told = run("learn", "planted", "--mode", "own-times", "--horizon-days", "30").splitlines()
    assert told[0] == "Learned score of planted@1"
    assert "AUC 0.7" in "\n".join(told)
    assert any(line.startswith("  Asked for a demo: odds x ") for line in told)
    assert told[-1] == "To use it: manage.py definition use-model planted@1"
    figures = json.loads(run("learn", "planted@1", "--mode", "own-times", "--horizon-days", "30", "--json"))
    assert figures["auc"] > figures["auc_hand_written"]
    assert run("use-model", "planted").startswith("planted@2 stored as a draft with the learned score built in.")
    assert read_document(Definition.objects.get(key="planted", version=2).document).learned is not None
    for arguments, message in (
        (["learn", "nothing"], "There is no definition 'nothing'"),
        (["use-model", "planted@2"], "planted@2 has no learned score that is ready; train one with learn"),
        (["learn", "planted", "--since", "soon"], "since"),
    ):
        with pytest.raises(CommandError, match=message):
            run(*arguments)


WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("sklearn", "scipy"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import django
django.setup()
import numpy as np
from django.urls import reverse
from scoring import tasks
from scoring.management.commands import definition
from scoring.engine import Facts, Prior, compile_definition, judge
from scoring.engine.facts import NEVER, UNKNOWN_PAST
from scoring.definition.document import Learned
from scoring.services.learning import keep_model, History, TooLittleHistory, train_weights
from scoring.services.observing import ObservationTimes
from contacts.services.work import CannotRun
from tests.scoring.histories import planted_document
from tests.scoring.worlds import KIND_IDS, KINDS, make_facts

assert reverse("definitions")
document = planted_document(learned={"intercept": -2.0, "signals": {"demo": 0.25}, "fit_rules": {"gold": 1.0}})
compiled = compile_definition(document, KINDS)
facts = make_facts(compiled, [[(1, "demo_requested")], []], attributes={"attributes.tier": "gold"})
verdicts = judge(compiled, facts, np.array([10, 10]), Prior.none(2))
print(verdicts.log_odds.tolist())
label = np.arange(400) % 2 == 0
size = len(label)
number = np.arange(size)
history = History(number, number * 86_400_000_000, label, number, np.ones((size, 1)), ("x",), 1.0)
try:
    train_weights(history, ObservationTimes(horizon_days=1))
except TooLittleHistory:
    raise
except CannotRun as error:
    print(error)
assert "sklearn" not in sys.modules
"""


def test_without_scikit_learn_everything_but_training_works() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], cwd=BASE_DIR, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    judged, said = done.stdout.splitlines()
    assert judged == "[1500000, -1000000]"
    assert said == (
        "Training needs scikit-learn, which is not installed. Get it with "
        "pip install --require-hashes -r requirements-learn.txt"
    )

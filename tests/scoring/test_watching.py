"""Learned scores in use: measured, switched off when they drift, trained anew; never in silence."""

from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import call_command

from contacts.enums import Role, WorkState
from contacts.models import Event, Standing
from contacts.services.work import Unwatched
from scoring.definition import read_document
from scoring.enums import ModelState, RunKind, Team
from scoring.models import Definition, LearnedModel, Notice, Publication, Run
from scoring.selectors import definition_document, published_definition
from scoring.selectors.learned import open_notices
from scoring.services.approvals import NotPublishable, approve_definition
from scoring.services.drafts import change_draft, copy_to_draft, store_draft
from scoring.services.evaluate import drain_due
from scoring.services.explain import explain_contact
from scoring.services.learning import train_model, use_model
from scoring.services.publish import publish_definition
from scoring.services.watching import Watched, dismiss_notice, watch_models
from scoring.services.work import work_off_runs
from tests.factories import make_user
from tests.scoring.histories import DAY, LOOK_BACK, NOW, Town, planted_document, with_criterion

pytestmark = pytest.mark.django_db


@pytest.fixture
def town() -> Town:
    """900 people in a year and a half, the last of them 100 days ago."""
    found = Town()
    found.settle(900, NOW - 640 * DAY, 540 * DAY)
    return found


def learned(**changes: Any) -> LearnedModel:
    row = store_draft(document=planted_document(**changes), by=None)
    return train_model(row, now=NOW, parameters=LOOK_BACK, progress=Unwatched())


def in_force(model: LearnedModel, *, approval: tuple[str, ...] = ()) -> Definition:
    """A definition with the score and a criterion on it, published a minute after the training."""
    draft = use_model(model_id=model.pk, by=None)
    document = with_criterion(definition_document(draft), approval=list(approval))
    change_draft(definition_id=draft.pk, document=document, by=None, revision=None, now=NOW)
    for team, role in ((Team.MARKETING, Role.MARKETER), (Team.SALES, Role.MANAGER)):
        if team.value in approval:
            approve_definition(definition_id=draft.pk, team=team, by=make_user(role), now=NOW)
    publish_definition(definition_id=draft.pk, by=None, now=NOW + timedelta(minutes=1))
    judge(NOW + timedelta(minutes=2))
    draft.refresh_from_db()
    return draft


def judge(now: datetime) -> None:
    """Do what is ordered, and judge whoever is due."""
    Publication.objects.filter(judged_at=None).update(judged_at=now)
    work_off_runs()
    while drain_due(now=now):
        pass


def watch_one(now: datetime) -> Watched:
    (watched,) = watch_models(now=now)
    return watched


def stages() -> dict[str, int]:
    found: dict[str, int] = {}
    for key in Standing.objects.values_list("stage", flat=True):
        found[key] = found.get(key, 0) + 1
    return found


def test_a_score_that_still_holds_is_left_alone(town: Town) -> None:
    used = in_force(learned())
    town.settle(400, NOW + 1 * DAY, 30 * DAY)
    watched = watch_one(NOW + 25 * DAY)
    assert (watched.in_force, watched.reason, watched.retrains) == (True, "", None)
    drift = watched.model.metrics["drift"]
    assert 0 < drift["stability_index"] < 0.25
    assert drift["contacts"] > 200
    assert (drift["auc"], drift["outcomes"]) == (None, 0)
    assert watched.model.checked_at == NOW + 25 * DAY
    # A month later what it foretold has come true, and it is time to train anew.
    watched = watch_one(NOW + 62 * DAY)
    assert watched.reason == ""
    assert watched.model.metrics["drift"]["auc"] > 0.7
    assert watched.model.metrics["drift"]["outcomes"] > 100
    assert watched.retrains is not None
    assert published_definition()[0] == used
    assert open_notices() == []


def test_it_is_checked_once_a_day(town: Town) -> None:
    in_force(learned())
    assert len(watch_models(now=NOW + 1 * DAY)) == 1
    assert watch_models(now=NOW + 1 * DAY + timedelta(hours=19)) == []
    assert len(watch_models(now=NOW + 1 * DAY + timedelta(hours=19), at_once=True)) == 1
    assert len(watch_models(now=NOW + 2 * DAY + timedelta(hours=19))) == 1


def test_another_population_switches_the_score_off_with_a_notice(town: Town) -> None:
    used = in_force(learned(), approval=("marketing", "sales"))
    before = stages()
    assert before["marketing_prospect"] > 100
    town.settle(300, NOW + 1 * DAY, 20 * DAY, demo_share=1.0, gold_share=1.0, intercept=-9)
    watched = watch_one(NOW + 22 * DAY)
    assert "drifted from those at its training (stability index" in watched.reason
    assert (watched.model.state, watched.retrains) == (ModelState.DISABLED, None)

    row, document = published_definition()
    assert (row.version, row.created_by, document.learned and document.learned.enabled) == (3, None, False)
    assert document.approval == ("marketing", "sales")
    assert Publication.objects.get(definition=row).quiet
    (notice,) = open_notices()
    assert notice.definition == row
    assert notice.text.startswith("The learned score of planted v1 was switched off: likelihoods have drifted")
    assert notice.text.endswith(
        "planted v3 is in force instead of planted v2: nobody enters or keeps a stage by likelihood."
    )

    judge(NOW + 22 * DAY)
    assert "marketing_prospect" not in stages()
    # Moments before stay judged under what was in force then.
    contact = Standing.objects.filter(furthest_stage="marketing_prospect", stage="lead").first()
    assert contact is not None
    then = explain_contact(contact_id=contact.contact_id, at=NOW + timedelta(minutes=1))
    assert (then["stage"]["key"], then["definition"]) == ("marketing_prospect", f"planted@{used.version}")
    # Once is enough.
    assert watch_models(now=NOW + 24 * DAY) == []
    assert Notice.objects.count() == 1


def test_what_it_foretells_badly_switches_it_off(town: Town) -> None:
    in_force(learned())
    # The same people as ever, but demos put them off now.
    town.settle(500, NOW + 1 * DAY, 30 * DAY, demo=-2.5, intercept=0.5)
    watched = watch_one(NOW + 65 * DAY)
    assert watched.reason.startswith("it foretold ")
    assert "outcomes since its training badly (AUC 0." in watched.reason
    assert published_definition()[1].learned is not None
    assert len(open_notices()) == 1


def test_a_score_that_nobody_uses_is_switched_off_and_nothing_published(town: Town) -> None:
    model = learned()
    publications = Publication.objects.count()
    town.settle(300, NOW + 1 * DAY, 20 * DAY, demo_share=1.0, gold_share=1.0)
    watched = watch_one(NOW + 22 * DAY)
    assert (watched.in_force, watched.model.pk, watched.model.state) == (False, model.pk, ModelState.DISABLED)
    assert watched.model.reason.startswith("Switched off: likelihoods have drifted")
    assert Publication.objects.count() == publications
    assert [notice.definition.key for notice in open_notices()] == ["planted"]


def test_too_few_contacts_tell_nothing(town: Town) -> None:
    in_force(learned())
    town.settle(150, NOW + 1 * DAY, 20 * DAY, demo_share=1.0, gold_share=1.0)
    watched = watch_one(NOW + 22 * DAY)
    assert (watched.reason, watched.model.metrics["drift"]["stability_index"]) == ("", None)


def test_training_anew_leaves_a_draft_and_a_notice_and_changes_nothing(town: Town) -> None:
    used = in_force(learned())
    watched = watch_one(NOW + 31 * DAY)
    order = watched.retrains
    assert order is not None
    assert (order.kind, order.definition, order.requested_by) == (RunKind.LEARN, used, None)
    assert watch_one(NOW + 32 * DAY).retrains is None
    work_off_runs()
    order.refresh_from_db()
    assert (order.state, order.error) == (WorkState.FINISHED, "")
    assert published_definition()[0] == used
    draft = Definition.objects.get(key="planted", version=3)
    assert draft.state == "draft"
    document, old = definition_document(draft), definition_document(used)
    assert document.learned is not None
    assert old.learned is not None
    assert document.learned.trained_at > old.learned.trained_at
    assert read_document({**draft.document, "learned": used.document["learned"]}) == old
    (notice,) = open_notices()
    assert notice.definition == draft
    assert "It counts once you publish it: look at planted v3" in notice.text
    # Both are watched from now on; the one in force is not trained anew again and again.
    assert [found.retrains for found in watch_models(now=NOW + 40 * DAY)] == [None, None]

    # The next training takes the place of a draft that nobody touched.
    Run.objects.filter(pk=order.pk).update(requested_at=NOW)
    LearnedModel.objects.update(trained_at=NOW)
    first, *_ = watch_models(now=NOW + 80 * DAY)
    assert first.retrains is not None
    work_off_runs()
    assert list(Definition.objects.filter(key="planted").order_by("version").values_list("version", flat=True)) == [
        1,
        2,
        3,
    ]
    assert Definition.objects.get(key="planted", version=3).pk != draft.pk
    assert len(open_notices()) == 1


def test_a_draft_that_somebody_changed_stays(town: Town) -> None:
    in_force(learned())
    watch_one(NOW + 31 * DAY)
    work_off_runs()
    draft = Definition.objects.get(key="planted", version=3)
    change_draft(
        definition_id=draft.pk, document={**draft.document, "name": "Mine"}, by=make_user(), revision=None, now=NOW
    )
    Run.objects.update(requested_at=NOW)
    LearnedModel.objects.update(trained_at=NOW)
    watch_models(now=NOW + 80 * DAY)
    work_off_runs()
    assert list(Definition.objects.filter(key="planted").values_list("name", flat=True)) == [
        "Planted",
        "Planted",
        "Mine",
        "Planted",
    ]


def test_rules_that_changed_are_trained_at_once(town: Town) -> None:
    used = in_force(learned())
    other = copy_to_draft(definition_id=used.pk, by=None)
    signals = [{**signal, "points": signal["points"] * 3} for signal in other.document["signals"]]
    change_draft(
        definition_id=other.pk, document={**other.document, "signals": signals}, by=None, revision=None, now=NOW
    )
    publish_definition(definition_id=other.pk, by=None, now=NOW + 1 * DAY)
    judge(NOW + 1 * DAY)
    watched = watch_one(NOW + 2 * DAY)
    assert watched.retrains is not None
    assert watched.retrains.definition == other
    # Old weights say nothing about new points, so there is nothing to measure.
    assert watched.model.metrics["drift"] is None


def test_too_few_outcomes_to_train_anew_switch_the_score_off(town: Town) -> None:
    used = in_force(learned())
    # All but 20 purchases turn out to be mistakes.
    mistakes = Event.objects.filter(kind__name="purchased").order_by("id").values_list("pk", flat=True)[20:]
    Event.objects.filter(pk__in=list(mistakes)).update(retracted_at=NOW)
    order = watch_one(NOW + 31 * DAY).retrains
    assert order is not None
    work_off_runs()
    order.refresh_from_db()
    assert order.state == WorkState.FAILED
    assert order.error.startswith("Too few outcomes to learn from")
    row, document = published_definition()
    assert (row.version, document.learned and document.learned.enabled) == (used.version + 1, False)
    (notice,) = open_notices()
    assert "it could not be trained anew. Too few outcomes to learn from: " in notice.text


def test_it_waits_for_a_publication_under_way_and_tries_again(town: Town) -> None:
    model = learned()
    used = in_force(model)
    town.settle(300, NOW + 1 * DAY, 20 * DAY, demo_share=1.0, gold_share=1.0)
    Publication.objects.filter(definition=used).update(judged_at=None)
    watched = watch_one(NOW + 22 * DAY)
    assert watched.reason
    assert (watched.model.state, watched.model.checked_at) == (ModelState.READY, None)
    assert open_notices() == []
    Publication.objects.filter(definition=used).update(judged_at=NOW)
    assert watch_one(NOW + 22 * DAY).model.state == ModelState.DISABLED


def test_people_still_need_approvals(town: Town) -> None:
    model = learned()
    draft = use_model(model_id=model.pk, by=None)
    document = with_criterion(definition_document(draft), approval=["sales"])
    change_draft(definition_id=draft.pk, document=document, by=None, revision=None, now=NOW)
    with pytest.raises(NotPublishable, match="needs the approval of Sales first"):
        publish_definition(definition_id=draft.pk, by=None, now=NOW)


def test_a_score_that_came_with_a_definition_is_watched_too(town: Town) -> None:
    used = in_force(learned())
    LearnedModel.objects.all().delete()
    town.settle(300, NOW + 1 * DAY, 20 * DAY)
    watched = watch_one(NOW + 22 * DAY)
    assert (watched.in_force, watched.model.definition, watched.reason) == (True, used, "")
    assert watched.model.metrics["drift"]["stability_index"] is None
    # What it said then is what it is measured against from now on.
    assert watch_one(NOW + 24 * DAY).model.metrics["drift"]["stability_index"] == pytest.approx(0, abs=1e-6)
    town.settle(2_000, NOW + 30 * DAY, 20 * DAY, demo_share=1.0, gold_share=1.0)
    assert "drifted" in watch_one(NOW + 65 * DAY).reason


def test_weights_that_somebody_wrote_are_watched_and_switched_off(town: Town) -> None:
    draft = store_draft(
        document=with_criterion(planted_document(), learned={"intercept": -1.0, "signals": {"demo": 0.2}}), by=None
    )
    publish_definition(definition_id=draft.pk, by=None, now=NOW)
    judge(NOW)
    town.settle(300, NOW + 1 * DAY, 20 * DAY)
    assert watch_one(NOW + 22 * DAY).reason == ""
    assert watch_one(NOW + 24 * DAY).reason == ""
    town.settle(2_000, NOW + 30 * DAY, 20 * DAY, demo_share=1.0)
    assert "drifted" in watch_one(NOW + 65 * DAY).reason
    assert LearnedModel.objects.count() == 1
    row, document = published_definition()
    assert (row.version, document.learned and document.learned.enabled) == (2, False)


def test_what_cannot_be_checked_is_said_once(town: Town) -> None:
    used = in_force(learned())
    other = copy_to_draft(definition_id=used.pk, by=None)
    document = {**other.document, "evidence": {**other.document["evidence"]}}
    document["evidence"]["sale"] = document["evidence"].pop("purchase")
    document["stages"] = [
        {**stage, "enter": {"count": {"of": "sale"}}} if stage["key"] == "customer" else stage
        for stage in document["stages"]
    ]
    change_draft(definition_id=other.pk, document=document, by=None, revision=None, now=NOW)
    publish_definition(definition_id=other.pk, by=None, now=NOW + 1 * DAY)
    judge(NOW + 1 * DAY)
    for days in (2, 4):
        assert watch_one(NOW + days * DAY).reason == ""
    (notice,) = open_notices()
    assert notice.text.startswith("The learned score of planted v1 cannot be checked: 'purchase' is neither")


def test_notices_are_dismissed_by_who_may_change_definitions(town: Town) -> None:
    notice = Notice.objects.create(definition=store_draft(document=planted_document(), by=None), text="Look.")
    with pytest.raises(PermissionDenied):
        dismiss_notice(notice_id=notice.pk, by=make_user(Role.REP), now=NOW)
    assert open_notices() == [notice]
    marketer = make_user(Role.MARKETER)
    dismiss_notice(notice_id=notice.pk, by=marketer, now=NOW)
    again = dismiss_notice(notice_id=notice.pk, by=make_user(Role.ADMIN), now=NOW + DAY)
    assert (again.dismissed_by, again.dismissed_at) == (marketer, NOW)
    assert open_notices() == []


def test_the_shell_watches_and_does_what_follows(town: Town) -> None:
    out = StringIO()
    call_command("definition", "watch-models", stdout=out)
    assert out.getvalue() == "There are no learned scores to watch.\n"
    in_force(learned())
    out = StringIO()
    call_command("definition", "watch-models", stdout=out)
    first, *more = out.getvalue().splitlines()
    assert first == (
        "learned score of planted v1, 2026-06-01 (ready, in force): "
        "stability index unknown (too few to tell), AUC since training unknown (too few to tell)"
    )
    assert more == ["  trained anew as a draft; the notice on it says more"]
    assert Definition.objects.filter(key="planted", version=3, state="draft").exists()

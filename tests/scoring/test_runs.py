"""Runs: ordered as rows, done by one worker each, cancelled, tried again, and never forgotten in silence."""

import logging
import time
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
import redis
import time_machine
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks, Settings

from contacts.enums import WorkState
from contacts.services.wake import clear_wake
from contacts.services.work import Cancelled, CannotRun, Progress
from scoring.definition import dump_yaml, read_document
from scoring.enums import RunKind
from scoring.models import Approval, Definition, Publication, Run, RunCell
from scoring.selectors import published_definition
from scoring.services.drafts import discard_draft
from scoring.services.evaluate import drain_due
from scoring.services.publish import order_publication
from scoring.services.runs import KEPT, TASK, cancel_run, finish_run, retry_run, start_run
from scoring.services.work import work_in_foreground, work_off_runs
from scoring.tasks import runs
from tests.factories import make_user
from tests.scoring.crowds import (
    DAY,
    NOW,
    Elsewhere,
    generous_draft,
    held_table,
    is_as_rebuilt,
    make_crowd,
    wait_until,
    waiting_for_locks,
)

pytestmark = pytest.mark.django_db

committed = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def shell(*arguments: str) -> str:
    out = StringIO()
    call_command("definition", *arguments, stdout=out)
    return out.getvalue().strip()


def test_an_order_wakes_the_worker_of_long_work_and_no_other(
    settings: Settings, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    broker = redis.Redis.from_url(settings.REDIS_URL)
    broker.delete("celery", "runs")
    clear_wake(TASK)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            start_run(kind=RunKind.WHAT_IF, definition=generous_draft(), by=None)
        assert (broker.llen("runs"), broker.llen("celery")) == (1, 0)
    finally:
        broker.delete("celery", "runs")
        broker.close()


def test_what_is_tried_is_the_draft_as_it_was_ordered() -> None:
    make_crowd(6)
    draft = generous_draft()
    run = start_run(kind=RunKind.WHAT_IF, definition=draft, by=make_user())
    Definition.objects.filter(pk=draft.pk).update(document=published_definition()[0].document, revision=2)
    runs()
    run.refresh_from_db()
    assert (run.state, run.revision, run.done, run.total) == ("finished", 1, 6, 6)
    assert run.document == draft.document
    assert run.result is not None
    assert run.result["contacts"] == 6


def test_what_waits_is_cancelled_at_once_and_never_begun() -> None:
    run = start_run(kind=RunKind.WHAT_IF, definition=generous_draft(), by=None)
    assert cancel_run(run_id=run.pk, by=None, now=NOW).state == WorkState.CANCELLED
    assert work_off_runs() == 0
    run.refresh_from_db()
    assert (run.state, run.finished_at, run.started_at) == ("cancelled", NOW, None)
    # Twice is as good as once, and what has ended stays as it ended.
    assert cancel_run(run_id=run.pk, by=None, now=NOW + DAY).finished_at == NOW


@committed
def test_what_is_under_way_stops_at_its_next_chunk_and_leaves_nothing() -> None:
    make_crowd(6)
    run = start_run(kind=RunKind.WHAT_IF, definition=generous_draft(), by=None)
    with held_table("contacts_event"):
        worker = Elsewhere(work_off_runs)
        wait_until(lambda: len(waiting_for_locks()) == 1, "the worker reads events")
        run.refresh_from_db()
        assert (run.state, run.total, run.attempts) == ("running", 6, 1)
        assert cancel_run(run_id=run.pk, by=None, now=NOW).state == WorkState.RUNNING
        assert work_off_runs() == 0, "no second worker takes it meanwhile"
        wait_until(lambda: timezone.now() - run.started_at > timedelta(seconds=0.4), "a moment")  # type: ignore[operator]
    assert worker.finish() == 1
    run.refresh_from_db()
    assert (run.state, run.cancel_requested_at, run.result) == ("cancelled", NOW, None)
    assert not RunCell.objects.exists()


def test_a_publication_is_not_left_half_done() -> None:
    run = order_publication(definition_id=generous_draft().pk, by=None, now=NOW)
    with pytest.raises(CannotRun, match="A publication is not left half done; roll it back or publish again instead"):
        cancel_run(run_id=run.pk, by=None, now=NOW)


def test_an_unknown_failure_is_logged_tried_again_and_shown_without_internals(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Parameters that no order would write.
    run = order_publication(definition_id=generous_draft().pk, by=None, now=NOW)
    Run.objects.filter(pk=run.pk).update(parameters={"connections": "several"})
    behind = start_run(kind=RunKind.WHAT_IF, definition=published_definition()[0], by=None)
    with caplog.at_level(logging.ERROR):
        assert work_off_runs() == 1, "what waits behind it is done all the same"
        run.refresh_from_db()
        assert (run.state, run.attempts, run.error) == ("running", 1, "")
        assert [work_off_runs(), work_off_runs(), work_off_runs()] == [0, 1, 0]
    run.refresh_from_db()
    behind.refresh_from_db()
    assert (run.state, run.error) == ("failed", "Something went wrong; the log says what.")
    assert behind.state == WorkState.FINISHED
    logged = [record for record in caplog.records if record.getMessage() == "work_attempt_failed"]
    assert len(logged) == 3
    assert all(record.exc_info and record.exc_info[0] is TypeError for record in logged)


def test_publications_go_before_what_only_tries() -> None:
    make_crowd(6)
    trial = start_run(kind=RunKind.WHAT_IF, definition=published_definition()[0], by=None)
    publication = order_publication(definition_id=generous_draft().pk, by=None, now=NOW)
    assert work_off_runs() == 2
    trial.refresh_from_db()
    publication.refresh_from_db()
    assert publication.finished_at is not None
    assert trial.started_at is not None
    assert publication.finished_at <= trial.started_at


def test_what_cannot_be_done_says_why() -> None:
    row, _ = published_definition()
    run = start_run(kind=RunKind.COMPARE, definition=row, by=None)
    work_off_runs()
    run.refresh_from_db()
    assert (run.state, run.error) == ("failed", "A comparison needs a second definition.")
    # Tried again it fails again, but it may be tried.
    assert retry_run(run_id=run.pk, by=None, now=NOW).state == WorkState.QUEUED
    assert work_off_runs() == 1


def test_three_workers_that_died_are_enough() -> None:
    run = start_run(kind=RunKind.WHAT_IF, definition=generous_draft(), by=None)
    Run.objects.filter(pk=run.pk).update(state=WorkState.RUNNING, started_at=NOW, attempts=2)
    # The third of them went on.
    assert work_off_runs() == 1
    run.refresh_from_db()
    assert (run.state, run.attempts, run.started_at) == ("finished", 3, NOW)
    Run.objects.filter(pk=run.pk).update(state=WorkState.RUNNING, finished_at=None)
    assert work_off_runs() == 1
    run.refresh_from_db()
    assert (run.state, run.error) == ("failed", "Gave up after 3 attempts; the log says why.")


def test_a_run_whose_draft_is_discarded_stops() -> None:
    draft = generous_draft()
    run = start_run(kind=RunKind.WHAT_IF, definition=draft, by=None)
    progress = Progress(run)
    progress.begin(10)
    discard_draft(definition_id=draft.pk, by=None)
    time.sleep(0.3)
    with pytest.raises(Cancelled):
        progress.advance(5)
    finish_run(run, state=WorkState.CANCELLED)
    assert not Run.objects.exists()


def test_progress_is_written_a_few_times_a_second_and_no_more(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    run = start_run(kind=RunKind.BACKTEST, definition=generous_draft(), by=None)
    progress = Progress(run)
    with django_assert_max_num_queries(5):
        progress.begin(1_000, unit="observations")
        for _ in range(1_000):
            progress.advance(1)
    run.refresh_from_db()
    assert (run.total, run.unit) == (1_000, "observations")
    finish_run(run, state=WorkState.FINISHED, result={})
    run.refresh_from_db()
    assert run.done == 1_000


def test_the_latest_runs_of_each_kind_are_kept() -> None:
    draft, other = generous_draft(), published_definition()[0]
    old = [start_run(kind=RunKind.WHAT_IF, definition=draft, by=None) for _ in range(KEPT + 3)]
    for run in old:
        RunCell.objects.create(run=run, origin="lead", target="lead", first_id=1, contact_ids=[1])
    untouched = [
        start_run(kind=RunKind.BACKTEST, definition=draft, by=None),
        start_run(kind=RunKind.WHAT_IF, definition=other, by=None),
        start_run(kind=RunKind.WHAT_IF, definition=draft, by=None),
    ]
    for run in old:
        finish_run(run, state=WorkState.CANCELLED)
    kept = {run.pk for run in [*old[3:], *untouched]}
    assert set(Run.objects.values_list("pk", flat=True)) == kept
    assert set(RunCell.objects.values_list("run", flat=True)) == {run.pk for run in old[3:]}


@committed
def test_the_shell_holds_its_run_from_the_first_moment_and_leaves_it_to_the_worker() -> None:
    people = make_crowd(6)
    draft = generous_draft()
    taken: list[int] = []

    def order() -> Run:
        return order_publication(definition_id=draft.pk, by=None, now=NOW)

    with held_table("contacts_due"):
        foreground = Elsewhere(lambda: work_in_foreground(order))
        wait_until(lambda: len(waiting_for_locks()) == 1, "the shell looks who is due")
        taken.append(work_off_runs())
        assert Run.objects.get().state == WorkState.RUNNING
    run = foreground.finish()
    assert isinstance(run, Run)
    assert (run.state, run.done, taken) == ("finished", len(people), [0])
    while drain_due(now=NOW):
        pass
    assert is_as_rebuilt(NOW)


def test_from_a_file_to_what_is_in_force_and_back_on_the_shell(tmp_path: Path) -> None:
    make_crowd(6)
    make_user("marketer", email="mia@ripen.test")
    make_user("manager", email="max@ripen.test")
    path = tmp_path / "vetted.yaml"
    vetted = Definition.objects.get(key="scored-vetted")
    path.write_text(dump_yaml(read_document(vetted.document)))
    assert shell("import", str(path)) == "scored-vetted@2 stored as a draft"
    path.write_text(dump_yaml(read_document({**vetted.document, "name": "Vetted by us"})))
    assert shell("import", str(path), "--replace", "scored-vetted@2") == "scored-vetted@2 changed, revision 2"
    with pytest.raises(CommandError, match=r"^scored-vetted v2 needs the approval of Marketing and Sales first\.$"):
        shell("publish", "scored-vetted")
    with pytest.raises(CommandError, match=r"^Your role may not agree for Sales\.$"):
        shell("approve", "scored-vetted", "--team", "sales", "--by", "mia@ripen.test")
    with pytest.raises(CommandError, match=r"There is nobody with the address 'who@ripen\.test'"):
        shell("approve", "scored-vetted", "--team", "sales", "--by", "who@ripen.test")
    agreed = shell("approve", "scored-vetted", "--team", "marketing", "--by", "MIA@ripen.test")
    assert agreed == "Marketing agrees to scored-vetted v2; Sales has yet to agree"
    withdrawn = shell("approve", "scored-vetted", "--team", "marketing", "--by", "mia@ripen.test", "--withdraw")
    assert withdrawn == "Marketing no longer agrees to scored-vetted v2; Marketing and Sales have yet to agree"
    shell("approve", "scored-vetted", "--team", "marketing", "--by", "mia@ripen.test")
    agreed = shell("approve", "scored-vetted@2", "--team", "sales", "--by", "max@ripen.test")
    assert agreed == "Sales agrees to scored-vetted v2; it may be published"
    assert Approval.objects.count() == 3

    with time_machine.travel(NOW, tick=False):
        assert shell("publish", "scored-vetted", "--quiet").startswith("scored-vetted v2 is in force; ")
        assert Publication.objects.latest("effective_at").judged_at == NOW
        with pytest.raises(CommandError, match="is published, and a published version never changes"):
            shell("discard", "scored-vetted")
        assert shell("rollback") == "scored-vetted v2 taken back; default v1 is in force"
        assert is_as_rebuilt(NOW)
    assert list(Run.objects.order_by("id").values_list("kind", "state")) == [
        ("publish", "finished"),
        ("roll_back", "finished"),
    ]
    assert shell("import", str(path)) == "scored-vetted@3 stored as a draft"
    assert shell("discard", "scored-vetted") == "scored-vetted v3 discarded"
    with pytest.raises(CommandError, match="There is no definition 'scored-vetted@3'"):
        shell("discard", "scored-vetted@3")

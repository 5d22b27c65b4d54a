"""Publishing and rolling back as runs: all or nothing, resumed where they stopped, one after the other."""

from datetime import timedelta

import pytest
import time_machine
from django.db import connection, transaction

from contacts.enums import WorkState
from contacts.models import Standing
from contacts.services.work import Cancelled, CannotRun, Unwatched
from scoring.definition import read_document
from scoring.enums import RunKind
from scoring.models import Publication, Run, Transition
from scoring.selectors import published_definition
from scoring.services.drafts import copy_to_draft, store_draft
from scoring.services.evaluate import drain_due
from scoring.services.publish import (
    NotPublishable,
    judge_publication,
    order_publication,
    order_roll_back,
    publish_definition,
    roll_back_publication,
)
from scoring.services.rebuild import rebuild_contacts, run_roll_back
from scoring.services.runs import retry_run
from scoring.services.verification import verify_judgements
from scoring.services.work import work_off_runs
from tests.factories import make_user
from tests.scoring.crowds import (
    DAY,
    NOW,
    Elsewhere,
    generous_draft,
    held_contact,
    is_as_rebuilt,
    leave_a_gap,
    make_crowd,
    standings,
    wait_until,
    waiting_for_locks,
)
from tests.scoring.facts import FITTING, incoming, record

pytestmark = pytest.mark.django_db

# With threads and connections of their own; migrated rows are put back afterwards.
committed = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def test_an_order_publishes_and_a_worker_judges_everybody() -> None:
    people = make_crowd()
    draft, marketer = generous_draft(), make_user()

    run = order_publication(definition_id=draft.pk, by=marketer, now=NOW, quiet=True)

    assert published_definition()[0].pk == draft.pk
    publication = Publication.objects.get(definition=draft)
    assert (publication.effective_at, publication.quiet, publication.judged_at) == (NOW, True, None)
    assert (run.kind, run.state, run.publication, run.requested_by) == ("publish", "queued", publication, marketer)
    assert not Transition.objects.filter(cause="publication").exists()

    with time_machine.travel(NOW, tick=False):
        assert work_off_runs() == 1

    run.refresh_from_db()
    publication.refresh_from_db()
    moved = Transition.objects.filter(cause="publication", effective_at=NOW).count()
    assert moved > 1
    assert (run.state, run.done, run.total) == ("finished", len(people), len(people))
    assert run.result is not None
    assert run.result["changed"] >= moved
    assert publication.judged_at == NOW
    while drain_due(now=NOW):
        pass
    assert is_as_rebuilt(NOW)
    assert work_off_runs() == 0


def test_what_is_refused_orders_nothing() -> None:
    row, _ = published_definition()
    with pytest.raises(NotPublishable, match="is in force already"):
        order_publication(definition_id=row.pk, by=None, now=NOW)
    with pytest.raises(NotPublishable, match="there is none to go back to"):
        order_roll_back(by=None, now=NOW)
    assert not Run.objects.exists()
    assert Publication.objects.count() == 1


def test_one_publication_at_a_time() -> None:
    make_crowd(6)
    first = generous_draft()
    second = copy_to_draft(definition_id=first.pk, by=None)
    run = order_publication(definition_id=first.pk, by=None, now=NOW)

    with pytest.raises(NotPublishable, match="default v2 is still being put in force; wait until that is through"):
        order_publication(definition_id=second.pk, by=None, now=NOW)

    work_off_runs()
    assert published_definition()[0] == first
    order_publication(definition_id=second.pk, by=None, now=NOW)
    assert published_definition()[0] == second
    assert Run.objects.get(pk=run.pk).state == WorkState.FINISHED


def test_rolling_back_restores_whom_it_touched_and_nobody_else() -> None:
    make_crowd()
    before = standings()
    manager = make_user("manager")
    order_publication(definition_id=generous_draft().pk, by=None, now=NOW)
    with time_machine.travel(NOW, tick=False):
        work_off_runs()
    touched = Standing.objects.filter(evaluated_at__gte=NOW).count()
    assert 0 < touched < len(before), "some stand as they stood, and are left alone"

    run = order_roll_back(by=manager, now=NOW + DAY)

    assert run.definition.version == 2
    assert published_definition()[0].version == 1
    taken_back = Publication.objects.get(definition=run.definition)
    assert (taken_back.retracted_at, taken_back.retracted_by, taken_back.judged_at) == (NOW + DAY, manager, None)
    with pytest.raises(NotPublishable, match="default v2 is still being taken back"):
        order_publication(definition_id=run.definition_id, by=None, now=NOW + DAY)
    # A moment before the publication: what time itself changes until then is none of the roll-back's.
    with time_machine.travel(NOW - timedelta(microseconds=1), tick=False):
        work_off_runs()

    run.refresh_from_db()
    assert (run.state, run.done, run.total) == ("finished", touched, touched)
    assert standings() == before
    assert is_as_rebuilt(NOW - timedelta(microseconds=1))
    assert not list(verify_judgements(now=NOW - timedelta(microseconds=1)))
    assert not Publication.objects.filter(judged_at=None).exists()


def test_what_happened_under_the_publication_stays_and_is_judged_as_if_it_had_not_been() -> None:
    make_crowd()
    order_publication(definition_id=generous_draft().pk, by=None, now=NOW)
    later = NOW + 2 * DAY
    with time_machine.travel(later, tick=False):
        work_off_runs()
        record(incoming("newsletter_subscribed", NOW + DAY, email="p3@x3.example"))
        record(incoming("form_submitted", NOW + DAY, email="somebody@new.example", traits=FITTING))
        while drain_due(now=later):
            pass
        order_roll_back(by=None, now=later)
        work_off_runs()
        while drain_due(now=later):
            pass
    assert is_as_rebuilt(later)
    assert Standing.objects.get(contact__email="somebody@new.example").stage == "lead"


def test_rolling_back_stops_a_publication_that_is_not_through() -> None:
    make_crowd()
    before = standings()
    ordered = order_publication(definition_id=generous_draft().pk, by=None, now=NOW)
    publication = Publication.objects.get(runs=ordered)
    # Half of it was done when the worker died.
    judge_publication(publication)
    Publication.objects.filter(pk=publication.pk).update(judged_at=None)

    order_roll_back(by=None, now=NOW)
    with time_machine.travel(NOW - timedelta(microseconds=1), tick=False):
        assert work_off_runs() == 2

    assert dict(Run.objects.values_list("kind", "state")) == {"publish": "cancelled", "roll_back": "finished"}
    assert standings() == before
    with pytest.raises(CannotRun, match="Only what failed is tried again"):
        retry_run(run_id=ordered.pk, by=None, now=NOW)


def test_a_worker_that_missed_the_roll_back_writes_nothing_any_more() -> None:
    make_crowd()
    publication = publish_definition(definition_id=generous_draft().pk, by=None, now=NOW)
    roll_back_publication(now=NOW)
    before = standings()
    with pytest.raises(Cancelled):
        judge_publication(publication)
    assert standings() == before
    rebuild_contacts(now=NOW)
    assert not Publication.objects.filter(judged_at=None).exists()


def test_a_publication_that_failed_goes_on_when_tried_again() -> None:
    make_crowd()
    draft = generous_draft()
    run = order_publication(definition_id=draft.pk, by=None, now=NOW)
    Run.objects.filter(pk=run.pk).update(attempts=3, state=WorkState.RUNNING)
    work_off_runs()
    run.refresh_from_db()
    assert (run.state, run.error) == ("failed", "Gave up after 3 attempts; the log says why.")
    with pytest.raises(NotPublishable, match="was not put in force for every contact: try its run again"):
        order_publication(definition_id=copy_to_draft(definition_id=draft.pk, by=None).pk, by=None, now=NOW)

    retry_run(run_id=run.pk, by=None, now=NOW)
    work_off_runs()

    run.refresh_from_db()
    assert (run.state, run.error) == ("finished", "")
    assert Transition.objects.filter(cause="publication").exists()


def test_a_failed_publication_that_was_rolled_back_is_not_tried_again() -> None:
    run = order_publication(definition_id=generous_draft().pk, by=None, now=NOW)
    Run.objects.filter(pk=run.pk).update(attempts=3)
    work_off_runs()
    order_roll_back(by=None, now=NOW)
    with pytest.raises(CannotRun, match="has been rolled back since"):
        retry_run(run_id=run.pk, by=None, now=NOW)


def test_a_roll_back_needs_a_publication() -> None:
    run = Run(kind=RunKind.ROLL_BACK, definition=published_definition()[0])
    with pytest.raises(CannotRun):
        run_roll_back(run, Unwatched())


@committed
def test_of_two_who_publish_at_once_one_is_refused() -> None:
    make_crowd(6)
    drafts = [generous_draft(), store_draft(document=read_document(generous_draft().document), by=None)]
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [0x52495045])
        both = [
            Elsewhere(lambda pk=draft.pk: order_publication(definition_id=pk, by=None, now=NOW))  # type: ignore[misc]
            for draft in drafts
        ]
        wait_until(lambda: len(waiting_for_locks()) == 2, "both wait for the judgements under way")
    outcomes = []
    for one in both:
        one.join(30)
        outcomes.append("published" if one.error is None else str(one.error))
    assert sorted(outcomes)[1] == "published"
    assert min(outcomes).endswith("is still being put in force; wait until that is through.")
    assert Run.objects.count() == 1


@committed
def test_a_drain_that_waited_for_the_publication_judges_its_contacts_past_it() -> None:
    """What the publication left to the drain, because it was due, would otherwise never be judged at its moment."""
    draft = generous_draft()
    record(incoming("social_question", NOW - 40 * DAY, traits=FITTING))
    drain_due(now=NOW - 39 * DAY)
    record(incoming("page_viewed", NOW - 2 * DAY))
    with transaction.atomic():
        publish_definition(definition_id=draft.pk, by=None, now=NOW)
        # It took its time a moment before the publication was ordered.
        drain = Elsewhere(lambda: drain_due(now=NOW - timedelta(seconds=1)))
        wait_until(lambda: len(waiting_for_locks()) == 1, "the drain waits for the publication")
    drain.finish()

    assert Standing.objects.get().evaluated_at == NOW
    assert is_as_rebuilt(NOW)


@committed
def test_a_run_shows_where_it_is_outlives_its_connection_and_is_done_once() -> None:
    first = make_crowd(12)
    leave_a_gap()
    last = make_crowd(12, name="q")
    assert last[0] - first[0] > 20_000
    run = order_publication(definition_id=generous_draft().pk, by=None, now=NOW)

    def seen() -> Run:
        return Run.objects.get(pk=run.pk)

    with held_contact(first[-1]) as let_go, held_contact(last[-1]):
        # Everybody whom the publication touches is written in one statement for each range.
        worker = Elsewhere(work_off_runs)
        wait_until(lambda: len(waiting_for_locks()) == 1, "the worker is in the first range")
        assert (seen().state, seen().done, seen().total, seen().attempts) == ("running", 0, 24, 1)
        assert work_off_runs() == 0, "another worker leaves it alone"
        assert drain_due(now=NOW) >= 0, "and nobody who judges waits for it"
        connection.cursor().execute("SELECT pg_sleep(0.3)")
        let_go()
        wait_until(lambda: seen().done == 12, "progress is seen while the run goes on")
        assert (seen().state, seen().attempts) == ("running", 0), "it got somewhere, so interruptions count anew"
        assert first[-1] <= seen().reached < last[0]
        wait_until(lambda: len(waiting_for_locks()) == 1, "the worker is in the second range")
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s) AS pid", [waiting_for_locks()])
        assert worker.finish() == 0
        assert (seen().state, seen().finished_at) == ("running", None)

    assert work_off_runs() == 1

    assert (seen().state, seen().done, seen().total) == ("finished", 24, 24)
    while drain_due(now=NOW):
        pass
    assert is_as_rebuilt(NOW)

"""The ways consequences are set off: the woken task, the sweeps, and the shell."""

from io import StringIO

import pytest
from celery import current_app
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from contacts.models import Due, Standing
from funnel.enums import HandoffState
from funnel.models import Handoff
from scoring.models import Transition
from scoring.services.evaluate import drain_due
from tests.funnel.conftest import FITTING, World


@pytest.fixture(autouse=True)
def tasks() -> None:
    """Load every app's tasks, as a worker does when it starts."""
    current_app.loader.import_default_modules()


def run(task: str) -> None:
    """Run a task as a worker would that found it by name."""
    current_app.tasks[task]()


def test_both_sweeps_run_often_enough_that_nobody_waits_ten_seconds() -> None:
    every = {entry["task"]: entry["schedule"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}

    assert every["funnel.drain"] == 2.0
    assert every["funnel.reconcile"] in (2.0, 5.0)
    assert every["funnel.count"] == 2.0
    assert {"funnel.drain", "funnel.reconcile", "funnel.count"} <= set(current_app.tasks)


def test_the_drain_task_opens_what_a_lost_wake_up_left(world: World) -> None:
    for number in range(3):
        world.happens(f"person{number}@acme.example", "demo_requested", traits=FITTING)
    drain_due(now=world.now)

    run("funnel.drain")

    assert Handoff.objects.filter(state=HandoffState.OFFERED).count() == 3
    assert not Transition.objects.filter(consumed_at=None).exists()


def test_the_reconcile_task_opens_what_no_transition_announces(world: World) -> None:
    world.prospect()
    Handoff.objects.all().delete()

    run("funnel.reconcile")

    assert Handoff.objects.get().state == HandoffState.OFFERED


def test_the_count_task_counts_who_changed(world: World) -> None:
    world.happens("ann@acme.example", "demo_requested", traits=FITTING)
    drain_due(now=world.now)
    run("funnel.drain")

    run("funnel.count")

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM funnel_passage")
        assert cursor.fetchone() != (0,)
        cursor.execute("SELECT count(*) FROM funnel_recount")
        assert cursor.fetchone() == (0,)


def test_draining_from_the_shell_judges_and_draws_the_consequences(world: World) -> None:
    world.happens("ann@acme.example", "demo_requested", traits=FITTING)
    out = StringIO()

    call_command("drain", until_empty=True, stdout=out)

    assert out.getvalue() == "1 contacts judged\n"
    assert Handoff.objects.get().state == HandoffState.OFFERED
    assert not Due.objects.exists()


def test_draining_from_the_shell_follows_facts_that_consequences_leave(world: World) -> None:
    """A withdrawal is a fact, so it makes the contact due once more."""
    offer = world.offer()
    Standing.objects.update(stage="lead")

    call_command("drain", until_empty=True, stdout=StringIO())

    offer.refresh_from_db()
    assert offer.state == HandoffState.WITHDRAWN
    assert not Due.objects.exists()

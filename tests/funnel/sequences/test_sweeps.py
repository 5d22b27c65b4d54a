"""The ways in which sequences are moved on: the woken task and the sweeps."""

from datetime import timedelta

import pytest
from celery import current_app
from django.conf import settings
from django.utils import timezone

from contacts.models import Mail
from funnel.models import Enrolment
from tests.funnel.sequences.conftest import Garden, mail_step


@pytest.fixture(autouse=True)
def tasks() -> None:
    """Load every app's tasks, as a worker does when it starts."""
    current_app.loader.import_default_modules()


def run(task: str) -> None:
    """Run a task as a worker would that found it by name."""
    current_app.tasks[task]()


@pytest.fixture
def today(db: None) -> Garden:
    """A world whose clock is the tasks' own."""
    return Garden(now=timezone.now())


def test_the_sweeps_run_often_enough() -> None:
    every = {entry["task"]: entry["schedule"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}

    assert (every["funnel.sequences"], every["funnel.stray_enrolments"]) == (5.0, 30.0)
    assert {"funnel.sequences", "funnel.stray_enrolments"} <= set(current_app.tasks)


def test_the_task_enrols_who_stood_there_and_sends_what_is_due(today: Garden) -> None:
    today.now = timezone.now() - timedelta(hours=2)
    for number in range(3):
        today.lead(f"person{number}@acme.example")
    today.active(mail_step(), backfill=True)

    run("funnel.sequences")
    run("funnel.sequences")

    assert set(Enrolment.objects.values_list("state", flat=True)) == {"completed"}
    assert Mail.objects.count() == 3


def test_the_sweep_stops_who_answered(today: Garden) -> None:
    today.now = timezone.now() - timedelta(hours=2)
    today.active(mail_step(30))
    today.lead()
    today.happens("ann@acme.example", "chat_started", at=today.later(hours=1))

    run("funnel.stray_enrolments")

    assert Enrolment.objects.get().reason == "replied"

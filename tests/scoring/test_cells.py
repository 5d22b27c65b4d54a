"""What-if and comparison as runs: progress, cancelling, one snapshot, and the contacts behind each cell."""

import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from contacts.enums import Role, WorkState
from contacts.models import Contact, Due, Standing
from contacts.services.people import create_person
from contacts.services.work import Cancelled, CannotRun, Progress, Unwatched
from scoring.definition import read_document
from scoring.engine.facts import IntArray
from scoring.enums import RunKind
from scoring.models import Definition, Publication, Run, RunCell
from scoring.selectors.runs import cell_contacts, run_view, runs_with_names
from scoring.services.compare import run_compare
from scoring.services.drafts import store_draft
from scoring.services.evaluate import drain_due
from scoring.services.publish import judge_publication, publish_definition
from scoring.services.runs import cancel_run, start_run
from scoring.services.snapshots import open_snapshot
from scoring.services.what_if import run_what_if, what_if
from scoring.services.work import work_off_runs
from tests.scoring.facts import FITTING, incoming, record

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)

# Threads of the work see only what is committed.
committed = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def populate(contacts: int = 12) -> None:
    """Contacts of three stages, judged."""
    kinds = ["page_viewed", "newsletter_subscribed", "demo_requested"]
    for number in range(contacts):
        event = incoming(kinds[number % 3], NOW - 3 * DAY, email=f"p{number}@x{number}.example", traits=FITTING)
        record(event)
    while drain_due(now=NOW - DAY):
        pass


def strict_draft() -> Definition:
    """A draft under which nobody becomes a sales prospect any more."""
    document = Definition.objects.get(key="default", version=1).document
    stages = [one for one in document["stages"] if one["key"] != "sales_prospect"]
    return store_draft(document=read_document({**document, "stages": stages}), by=None)


class Watched(Unwatched):
    """Remembers what was reported, and does something at each step."""

    def __init__(self, at_each_step: Any = None) -> None:
        super().__init__()
        self.total = 0
        self.done: list[int] = []
        self._at_each_step = at_each_step

    def begin(self, total: int, *, unit: str = "contacts", done: int = 0) -> None:
        self.total = total

    def advance(self, number: int, *, reached: int | None = None) -> None:
        self.done.append(number)
        if self._at_each_step is not None:
            self._at_each_step()


@committed
def test_a_worker_does_it_and_keeps_the_contacts_behind_each_cell() -> None:
    populate()
    person = create_person(email="mia@firm.example", role=Role.MARKETER, password="long enough for a test", by=None)
    draft = strict_draft()
    with time_machine.travel(NOW, tick=False):
        run = start_run(kind=RunKind.WHAT_IF, definition=draft, by=person)
        assert work_off_runs() == 1

    run = runs_with_names().get(pk=run.pk)
    shown = run_view(run)
    assert (shown["state"], shown["definition"], shown["done"], shown["total"]) == ("finished", "default@2", 12, 12)
    assert (shown["share"], shown["remaining"], shown["requested_by"]) == (1.0, None, "mia@firm.example")
    result = shown["result"]
    assert (result["definition"], result["against"], result["contacts"]) == ("default@2", "default@1", 12)
    assert result["moved"] == result["withdraws"] == 4
    assert result["opens"] == 0
    assert [stage["key"] for stage in result["stages"]["to"]] == ["audience", "lead", "marketing_prospect", "customer"]
    assert len(result["stages"]["from"]) == 5
    for side in ("before", "after"):
        assert sum(band[side] for band in result["scores"]) == 12
    assert [result["scores"][place]["from"] for place in (0, 1, -1)] == [0, 10, 100]
    assert result["scores"][-1]["to"] is None

    moved = list(Standing.objects.filter(stage="sales_prospect").order_by("pk").values_list("pk", flat=True))
    assert cell_contacts(run.pk, origin="sales_prospect", target="marketing_prospect") == moved
    cells = {(cell["from"], cell["to"]): cell["contacts"] for cell in result["matrix"]}
    everyone = [pk for origin, target in cells for pk in cell_contacts(run.pk, origin=origin, target=target)]
    assert sorted(everyone) == sorted(Contact.objects.values_list("pk", flat=True))


@committed
def test_the_pages_of_a_cell_follow_on_one_another_across_parts() -> None:
    populate(30)
    parts: list[list[int]] = []
    run = Run.objects.create(kind=RunKind.WHAT_IF, definition=strict_draft())

    def keep(cells: Iterable[tuple[str, str, IntArray]]) -> None:
        for origin, target, ids in cells:
            if (origin, target) == ("audience", "audience"):
                parts.append(ids.tolist())
                RunCell.objects.create(run=run, origin=origin, target=target, first_id=ids[0], contact_ids=ids.tolist())

    document = read_document(strict_draft().document)
    what_if(document, now=NOW, chunk=7, connections=2, keep=keep)
    everyone = [pk for part in parts for pk in part]
    assert len(parts) > 3
    assert everyone == sorted(everyone)
    assert len(everyone) == 10
    paged, after = [], 0
    while page := cell_contacts(run.pk, origin="audience", target="audience", after=after, limit=3):
        paged += page
        after = page[-1]
    assert paged == everyone
    assert cell_contacts(run.pk, origin="audience", target="lead") == []


@pytest.mark.django_db
def test_a_page_of_a_cell_is_one_query(django_assert_num_queries: Any) -> None:
    run = Run.objects.create(kind=RunKind.WHAT_IF, definition=Definition.objects.get(key="default"))
    for first in (1, 101, 201):
        RunCell.objects.create(
            run=run, origin="lead", target="lead", first_id=first, contact_ids=list(range(first, first + 50))
        )
    for limit in (1, 120):
        with django_assert_num_queries(1):
            assert len(cell_contacts(run.pk, origin="lead", target="lead", after=40, limit=limit)) == min(limit, 110)
    assert cell_contacts(run.pk, origin="lead", target="lead", after=149, limit=2) == [150, 201]


@committed
def test_two_connections_see_one_state_while_ingest_and_the_drain_go_on() -> None:
    populate(20)
    document = read_document(strict_draft().document)
    expected = what_if(document, now=NOW, chunk=2)

    def meanwhile() -> None:
        # Each step somebody asks for a demo and is judged: the snapshot must not see it, nor hold it up.
        number = len(watched.done)
        record(incoming("demo_requested", NOW - DAY, email=f"p{number}@x{number}.example"))
        record(incoming("demo_requested", NOW - DAY, email=f"new{number}@y{number}.example"))
        assert drain_due(now=NOW) == 2

    watched = Watched(meanwhile)
    found = what_if(document, now=NOW, chunk=2, connections=2, progress=watched)
    assert (found.matrix, found.at) == (expected.matrix, expected.at)
    assert watched.total == sum(watched.done) == 20
    assert Contact.objects.count() > 20
    assert what_if(document, now=NOW, chunk=2).matrix != expected.matrix


@committed
def test_readers_of_a_snapshot_cannot_write() -> None:
    with open_snapshot(2) as snapshot:
        seen = list(snapshot.map(lambda _: _try_to_write(), range(4)))
    assert seen == ["cannot execute UPDATE in a read-only transaction"] * 4


def _try_to_write() -> str:
    from django.db import InternalError, transaction

    try:
        with transaction.atomic():
            Contact.objects.update(first_name="X")
    except InternalError as error:
        return str(error).strip()
    return "written"


@committed
@pytest.mark.parametrize("kind", [RunKind.WHAT_IF, RunKind.COMPARE])
def test_cancelling_under_way_leaves_nothing_behind(kind: RunKind, monkeypatch: pytest.MonkeyPatch) -> None:
    populate()
    other = Definition.objects.get(key="reaction")
    run = start_run(kind=kind, definition=strict_draft(), by=None, other=other)
    RunCell.objects.create(run=run, origin="lead", target="lead", first_id=1, contact_ids=[1])
    # Progress looks at the row a few times a second; here at every step.
    monkeypatch.setattr("contacts.services.work._EVERY", 0)
    cancel_run(run_id=run.pk, by=None, now=NOW)
    Run.objects.filter(pk=run.pk).update(state=WorkState.RUNNING, finished_at=None)
    work = run_what_if if kind == RunKind.WHAT_IF else run_compare
    with pytest.raises(Cancelled):
        work(run, Progress(run))
    assert not RunCell.objects.filter(run=run).exists()
    # The work's own connections are gone, and so are their transactions.
    assert threading.active_count() == 1 or not any("snapshot" in thread.name for thread in threading.enumerate())
    assert work_off_runs() == 1
    run.refresh_from_db()
    assert run.state == WorkState.CANCELLED


@committed
def test_a_second_attempt_begins_with_empty_cells() -> None:
    populate()
    run = start_run(kind=RunKind.WHAT_IF, definition=strict_draft(), by=None)
    RunCell.objects.create(run=run, origin="customer", target="lead", first_id=1, contact_ids=[1])
    assert work_off_runs() == 1
    assert cell_contacts(run.pk, origin="customer", target="lead") == []
    run.refresh_from_db()
    assert run.state == WorkState.FINISHED


@pytest.mark.django_db
def test_while_a_roll_back_is_under_way_there_is_nothing_to_say() -> None:
    Publication.objects.create(
        definition=Definition.objects.get(key="reaction"), effective_at=NOW - DAY, retracted_at=NOW
    )
    with pytest.raises(CannotRun, match="A roll-back is under way"):
        what_if(read_document(strict_draft().document), now=NOW)


@pytest.mark.django_db
def test_while_a_publication_is_under_way_everybody_is_taken_through_it_first() -> None:
    populate()
    reaction = Definition.objects.get(key="reaction")
    document = read_document(Definition.objects.get(key="default", version=1).document)
    publication = publish_definition(definition_id=reaction.pk, by=None, now=NOW)
    under_way = what_if(document, now=NOW + DAY)
    judge_publication(publication, chunk=4)
    while drain_due(now=NOW):
        pass
    publication.refresh_from_db()
    assert publication.judged_at is not None
    through = what_if(document, now=NOW + DAY)
    assert (under_way.matrix, under_way.at) == (through.matrix, through.at)
    assert under_way.against == "reaction@1"


@pytest.mark.django_db
def test_the_number_of_queries_does_not_grow_with_the_contacts(django_assert_max_num_queries: Any) -> None:
    document = read_document(strict_draft().document)
    counts = []
    for contacts in (4, 12):
        populate(contacts)
        Due.objects.create(contact=Contact.objects.latest("pk"), occurred_at=NOW - 2 * DAY)
        with django_assert_max_num_queries(40) as captured:
            what_if(document, now=NOW)
        counts.append(len(captured))
    assert counts[0] == counts[1]


@pytest.mark.django_db
def test_a_waiting_run_has_neither_rate_nor_time_left_and_one_under_way_has_both() -> None:
    now = timezone.now()
    run = Run(kind=RunKind.WHAT_IF, definition=Definition.objects.get(key="default"), requested_at=now)
    view = run_view(run, now=now)
    assert (view["share"], view["rate"], view["remaining"]) == (None, None, None)
    run.started_at, run.done, run.total, run.state = now - timedelta(seconds=10), 500, 2_000, WorkState.RUNNING
    view = run_view(run, now=now)
    assert (view["share"], view["rate"], view["remaining"]) == (0.25, 50.0, 30.0)

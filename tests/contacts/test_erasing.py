"""Erasing a person in the database: everything that is theirs goes, what is counted stays, and nothing comes back."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import close_old_connections, connection, models, transaction
from django.db.models import Count
from django.db.models.functions import TruncWeek

from config.web.models import KeptAnswer
from contacts.enums import ErasureReason, JobKind, Role, SourceKind
from contacts.ingest.incoming import IncomingEvent
from contacts.models import Contact, ErasedName, Event, Identity, Job, RejectedMessage, SourceWarning, Standing
from contacts.services.erased_names import keyed_hash
from contacts.services.erasing import erase_person
from contacts.services.jobs import JOBS, cancel_job
from contacts.services.person_jobs import order_erasure, order_person_export
from contacts.services.record import record_events
from contacts.services.work import CannotRun, Unwatched
from funnel.models import Handoff, Proof
from funnel.services.consequences import draw_consequences, reconcile_standings
from funnel.services.handoffs import accept_handoff
from funnel.services.verification import verify_invariants
from scoring.models import RunCell, Transition
from scoring.services.evaluate import drain_due
from scoring.services.rebuild import rebuild_contacts
from tests.factories import make_contact, make_event, make_source, make_user, record
from tests.funnel.conftest import World
from tests.journeys.lives import COOKIE, EMAIL, EXTERNAL_ID, OTHER_EMAIL, VALUES, live


@pytest.fixture
def boss(db: None) -> User:
    return make_user(Role.MANAGER)


@pytest.fixture
def world(db: None) -> World:
    return World()


def erase(contact: Contact, by: User | None) -> Job:
    """Order it and do it, as the worker would."""
    job = order_erasure(contact=contact, by=by, reason=ErasureReason.ASKED, now=datetime.now(UTC))
    erase_person(Job.objects.select_related("contact").get(pk=job.pk), Unwatched())
    job.refresh_from_db()
    return job


def references() -> Iterator[tuple[type[models.Model], str, bool]]:
    """Every column of ours that can hold a contact's id, and whether it holds several."""
    for label in ("web", "contacts", "scoring", "funnel"):
        for model in apps.get_app_config(label).get_models():
            for field in model._meta.concrete_fields:
                if field.is_relation and field.related_model is Contact:
                    yield model, field.attname, False
                elif field.name.endswith("contact_id"):
                    yield model, field.name, False
                elif field.name.endswith("contact_ids"):
                    yield model, field.name, True


def holding(contact_ids: list[int]) -> set[str]:
    """The columns in which one of these ids stands."""
    return {
        f"{model.__name__}.{name}"
        for model, name, is_list in references()
        if model._default_manager.filter(**{f"{name}__{'overlap' if is_list else 'in'}": contact_ids}).exists()
    }


def dump() -> str:
    """Every table as text."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        tables = [name for (name,) in cursor.fetchall()]
        parts = []
        for name in tables:
            cursor.execute(f'SELECT t::text FROM "{name}" t')
            # A table has no order: an update that was rolled back may leave another one.
            parts += sorted(row for (row,) in cursor.fetchall())
    return "\n".join(parts).lower()


def found_in(text: str) -> set[str]:
    return {value for value in VALUES if value.lower() in text}


def test_nothing_of_the_person_is_left_in_any_table(world: World, boss: User) -> None:
    contact = live(world)
    ids = [contact.pk, *Contact.objects.filter(merged_into=contact).values_list("pk", flat=True)]
    everywhere = {f"{model.__name__}.{name}" for model, name, _ in references()}
    assert everywhere - holding(ids) == {"ErasedName.husk_id"}, "the life of this test lacks what a new table holds"
    assert found_in(dump()) == set(VALUES)

    job = erase(contact, boss)

    assert holding(ids) == set()
    left = dump()
    assert "kim" not in left.replace("not.kim.canary@private.example", "").replace("rep.of.canary", "")
    assert found_in(left.replace("not.kim.canary@private.example", "")) == set()
    assert job.result is not None
    assert job.result["identities"] == 4
    assert job.result["contacts"] == 2


def test_a_husk_says_only_that_somebody_was_there(world: World, boss: User) -> None:
    contact = live(world)
    before = Transition.objects.count()

    job = erase(contact, boss)

    husk = job.contact
    assert husk is not None
    assert 2**40 <= husk.pk < 2**53
    assert husk.erased_at is not None
    empty = Contact(pk=husk.pk, erased_at=husk.erased_at, created_at=husk.created_at, updated_at=husk.updated_at)
    assert {field.name for field in Contact._meta.concrete_fields if field.name not in ("present", "merged_into")
            and getattr(husk, field.name) != getattr(empty, field.name)} == set()  # fmt: skip
    assert not husk.present
    assert Transition.objects.filter(contact=husk).count() == before
    assert not Transition.objects.filter(contact=husk, cause_event__isnull=False).exists()
    states = list(Handoff.objects.filter(contact=husk).order_by("pk").values_list("state", "note", "evidence"))
    assert states == [("withdrawn", "", {}), ("withdrawn", "", {})], "a claimed one too, for erasure is a right"
    assert set(Job.objects.values_list("contact_id", flat=True)) == {husk.pk}, "the audit stays"
    hashes = {("email", EMAIL), ("email", OTHER_EMAIL), ("external_id", EXTERNAL_ID), ("anonymous_id", COOKIE)}
    assert set(ErasedName.objects.values_list("name_hash", flat=True)) == {keyed_hash(*name) for name in hashes}


def entries() -> Counter[tuple[Any, ...]]:
    rows = Transition.objects.filter(superseded_at=None).annotate(week=TruncWeek("effective_at"))
    counted = rows.values("week", "to_stage").annotate(times=Count("pk"))
    return Counter({(row["week"], row["to_stage"]): row["times"] for row in counted})


def test_counts_over_changes_of_stage_stay_and_verify_is_clean(world: World, boss: User) -> None:
    world.prospect("neighbour@acme.example")
    contact = live(world)
    # What the person's life was made of by hand is not what a judgement would have made of it.
    rebuild_contacts(contact_ids=[contact.pk], now=world.now)
    before, transitions = entries(), Transition.objects.count()
    assert before

    erase(contact, boss)

    assert entries() == before
    assert Transition.objects.count() == transitions
    later = world.later(minutes=5)
    world.tell()
    assert list(verify_invariants(now=later)) == []
    while drain_due(now=later) or draw_consequences(now=later):
        pass
    rebuild_contacts(now=later)
    reconcile_standings(now=later)
    assert entries() == before
    assert list(verify_invariants(now=world.later(minutes=5))) == []
    assert Standing.objects.count() == 1


def test_what_others_wrote_of_the_person_goes_and_nothing_else(world: World, boss: User) -> None:
    contact = live(world)

    erase(contact, boss)

    assert [row.payload for row in RejectedMessage.objects.all()] == [f'{{"contact": {{"email": "not.{EMAIL}"}}}}']
    assert list(SourceWarning.objects.order_by("field").values_list("field", "message", "message_id", "count")) == [
        ("contact", "", "", 3),
        ("email", "Odd.", "17", 3),
    ]
    kept = {row.key: (row.status, bytes(row.body)[:16]) for row in KeptAnswer.objects.all()}
    assert kept.keys() == {"first", "handoff", "another"}
    assert kept["handoff"] == (410, b'{"code": "erased')
    assert kept["another"][0] == 201
    assert list(RunCell.objects.values_list("first_id", "contact_ids")) == [(10**9, [10**9])]
    assert list(Proof.objects.values_list("violations", "contact_ids")) == [(1, [10**9])]


def test_nobody_of_an_erased_name_comes_back_but_somebody_new_may_come(world: World, boss: User) -> None:
    contact = live(world)
    known = Event.objects.filter(contact=contact, source__name="crm").first()
    assert known is not None
    erase(contact, boss)
    before = Contact.objects.count()

    again = record(
        make_event(contact={"email": EMAIL}),
        make_event(contact={"anonymous_id": COOKIE, "email": "new@acme.example"}),
        make_event(contact={"id": str(contact.pk)}),
        {**make_event(contact={"email": EMAIL}), "message_id": known.message_id},
        make_event(contact={"email": "somebody.new@private.example"}),
        source=known.source,
    )

    assert [(one.index, one.code) for one in again.rejected] == [
        (0, "erased"), (1, "erased"), (2, "unknown_contact"), (3, "erased"),
    ]  # fmt: skip
    assert Contact.objects.count() == before + 1
    assert not Identity.objects.filter(value__in=[EMAIL, COOKIE]).exists()


def test_two_orders_are_one_and_an_erasure_is_not_cancelled(boss: User) -> None:
    contact = make_contact()

    one = order_erasure(contact=contact, by=boss, reason=ErasureReason.ASKED, now=datetime.now(UTC))
    two = order_erasure(contact=contact, by=boss, reason=ErasureReason.TEST, now=datetime.now(UTC))

    assert one == two
    with pytest.raises(CannotRun):
        cancel_job(job_id=one.pk, now=datetime.now(UTC))
    assert JOBS.work_off() == 1
    one.refresh_from_db()
    assert (one.state, one.requested_by, one.parameters["reason"]) == ("finished", boss, "asked")
    with pytest.raises(Contact.DoesNotExist):
        order_erasure(contact=contact, by=boss, reason=ErasureReason.ASKED, now=datetime.now(UTC))


def test_only_leaders_and_servers_erase(db: None) -> None:
    contact = make_contact()
    for role in (Role.REP, Role.MARKETER):
        with pytest.raises(PermissionDenied):
            erase(contact, make_user(role))
        with pytest.raises(PermissionDenied):
            order_person_export(contact=contact, by=make_user(role))
    public, _ = make_source(kind=SourceKind.PUBLIC)
    with pytest.raises(PermissionDenied):
        order_erasure(contact=contact, by=None, source=public, reason=ErasureReason.ASKED, now=datetime.now(UTC))
    assert not Job.objects.exists()


def test_a_contact_that_became_part_of_another_is_not_erased_behind_its_back(boss: User) -> None:
    contact, other = make_contact(), make_contact()
    job = order_erasure(contact=contact, by=boss, reason=ErasureReason.ASKED, now=datetime.now(UTC))
    Contact.objects.filter(pk=contact.pk).update(merged_into=other)

    JOBS.work_off()

    job.refresh_from_db()
    assert (job.state, job.error) == ("failed", "This contact became part of another one since; erase that one.")
    assert Contact.objects.filter(pk=other.pk, present=True).exists()


def test_a_job_whose_worker_died_after_the_erasure_only_has_to_say_so(boss: User, world: World) -> None:
    job = erase(live(world), boss)
    before = dump()

    again = erase_person(Job.objects.select_related("contact").get(pk=job.pk), Unwatched())

    assert again == job.result
    assert dump() == before


def test_an_alias_does_not_bring_an_erased_name_back(boss: User, world: World) -> None:
    erase(live(world), boss)
    alias = IncomingEvent(
        index=0, message_id="alias", kind=None, occurred_at=world.now, external_id="somebody else", previous_id=COOKIE
    )

    receipt = record_events(source=make_source()[0], events=[alias], received_at=world.now)

    assert [one.code for one in receipt.rejected] == ["erased"]
    assert not Identity.objects.filter(value__in=[COOKIE, "somebody else"]).exists()


def test_an_erasure_that_fails_half_way_has_done_nothing(boss: User, world: World) -> None:
    contact = live(world)
    job = order_erasure(contact=contact, by=boss, reason=ErasureReason.ASKED, now=datetime.now(UTC))
    before = dump()
    with connection.cursor() as cursor:
        # The last but one of all deletions fails.
        cursor.execute("CREATE RULE no_deletion AS ON DELETE TO contacts_due DO INSTEAD SELECT 1 / 0")
    with pytest.raises(Exception, match="division by zero"), transaction.atomic():
        erase_person(Job.objects.select_related("contact").get(pk=job.pk), Unwatched())
    with connection.cursor() as cursor:
        cursor.execute("DROP RULE no_deletion ON contacts_due")

    assert dump() == before


def in_thread(work: Callable[[], object]) -> threading.Thread:
    def run() -> None:
        close_old_connections()
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_facts_under_way_are_waited_for_and_erased() -> None:
    """The control: without the lock of write_due the erasure would pass by, and the commit would fail."""
    boss, contact = make_user(Role.MANAGER), make_contact(email="ann@acme.example")
    job = order_erasure(contact=contact, by=boss, reason=ErasureReason.ASKED, now=datetime.now(UTC))
    with transaction.atomic():
        record(make_event(contact={"email": "ann@acme.example"}))
        thread = in_thread(JOBS.work_off)
        wait_for_lock()
        assert Contact.objects.filter(pk=contact.pk, present=True).exists()
    thread.join(20)

    job.refresh_from_db()
    assert (job.state, (job.result or {}).get("events")) == ("finished", 2)
    assert not Event.objects.exists()


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_facts_that_come_while_it_is_erased_are_refused() -> None:
    boss, contact = make_user(Role.MANAGER), make_contact(email="ann@acme.example")
    job = order_erasure(contact=contact, by=boss, reason=ErasureReason.ASKED, now=datetime.now(UTC))
    receipts: list[Any] = []
    neighbour = make_event(contact={"email": "bob@acme.example"})
    with transaction.atomic():
        erase_person(Job.objects.select_related("contact").get(pk=job.pk), Unwatched())
        thread = in_thread(
            lambda: receipts.append(record(make_event(contact={"email": "ann@acme.example"}), neighbour))
        )
        wait_for_lock()
    thread.join(20)

    (receipt,) = receipts
    assert [one.code for one in receipt.rejected] == ["erased"]
    assert receipt.accepted == 1
    assert not Identity.objects.filter(value="ann@acme.example").exists()


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_judgement_under_way_is_waited_for() -> None:
    boss, contact = make_user(Role.MANAGER), make_contact(email="ann@acme.example")
    order_erasure(contact=contact, by=boss, reason=ErasureReason.ASKED, now=datetime.now(UTC))
    with transaction.atomic():
        assert drain_due(now=datetime.now(UTC)) == 1
        thread = in_thread(JOBS.work_off)
        wait_for_lock()
    thread.join(20)

    assert not Standing.objects.exists()
    assert Transition.objects.get().contact.erased_at is not None
    assert drain_due(now=datetime.now(UTC) + timedelta(days=400)) == 0


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_rep_in_the_middle_of_a_move_and_an_erasure_do_not_block_each_other() -> None:
    world, boss, rep = World(), make_user(Role.MANAGER), make_user(Role.REP)
    handoff = world.claimed(rep, email=EMAIL)
    order_erasure(contact=handoff.contact, by=boss, reason=ErasureReason.ASKED, now=datetime.now(UTC))
    with transaction.atomic():
        Handoff.objects.select_for_update().get(pk=handoff.pk)
        thread = in_thread(JOBS.work_off)
        # It tries, is in the way of nobody, and tries again.
        time.sleep(0.4)
        accept_handoff(handoff_id=handoff.pk, by=rep, now=world.later(minutes=1))
    thread.join(20)

    handoff.refresh_from_db()
    assert handoff.state == "withdrawn"
    assert Job.objects.get(kind=JobKind.ERASE).state == "finished"


def wait_for_lock() -> None:
    """Until somebody waits for a row."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0]:
                return
        time.sleep(0.02)
    raise AssertionError("nobody waits")

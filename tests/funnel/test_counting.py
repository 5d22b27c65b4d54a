"""The rollups follow the transitions: whatever happens, they equal what is counted from nothing."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from pytest_django import DjangoAssertNumQueries

from contacts.enums import ErasureReason, Role
from contacts.models import Contact, Job, Merge
from contacts.services.erasing import erase_person
from contacts.services.merging import merge_contacts
from contacts.services.parting import undo_merge
from contacts.services.person_jobs import order_erasure
from contacts.services.verification import EVERYBODY, Among
from contacts.services.work import Unwatched
from funnel.analytics import Period, Report, Segment
from funnel.models import Passage, Reached, Recount, Tally
from funnel.selectors.figures import FACETS, cohorts, counted_stages, report, shares
from funnel.services.consequences import draw_consequences
from funnel.services.counting import count_contacts, count_due, recount_all, verify_rollups
from scoring.models import Publication
from scoring.selectors import find_definition
from scoring.services.evaluate import drain_due
from scoring.services.publish import judge_publication, publish_definition, roll_back_publication
from scoring.services.rebuild import rebuild_contacts
from tests.factories import make_user
from tests.funnel import naive_figures
from tests.funnel.conftest import World

KINDS = (
    *(
        "newsletter_subscribed",
        "page_viewed",
        "asset_downloaded",
        "form_submitted",
        "demo_requested",
        "social_question",
    ),
    *("social_question", "email_clicked", "pricing_requested", "purchased", "refunded", "churned"),
)
COUNTRIES = ("Norway", "Peru", "Chad")
BEGIN = datetime(2025, 1, 10, 8, tzinfo=UTC)
WHOLE = Period(date(2024, 12, 1), date(2026, 12, 31))
SOME = Period(date(2025, 1, 20), date(2025, 6, 9))


def settle(now: datetime) -> None:
    """As the drains would, one after the other."""
    while drain_due(now=now) or draw_consequences(now=now) or count_due(now=now):
        pass


def faults(now: datetime, contact_ids: list[int] | None = None) -> list[str]:
    among = EVERYBODY if contact_ids is None else Among(ids=tuple(contact_ids))
    return [str(violation) for violation in verify_rollups(among, now=now)]


def about(found: Report) -> Report:
    """A report to compare: quantiles to the microsecond."""

    def rounded(seconds: float | None) -> float | None:
        return None if seconds is None else round(seconds, 6)

    velocities = tuple(
        replace(one, p10=rounded(one.p10), median=rounded(one.median), p90=rounded(one.p90)) for one in found.velocities
    )
    return replace(found, velocities=velocities)


class Life:
    """Things that happen at random to a few people, the same for the same seed."""

    def __init__(self, seed: int, world: World, boss: User) -> None:
        self.draw, self.world, self.boss = Random(seed), world, boss
        world.now = BEGIN

    def goes_on(self) -> None:
        """Time passes, then one thing happens; the drains follow."""
        self.world.later(hours=self.draw.randint(1, 120))
        often = [*[self.fact] * 9, *[self.late_fact] * 3, *[self.moves_country] * 2]
        rarely = [self.merges, self.merges, self.parts, self.is_erased, self.is_published, self.is_rolled_back]
        self.draw.choice(often + rarely)()
        settle(self.world.now)

    def fact(self) -> None:
        self._happens(self.world.now)

    def late_fact(self) -> None:
        self._happens(self.world.now - timedelta(days=self.draw.randint(1, 60)))

    def moves_country(self) -> None:
        self._happens(self.world.now, country=self.draw.choice(COUNTRIES))

    def merges(self) -> None:
        present = list(Contact.objects.filter(present=True).order_by("pk").values_list("pk", flat=True))
        if len(present) > 2:
            winner, loser = self.draw.sample(present, 2)
            merge_contacts(winner_id=winner, loser_id=loser, by=None, source=None, reason="", now=self.world.now)

    def parts(self) -> None:
        if merge := Merge.objects.filter(undone_at=None).order_by("-pk").first():
            undo_merge(merge_id=merge.pk, by=None, now=self.world.now)

    def is_erased(self) -> None:
        contact = Contact.objects.filter(present=True).order_by("pk").last()
        if contact and Contact.objects.filter(present=True).count() > 3:
            job = order_erasure(contact=contact, by=self.boss, reason=ErasureReason.ASKED, now=self.world.now)
            erase_person(Job.objects.select_related("contact").get(pk=job.pk), Unwatched())

    def is_published(self) -> None:
        key = self.draw.choice(("default", "reaction", "prospective-leads"))
        definition = find_definition(key)
        if Publication.objects.filter(retracted_at=None).latest("effective_at").definition_id != definition.pk:
            judge_publication(publish_definition(definition_id=definition.pk, by=None, now=self.world.now))

    def is_rolled_back(self) -> None:
        if Publication.objects.filter(retracted_at=None).count() > 1:
            taken = roll_back_publication(now=self.world.now)
            rebuild_contacts(now=self.world.now)
            Publication.objects.filter(pk=taken.pk).update(judged_at=self.world.now)

    def _happens(self, at: datetime, **traits: str) -> None:
        number = self.draw.randint(1, 7)
        # Whoever was erased stays so; somebody else has their name.
        name = f"p{number}" + "x" * Contact.objects.filter(erased_at__isnull=False).count()
        self.world.happens(f"{name}@c{number % 3}.example", self.draw.choice(KINDS), at=at, traits=traits)


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(2))
def test_after_everything_that_happens_the_figures_are_those_counted_from_nothing(world: World, seed: int) -> None:
    life = Life(seed, world, make_user(Role.MANAGER))
    for _ in range(40):
        life.goes_on()
        assert faults(world.now) == []
        assert not Recount.objects.exists()
    origin, *_, target = counted_stages()
    for period in (WHOLE, SOME):
        for segment in (
            Segment(), Segment(country="Norway"), Segment(country=""), Segment(country="Peru", source=""),
            Segment(direction=""),
        ):  # fmt: skip
            asked: dict[str, Any] = {"period": period, "segment": segment}
            assert about(report(**asked)) == about(naive_figures.report(**asked))
            pair: dict[str, Any] = {"origin": origin, "target": target}
            assert cohorts(**asked, **pair, now=world.now) == naive_figures.cohorts(**asked, **pair, now=world.now)
            for facet in FACETS:
                told = shares(**asked, **pair, facet=facet)
                assert told == naive_figures.shares(**asked, **pair, facet=facet)
    kept = [list(model.objects.order_by("pk").values()) for model in (Passage, Reached)]
    recount_all(now=world.now)
    assert faults(world.now) == []
    assert [list(model.objects.order_by("pk").values()) for model in (Passage, Reached)] == kept


@pytest.mark.django_db
def test_verify_names_what_is_wrong_and_leaves_alone_what_waits(world: World) -> None:
    contact = world.prospect()
    assert faults(world.now) == []
    assert faults(world.now, [contact.pk]) == []
    Tally.objects.filter(facet=0, grain="m", origin=-1).update(moves=7)
    (found,) = faults(world.now)
    assert "moves 7 instead of 1" in found
    assert len(faults(world.now, [contact.pk])) == 1
    recount_all(now=world.now)
    Reached.objects.update(country="Nowhere")
    assert f"invariant 9: contact {contact.pk}: " in faults(world.now)[0]
    Recount.objects.create(contact_id=contact.pk)
    assert [fault for fault in faults(world.now) if "contact" in fault.split(": ")[1]] == []
    assert "1 changes wait to be counted" in faults(datetime.now(UTC) + timedelta(minutes=1))[0]
    recount_all(now=world.now)
    assert faults(world.now) == []


@pytest.mark.django_db
def test_other_stages_are_counted_anew_and_until_then_the_figures_are_those_of_the_stages_before(world: World) -> None:
    world.prospect()
    definition = find_definition("reaction")
    judge_publication(publish_definition(definition_id=definition.pk, by=None, now=world.later(minutes=1)))
    while drain_due(now=world.now) or draw_consequences(now=world.now):
        pass
    assert counted_stages()[0] == "audience"
    assert faults(world.now) == []
    assert "are still counted by the stages audience, lead" in faults(world.later(minutes=2))[0]
    assert count_due(now=world.now) == 1
    assert counted_stages() == ("lead", "sales_prospect", "customer")
    assert faults(world.now) == []
    assert count_due(now=world.now) == 0


@pytest.mark.django_db
def test_another_country_is_counted_without_any_move(world: World) -> None:
    contact = world.prospect()
    Contact.objects.filter(pk=contact.pk).update(country="Chad", first_name="Ann")
    assert list(Recount.objects.values_list("contact_id", flat=True)) == [contact.pk]
    assert count_due(now=world.now) == 1
    period = Period(world.now.date(), world.now.date())
    assert report(period=period, segment=Segment(country="Chad")).stages[-2].after == 1
    Contact.objects.filter(pk=contact.pk).update(first_name="Anna")
    assert not Recount.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("contacts", [1, 3])
def test_counting_takes_as_many_statements_for_one_as_for_several(
    world: World, contacts: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(contacts):
        world.happens(f"p{number}@one.example", "newsletter_subscribed")
    drain_due(now=world.now)
    count_due(now=world.now, limit=0)
    # The lock, the definition, by which stages is counted, the outbox, no compiling, the difference; a savepoint.
    with django_assert_num_queries(8):
        assert count_due(now=world.now) == contacts


# Real transactions on connections of their own.
racing = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def _waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def _two_at_once(world: World, *, hold: bool) -> tuple[int, int]:
    """Let two drains count the same contacts, the second while the first has not committed."""
    for number in range(5):
        world.happens(f"p{number}@one.example", "newsletter_subscribed")
    drain_due(now=world.now)
    ids = list(Contact.objects.order_by("pk").values_list("pk", flat=True))
    counted, done = threading.Event(), threading.Event()

    def count() -> int:
        # The control is what a drain does without the lock, and with nothing in the outbox to wait for.
        return count_due(now=world.now) if hold else count_contacts(contact_ids=ids)

    def second() -> int:
        try:
            counted.wait(20)
            with transaction.atomic():
                return count()
        finally:
            done.set()
            connection.close()

    count_due(now=world.now, limit=0)
    if not hold:
        Recount.objects.all().delete()
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(second)
        with transaction.atomic():
            first = count()
            counted.set()
            while not done.is_set() and not _waits_for_a_lock():
                done.wait(0.02)
        return first, other.result(20)


@racing
def test_two_drains_at_once_count_everybody_once(transactional_db: None) -> None:
    world = World()
    assert _two_at_once(world, hold=True) == (5, 0)
    assert faults(world.now) == []
    assert report(period=Period(world.now.date(), world.now.date()), segment=Segment()).steps[0].reached == 5


@racing
def test_the_control_that_holds_nothing_counts_twice(transactional_db: None) -> None:
    world = World()
    assert _two_at_once(world, hold=False) == (5, 5)
    assert faults(world.now)


def _report_while_counted(world: World, *, hold: bool) -> bool:
    """While counting has a batch open, a source reports another country: whether that waits.

    ``hold``: the batch holds its contacts, too, as counting once did.
    """
    contact = world.happens("ann@one.example", "newsletter_subscribed", traits={"country": "Chad"})
    drain_due(now=world.now)
    # Of two countries told for the same moment, either could be the one in force.
    world.later(seconds=1)
    done = threading.Event()

    def report_another_country() -> None:
        try:
            world.happens("ann@one.example", "asset_downloaded", traits={"country": "Peru"})
        finally:
            done.set()
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            if hold:
                Contact.objects.select_for_update(no_key=True).get(pk=contact.pk)
            assert count_due(now=world.now) == 1
            told = pool.submit(report_another_country)
            # Whoever waits for this transaction does so until it ends; other locks pass.
            looks = 0
            while looks < 25 and not done.wait(0.02):
                looks = looks + 1 if _waits_for_a_lock() else 0
            waited = not done.is_set()
        told.result(20)
    return waited


@racing
def test_what_comes_in_does_not_wait_for_the_batch_that_is_counted_and_is_counted_next(transactional_db: None) -> None:
    world = World()
    assert not _report_while_counted(world, hold=False)
    today = Period(world.now.date(), world.now.date())
    assert report(period=today, segment=Segment(country="Chad")).steps[0].reached == 1
    assert count_due(now=world.now) == 1
    assert report(period=today, segment=Segment(country="Chad")).steps[0].reached == 0
    assert report(period=today, segment=Segment(country="Peru")).steps[0].reached == 1
    assert faults(world.now) == []


@racing
def test_the_control_that_holds_the_contacts_makes_what_comes_in_wait(transactional_db: None) -> None:
    world = World()
    assert _report_while_counted(world, hold=True)
    count_due(now=world.now)
    assert faults(world.now) == []


@racing
def test_an_erasure_waits_for_the_batch_that_is_counted_and_leaves_nothing_of_the_person(
    transactional_db: None,
) -> None:
    world = World()
    contact = world.happens("ann@one.example", "newsletter_subscribed", traits={"country": "Chad"})
    drain_due(now=world.now)
    job = order_erasure(contact=contact, by=make_user(Role.MANAGER), reason=ErasureReason.ASKED, now=world.now)
    done = threading.Event()

    def erase() -> None:
        try:
            erase_person(Job.objects.select_related("contact").get(pk=job.pk), Unwatched())
        finally:
            done.set()
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            assert count_due(now=world.now) == 1
            erased = pool.submit(erase)
            while not done.is_set() and not _waits_for_a_lock():
                done.wait(0.02)
            assert not done.is_set()
        erased.result(20)
    assert not Passage.objects.filter(contact_id=contact.pk).exists()
    assert not Reached.objects.exclude(country="").exists()
    settle(world.now)
    assert faults(world.now) == []


@racing
def test_a_drain_leaves_the_outbox_alone_while_everything_is_counted_anew(transactional_db: None) -> None:
    world = World()
    world.happens("ann@one.example", "newsletter_subscribed")
    drain_due(now=world.now)

    def drain() -> int:
        try:
            return count_due(now=world.now)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            assert recount_all(now=world.now) == 1
            assert pool.submit(drain).result(20) == 0
        assert pool.submit(drain).result(20) == 0
    assert faults(world.now) == []

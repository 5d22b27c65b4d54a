"""Steps are sent once: whoever sweeps at the same time, whoever dies in between, however a sequence is edited."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from contacts.enums import Role
from contacts.models import Contact, Event, Mail, Standing
from contacts.services.consent import record_consent
from funnel.models import Announcement, Enrolment, StepRun
from funnel.services.may_contact import answer_all
from funnel.services.sequences import sending
from funnel.services.sequences.activating import activate_sequence, pause_sequence
from funnel.services.sequences.drafting import SequencePlan, StepPlan, plan_of, save_sequence, steps_of
from funnel.services.sequences.sending import send_due_steps
from funnel.services.sequences.steering import reconcile_sequences, steer_sequences
from scoring.enums import Team
from scoring.models import Definition
from scoring.selectors import find_definition
from scoring.services.approvals import approve_definition
from scoring.services.publish import judge_publication, publish_definition
from tests.funnel.conftest import FITTING
from tests.funnel.sequences.conftest import MONDAY, Garden, mail_step, tool_step
from tests.funnel.test_races import at_once


@pytest.fixture
def racing(transactional_db: None) -> Garden:
    return Garden(now=MONDAY)


def sent(garden: Garden) -> tuple[int, int]:
    """Mails in the outbox, announcements for the tool."""
    return Mail.objects.count(), Announcement.objects.filter(type="sequence.step_due").count()


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_sweeps_at_once_send_each_step_once(racing: Garden) -> None:
    racing.active(mail_step(), tool_step(1))
    people = [racing.lead(f"person{number}@acme.example") for number in range(6)]

    def sweep() -> int:
        done = 0
        while number := send_due_steps(now=racing.now, limit=2):
            done += number
        return done

    results = at_once([sweep] * 4)
    while send_due_steps(now=racing.now):
        pass
    assert all(isinstance(result, int) for result in results), results
    assert sent(racing) == (len(people), 0)
    racing.later(days=1)
    at_once([sweep] * 4)
    while send_due_steps(now=racing.now):
        pass
    assert sent(racing) == (len(people), len(people))
    assert Event.objects.filter(kind__name="sequence_completed").count() == len(people)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_control_without_the_lock_sends_twice(racing: Garden, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves that the race above is one: two sweeps that both read the step before either has written it."""
    racing.active(mail_step(), mail_step(5))
    ann = racing.lead()
    gate = threading.Barrier(2)

    def look_only(*, now: Any, limit: int) -> list[int]:
        return [ann.pk]

    def both_have_read(*args: Any, **kwargs: Any) -> Any:
        gate.wait(timeout=20)
        return answer_all(*args, **kwargs)

    monkeypatch.setattr(sending, "lock_contacts", look_only)
    monkeypatch.setattr(sending, "answer_all", both_have_read)

    at_once([lambda: send_due_steps(now=racing.now)] * 2)

    assert Mail.objects.count() == 2, "without the lock the race sends twice"


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_who_dies_between_sending_and_committing_has_sent_nothing(
    racing: Garden, monkeypatch: pytest.MonkeyPatch
) -> None:
    racing.active(mail_step(), tool_step(1))
    ann = racing.lead()

    class Killed(BaseException):
        """As abrupt as a signal."""

    def die(*args: Any, **kwargs: Any) -> None:
        # What is left of a worker that was killed: a connection that is gone, and with it the transaction.
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
        connection.connection.close()
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(sending, "_set_next", die)
        with pytest.raises(Killed):
            send_due_steps(now=racing.now)
    connection.close()
    assert sent(racing) == (0, 0)
    assert racing.steps(ann) == ["waiting"]

    racing.sweep()
    racing.sweep()

    assert sent(racing) == (1, 0)


@pytest.mark.django_db
@pytest.mark.parametrize("channel", ["mail", "tool"])
def test_a_sweep_costs_as_many_queries_for_three_contacts_as_for_one(
    garden: Garden, channel: str, django_assert_num_queries: Any, django_assert_max_num_queries: Any
) -> None:
    garden.active(mail_step(1) if channel == "mail" else tool_step(1), mail_step(1), tool_step(1))
    ann = garden.lead(**FITTING)
    garden.later(days=1)
    with django_assert_max_num_queries(45) as one:
        assert send_due_steps(now=garden.now) == 1
    three = [garden.lead(f"more{number}@acme.example", **FITTING) for number in range(3)]
    Enrolment.objects.filter(contact=ann).delete()
    garden.later(days=1)
    with django_assert_num_queries(len(one)):
        assert send_due_steps(now=garden.now) == 3
    assert [garden.steps(contact)[0] for contact in three] == ["sent"] * 3


@pytest.mark.django_db
def test_steering_costs_as_many_queries_for_three_contacts_as_for_one(
    garden: Garden, django_assert_num_queries: Any, django_assert_max_num_queries: Any
) -> None:
    people = [garden.lead(f"more{number}@acme.example") for number in range(4)]
    garden.active(mail_step(1))
    Standing.objects.update(stage_since=garden.later(minutes=1))
    ids = [contact.pk for contact in people]
    with django_assert_max_num_queries(12) as one:
        steer_sequences(contact_ids=ids[:1], now=garden.now)
    with django_assert_num_queries(len(one)):
        steer_sequences(contact_ids=ids[1:], now=garden.now)
    assert Enrolment.objects.count() == 4
    steer_sequences(contact_ids=ids, now=garden.now)
    assert Enrolment.objects.count() == 4, "it may be repeated"


@pytest.mark.django_db
def test_who_is_under_way_goes_on_with_the_edited_steps_by_their_place(garden: Garden) -> None:
    sequence = garden.active(mail_step(subject="One"), mail_step(2, subject="Two"), mail_step(2, subject="Three"))
    ann = garden.lead()
    garden.sweep()
    one, two, three = plan_of(sequence, steps_of(sequence)).steps
    early = StepPlan(channel="email", subject="Too early for Ann", body="x", in_business_hours=False)
    changed = StepPlan(**{**fields(two), "subject": "Two, edited"})
    save(garden, sequence.pk, early, one, three, changed, version=1)

    for _ in range(4):
        garden.later(days=2)
        garden.sweep()

    # Two was scheduled and keeps its time; Three stands before it now, so it is not sent to her any more.
    assert subjects(ann) == ["One", "Two, edited"]
    assert garden.way(ann).state == "completed"


@pytest.mark.django_db
def test_a_step_that_was_removed_makes_way_for_the_one_in_its_place(garden: Garden) -> None:
    sequence = garden.active(mail_step(subject="One"), mail_step(2, subject="Two"), mail_step(2, subject="Three"))
    ann = garden.lead()
    garden.sweep()
    one, _, three = plan_of(sequence, steps_of(sequence)).steps
    save(garden, sequence.pk, one, three, version=1)
    garden.later(days=2)
    garden.sweep()
    assert garden.steps(ann) == ["sent", "skipped", "waiting"]
    assert StepRun.objects.get(state="skipped").reasons == [
        {"code": "step_removed", "message": "The step was removed."}
    ]
    garden.later(days=2)
    garden.sweep()
    assert subjects(ann) == ["One", "Three"]


@pytest.mark.django_db
def test_a_moved_step_is_never_sent_twice(garden: Garden) -> None:
    sequence = garden.active(mail_step(subject="One"), mail_step(2, subject="Two"))
    ann = garden.lead()
    garden.sweep()
    one, two = plan_of(sequence, steps_of(sequence)).steps
    save(garden, sequence.pk, two, one, version=1)
    garden.later(days=2)
    garden.sweep()
    garden.later(days=2)
    garden.sweep()

    assert subjects(ann) == ["One", "Two"]
    assert garden.way(ann).state == "completed"


def fields(plan: StepPlan) -> dict[str, Any]:
    return {name: getattr(plan, name) for name in StepPlan.__slots__}


def save(garden: Garden, sequence_id: int, *steps: StepPlan, version: int) -> None:
    plan = SequencePlan("Welcome", "lead", "newsletter", "", steps)
    save_sequence(sequence_id=sequence_id, plan=plan, version=version, by=None, now=garden.now)


def subjects(contact: Contact) -> list[str]:
    """What was mailed to a contact, in order."""
    return list(Mail.objects.filter(contact=contact).order_by("pk").values_list("subject", flat=True))


@pytest.mark.django_db
def test_completing_a_sequence_carries_a_lead_over_the_threshold_of_scored_vetted(garden: Garden) -> None:
    """The preset says so: a prospect is handed over at the end of a nurture sequence."""
    definition: Definition = find_definition("scored-vetted")
    publish(definition, garden)
    garden.later(minutes=1)
    garden.active(mail_step(), mail_step(1))
    ann = garden.happens("ann@acme.example", "form_submitted", at=garden.later(minutes=1), traits=FITTING)
    garden.happens("ann@acme.example", "email_clicked", at=garden.now)
    record_consent(
        contact_id=ann.pk, purpose="newsletter", action="granted", proof={"text": "yes"}, at=garden.now, now=garden.now
    )
    garden.settle()
    assert (garden.stage(ann), ann.standing.fit_mp, ann.standing.engagement_mp) == ("lead", 30_000, 23_000)
    garden.sweep()
    assert garden.stage(ann) == "lead", "before its end nothing has changed"
    garden.later(days=1)

    garden.sweep()

    assert garden.stage(ann) == "sales_prospect"
    assert garden.way(ann).state == "completed"
    assert ann.handoffs.get().state == "offered"


def publish(definition: Definition, garden: Garden, *, quiet: bool = False) -> None:
    """Put a definition in force, agreed to by both teams, and judge everybody by it."""
    if definition.document.get("approval"):
        for team, role in ((Team.MARKETING, Role.MARKETER), (Team.SALES, Role.MANAGER)):
            by = garden.person(role, f"Voice of{team.value}")
            approve_definition(definition_id=definition.pk, team=team, by=by, now=garden.now)
    made = publish_definition(definition_id=definition.pk, by=None, now=garden.now, quiet=quiet)
    judge_publication(made)
    garden.settle()


@pytest.mark.django_db
@pytest.mark.parametrize(("quiet", "enrolled"), [(True, 0), (False, 1)])
def test_a_quiet_publication_enrols_nobody(garden: Garden, quiet: bool, enrolled: int) -> None:
    """Under the reaction school strangers on a list are leads at once."""
    garden.happens("stranger@acme.example", "list_imported")
    garden.settle()
    garden.active(mail_step(1))
    garden.later(minutes=1)

    publish(find_definition("reaction"), garden, quiet=quiet)

    assert Standing.objects.get().stage == "lead"
    assert Enrolment.objects.count() == enrolled


@pytest.mark.django_db
def test_a_lost_claim_or_reply_is_found_by_the_sweep(garden: Garden) -> None:
    garden.active(mail_step(30))
    ann = garden.lead()
    garden.happens("ann@acme.example", "chat_started", at=garden.later(hours=1))
    assert reconcile_sequences(now=garden.now + timedelta(minutes=1)) == 1
    assert reconcile_sequences(now=garden.now + timedelta(minutes=1)) == 0
    assert garden.way(ann).reason == "replied"


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_once_a_pause_is_through_nothing_is_sent(racing: Garden) -> None:
    """Sweeps and a pause at once: whatever was sent was sent before the pause was through, and nothing after."""
    sequence = racing.active(mail_step())
    for number in range(8):
        racing.lead(f"person{number}@acme.example")

    def sweep() -> int:
        while send_due_steps(now=racing.now, limit=1):
            pass
        return 0

    def pause() -> int:
        pause_sequence(sequence_id=sequence.pk, by=None, now=racing.now)
        return Mail.objects.count()

    results = at_once([sweep, sweep, pause])

    assert not [result for result in results if isinstance(result, Exception)], results
    assert Mail.objects.count() == results[2]
    activate_sequence(sequence_id=sequence.pk, backfill=False, by=None, now=racing.now)
    sweep()
    assert Mail.objects.count() == 8

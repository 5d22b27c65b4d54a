"""The list's filters, orders, saved views, columns, tags and acts on many contacts, as the services have them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from django.utils import translation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts.enums import JobKind, Role, WorkState
from contacts.models import Contact, ContactTag, Event, Job, SavedView, Standing, Tag
from contacts.selectors.browse import Query, Sort, browse_contacts, count_query, ids_of_view, listing
from contacts.selectors.browse.choices import campaigns, countries, filter_values, source_channels, tag_names
from contacts.selectors.pins import pins_in_force
from contacts.selectors.views import DEFAULT_COLUMNS, columns_of, tags_of, views_of
from contacts.services.acting import order_act, undo_act
from contacts.services.merging import merge_contacts
from contacts.services.parting import undo_merge
from contacts.services.pinning import pin_stage, undo_pins
from contacts.services.saved_views import BadView, change_view, choose_columns, delete_view, save_view
from contacts.services.tags import BadTag, tag_contacts, untag_contacts
from contacts.services.work import CannotRun
from tests.contacts.test_browse import NOW, STAGES, stand
from tests.factories import CompanyFactory, make_contact, make_user

pytestmark = pytest.mark.django_db


def found(address: str) -> set[str]:
    query = Query.read(QueryDict(address).dict())
    assert not query.problems
    return {row.name for row in browse_contacts(query, stages=STAGES, now=NOW).rows}


def test_each_filter_finds_its_contacts_and_they_add_up() -> None:
    acme = CompanyFactory.create(name="Acme", domain="acme.test")
    marketer = make_user(Role.MARKETER)
    ann = stand(
        "Ann", score=20_000, seen_days_ago=1, company=acme, country="Chile", means="yes", authority="no",
        source_motion="lead_generation", source_campaign="Spring", attributes={"plan": "pro", "seats": 5},
    )  # fmt: skip
    bob = stand("Bob", "customer", score=40_000, seen_days_ago=40, country="Peru", attributes={"plan": "free"})
    Standing.objects.filter(pk=bob.pk).update(fit_mp=-5_000)
    Standing.objects.filter(pk=ann.pk).update(fit_mp=30_000)
    tag_contacts(contact_ids=[ann.pk], name="Fair", by=marketer, now=NOW)
    for address in (
        "motion=lead_generation", "campaign=Spring", "fit_from=20", "engagement_to=39.5", "seen_within=7",
        "country=Chile", "company=acme", "company=ACME.test", f"company={acme.pk}", "tag=fair", "attribute=seats",
        "attribute=plan&attribute_value=pro", "attribute=seats&attribute_value=5", "means=yes", "authority=no",
    ):  # fmt: skip
        assert found(address) == {"Ann"}, address
    for address in ("fit_to=-1", "engagement_from=39.5", "unseen_for=30", "country=Peru", "stage=customer"):
        assert found(address) == {"Bob"}, address
    assert found("attribute=plan") == found("") == {"Ann", "Bob"}
    assert found("attribute=plan&country=Peru") == {"Bob"}
    assert found("means=yes&country=Peru") == set()


def test_what_cannot_be_read_is_said_and_not_dropped() -> None:
    query = Query.read({"fit_from": "many", "seen_within": "0", "means": "maybe", "owner": "x", "attribute_value": "5"})
    assert {one.name for one in query.problems} == {"fit_from", "seen_within", "means", "owner", "attribute_value"}
    assert all(one.message for one in query.problems)
    assert query.in_force() == []


ANSWERS = ("yes", "no", "unknown")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    people=st.lists(
        st.tuples(st.sampled_from(STAGES), st.integers(-2, 2), st.sampled_from(ANSWERS), st.sampled_from("aAbß ")),
        max_size=12,
    ),
    sort=st.sampled_from(list(Sort)),
    backwards=st.booleans(),
    means=st.sampled_from(["", "yes", "no"]),
    stage=st.sampled_from(["", "lead"]),
    limit=st.integers(1, 4),
)
def test_paging_through_any_order_and_filter_yields_each_contact_once(
    people: list[tuple[str, int, str, str]],
    sort: Sort,
    backwards: bool,
    means: str,
    stage: str,
    limit: int,
) -> None:
    Standing.objects.all().delete()
    Contact.objects.all().delete()
    expected = set()
    for at_stage, score, answer, name in people:
        contact = stand(name.strip(), at_stage, score=score * 1_000, seen_days_ago=score + 2, means=answer)
        if means in ("", answer) and stage in ("", at_stage):
            expected.add(contact.pk)
    query = Query(stage=stage, means=means, sort=sort, backwards=backwards)
    seen: list[int] = []
    after = ""
    for _ in range(40):
        page = browse_contacts(
            Query(stage=stage, means=means, sort=sort, backwards=backwards, after=after),
            stages=STAGES, limit=limit, now=NOW,
        )  # fmt: skip
        seen += [row.pk for row in page.rows]
        after = page.next
        if not after:
            break
    assert len(seen) == len(set(seen))
    assert set(seen) == expected == set(ids_of_view(query, stages=STAGES, most=99, now=NOW)[0])
    if sort is Sort.SCORE:
        scores = [row.engagement_mp for pk in seen for row in Standing.objects.filter(pk=pk)]
        assert scores == sorted(scores, reverse=not backwards)


def test_a_walk_that_is_cut_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "WALKS", (2, 3))
    for number in range(8):
        stand(f"N{number}", score=number, means="no" if number in (0, 4) else "yes")
    seen, query, pages = [], Query(means="no"), 0
    while True:
        page = browse_contacts(query, stages=STAGES, limit=2, now=NOW)
        seen += [row.name for row in page.rows]
        pages += 1
        if not page.next:
            break
        assert page.looked_at == 3
        query = Query(means="no", after=page.next)
    assert seen == ["N4", "N0"]
    assert pages == 3


@pytest.mark.parametrize(
    "address",
    ["", "sort=name", "means=no", "country=Peru", "tag=x", "company=acme", "sort=newest&motion=lead_generation"],
)
def test_the_number_of_queries_is_fixed(address: str) -> None:
    query = Query.read(QueryDict(address).dict())

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            browse_contacts(query, stages=STAGES, now=NOW)
            tags_of([1, 2])
        return len(captured)

    stand("A", means="no", country="Peru", source_motion="lead_generation")
    one = queries()
    for name, stage in product("BC", STAGES[:1]):
        stand(name, stage, means="no", country="Peru", source_motion="lead_generation")
    assert queries() == one
    assert sum(item.count for item in count_query(Query(means="no"), stages=STAGES, now=NOW)) == 3


# Tags


def test_a_tag_is_put_on_and_taken_off_and_is_gone_with_its_last_bearer() -> None:
    by, ann, bob = make_user(Role.MARKETER), stand("Ann"), stand("Bob")
    assert tag_contacts(contact_ids=[ann.pk, 7], name="  Trade  fair ", by=by, now=NOW) == {ann.pk}
    assert tag_contacts(contact_ids=[ann.pk, bob.pk], name="trade FAIR", by=by, now=NOW) == {bob.pk}
    assert tags_of([ann.pk, bob.pk]) == {ann.pk: ["Trade fair"], bob.pk: ["Trade fair"]}
    assert untag_contacts(contact_ids=[ann.pk, 7], name="trade fair", by=by) == {ann.pk}
    assert untag_contacts(contact_ids=[bob.pk], name="trade fair", by=by) == {bob.pk}
    assert not Tag.objects.exists()
    for bad in ("", "a,b", "x" * 51):
        with pytest.raises(BadTag):
            tag_contacts(contact_ids=[ann.pk], name=bad, by=by, now=NOW)
    with pytest.raises(PermissionDenied):
        tag_contacts(contact_ids=[ann.pk], name="x", by=make_user(Role.REP), now=NOW)


def test_tags_go_along_with_a_merge_and_back_when_it_is_undone() -> None:
    by = make_user(Role.MARKETER)
    ann, bob = make_contact({"kind": "form_submitted"}), make_contact({"kind": "form_submitted"})
    tag_contacts(contact_ids=[ann.pk, bob.pk], name="both", by=by, now=NOW)
    tag_contacts(contact_ids=[bob.pk], name="his", by=by, now=NOW)
    now = datetime.now(UTC)
    merge = merge_contacts(winner_id=ann.pk, loser_id=bob.pk, by=by, source=None, reason="", now=now)
    assert tags_of([ann.pk, bob.pk]) == {ann.pk: ["both", "his"]}
    tag_contacts(contact_ids=[ann.pk], name="later", by=by, now=NOW)
    undo_merge(merge_id=merge.pk, by=by, now=now + timedelta(seconds=1))
    assert tags_of([ann.pk, bob.pk]) == {ann.pk: ["both", "later"], bob.pk: ["both", "his"]}


# Saved views and columns


def test_views_are_ones_own_until_they_are_shared() -> None:
    mira, rita = make_user(Role.MARKETER), make_user(Role.REP)
    view = save_view(by=mira, name="Chile", query={"country": "Chile", "after": "1_2", "odd": "x"})
    assert view.query == {"country": "Chile"}
    assert [one.name for one in views_of(mira)] == ["Chile"]
    assert views_of(rita) == []
    with pytest.raises(SavedView.DoesNotExist):
        change_view(view_id=view.pk, by=rita, shared=True)
    with pytest.raises(SavedView.DoesNotExist):
        delete_view(view_id=view.pk, by=rita)
    change_view(view_id=view.pk, by=mira, shared=True, name="All of Chile")
    assert [one.name for one in views_of(rita)] == ["All of Chile"]
    with pytest.raises(BadView):
        save_view(by=mira, name="ALL of chile", query={})
    save_view(by=rita, name="all of Chile", query={})
    delete_view(view_id=view.pk, by=mira)
    assert views_of(mira) == []


def test_columns_are_remembered_per_person() -> None:
    mira, rita = make_user(Role.MARKETER), make_user(Role.REP)
    assert choose_columns(by=mira, columns=["tags", "fit", "nonsense"]) == ["fit", "tags"]
    assert columns_of(mira) == ["fit", "tags"]
    assert columns_of(rita) == list(DEFAULT_COLUMNS)


# Acts


def act(name: str, contacts: list[Contact], by: User, **options: Any) -> Job:
    return order_act(act=name, contact_ids=[one.pk for one in contacts], options=options, by=by)


def test_a_few_are_acted_on_at_once_and_undoing_takes_back_exactly_that() -> None:
    by, ann, bob = make_user(Role.MARKETER), stand("Ann"), stand("Bob")
    tag_contacts(contact_ids=[ann.pk], name="fair", by=by, now=NOW)
    job = act("tag", [ann, bob], by, tag="fair")
    assert (job.state, job.result) == (WorkState.FINISHED, {"done": 1, "not_unchanged": 1})
    undo_act(job=job, by=by)
    assert tags_of([ann.pk, bob.pk]) == {ann.pk: ["fair"]}
    with pytest.raises(CannotRun):
        undo_act(job=job, by=by)


def test_why_an_act_failed_is_kept_for_readers_of_every_language() -> None:
    by, ann = make_user(Role.MARKETER), stand("Ann")
    with translation.override("de"):
        job = act("pin", [ann], by, stage=STAGES[0], note="", until="2020-01-01T00:00:00Z")
    assert (job.state, job.error) == (WorkState.FAILED, "The pin would have run out before it was set.")


def test_many_wait_for_the_worker_and_a_rep_may_not() -> None:
    people = [stand(f"N{number}") for number in range(51)]
    job = act("tag", people, make_user(Role.MARKETER), tag="many")
    assert job.state == WorkState.QUEUED
    assert job.kind == JobKind.ACT
    assert not ContactTag.objects.exists()
    with pytest.raises(PermissionDenied):
        act("tag", people[:1], make_user(Role.REP), tag="x")
    with pytest.raises(CannotRun):
        act("tag", [], make_user(Role.MARKETER), tag="x")


def test_pins_are_set_and_taken_back_and_the_note_is_not_kept_with_the_job() -> None:
    by = make_user(Role.MARKETER)
    people = [make_contact({"kind": "form_submitted"}), make_contact({"kind": "form_submitted"})]
    until = (datetime.now(UTC) + timedelta(days=9)).isoformat()
    job = act("pin", people, by, stage="lead", until=until, note="Ann said so")
    ids = [one.pk for one in people]
    assert {pin.stage for pin in pins_in_force(ids, at=datetime.now(UTC)).values()} == {"lead"}
    assert "note" not in job.parameters["options"]
    undo_act(job=job, by=by)
    assert pins_in_force(ids, at=datetime.now(UTC) + timedelta(seconds=1)) == {}


def test_undoing_pins_brings_back_those_that_they_replaced() -> None:
    by = make_user(Role.MARKETER)
    ann, bob, cid = (make_contact({"kind": "form_submitted"}) for _ in range(3))
    ids = [ann.pk, bob.pk, cid.pk]
    until = datetime.now(UTC) + timedelta(days=9)
    pin_stage(contact_ids=[ann.pk], stage="customer", note="Paid in cash.", until=until, by=by, now=datetime.now(UTC))
    job = act("pin", [ann, bob, cid], by, stage="lead", until=until.isoformat(), note="all")
    pin_stage(contact_ids=[cid.pk], stage="audience", note="No!", until=until, by=by, now=datetime.now(UTC))
    undoing = undo_act(job=job, by=by)
    held = pins_in_force(ids, at=datetime.now(UTC))
    assert {key: (pin.stage, pin.note, pin.until) for key, pin in held.items()} == {
        ann.pk: ("customer", "Paid in cash.", until), cid.pk: ("audience", "No!", until),
    }  # fmt: skip
    assert undoing.result == {"done": 2, "not_changed_since": 1}
    taken = act("unpin", [ann, bob, cid], by)
    assert pins_in_force(ids, at=datetime.now(UTC)) == {}
    undo_act(job=taken, by=by)
    assert {key: pin.stage for key, pin in pins_in_force(ids, at=datetime.now(UTC)).items()} == {
        ann.pk: "customer", cid.pk: "audience",
    }  # fmt: skip


def test_undoing_pins_takes_as_many_statements_for_one_as_for_three() -> None:
    by, until = make_user(Role.MARKETER), datetime.now(UTC) + timedelta(days=9)
    people = [make_contact({"kind": "form_submitted"}) for _ in range(4)]

    def queries(contacts: list[Contact]) -> int:
        ids = [one.pk for one in contacts]
        facts = pin_stage(contact_ids=ids, stage="lead", note="all", until=until, by=by, now=datetime.now(UTC))
        with CaptureQueriesContext(connection) as captured:
            undo_pins(contact_ids=ids, event_ids=list(facts.values()), by=by, now=datetime.now(UTC))
        return len(captured)

    queries(people[:1])
    assert queries(people[:1]) == queries(people[1:])


def test_events_are_retracted_by_kind_and_time_and_restored() -> None:
    by = make_user(Role.MARKETER)
    ann = make_contact({"kind": "form_submitted"}, {"kind": "page_viewed"})
    job = act("retract", [ann], by, kind="page_viewed", since="2000-01-01T00:00:00+00:00", reason="a test")
    gone = Event.objects.filter(retracted_at__isnull=False)
    assert {event.kind.name for event in gone} == {"page_viewed"}
    assert job.result == {"done": 1, "events": 1}
    undo_act(job=job, by=by)
    assert not gone.all().exists()


@pytest.mark.parametrize(
    ("values", "index"),
    [(source_channels, "contact_source_channel"), (countries, "contact_country"), (campaigns, "contact_campaign")],
)
def test_values_to_choose_from_are_read_from_their_index(values: Callable[[], list[str]], index: str) -> None:
    """A scan of the table for each value is a page of many seconds where contacts are many."""
    stand("Ann", country="Chile", source_channel="web", source_campaign="Spring")
    stand("Bob", country="Peru", source_channel="fair", source_campaign="Autumn")
    with CaptureQueriesContext(connection) as captured:
        assert len(values()) == 2
    with connection.cursor() as cursor:
        # A table of two is scanned whatever its indexes are; what no index can answer is scanned even so.
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {captured.captured_queries[-1]['sql']}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    steps = [line for line in plan.splitlines() if "contacts_contact" in line]
    assert len(steps) == 2
    assert all(f"using {index}" in step for step in steps), plan


def test_all_values_at_once_are_those_of_each() -> None:
    ann = stand("Ann", country="Chile", source_channel="web", source_campaign="Spring")
    stand("Bob", country="Peru", source_channel="fair")
    tag_contacts(contact_ids=[ann.pk], name="Zoo", by=make_user(Role.MARKETER), now=NOW)
    tag_contacts(contact_ids=[ann.pk], name="ape", by=make_user(Role.MARKETER), now=NOW)
    with CaptureQueriesContext(connection) as captured:
        values = filter_values()
    assert len(captured) == 1
    assert list(values.sources) == source_channels() == ["fair", "web"]
    assert list(values.campaigns) == campaigns() == ["Spring"]
    assert list(values.countries) == countries() == ["Chile", "Peru"]
    assert list(values.tags) == tag_names() == ["ape", "Zoo"]


def test_a_full_stage_is_not_counted_again_and_one_that_is_not_full_is() -> None:
    """Thousands are many to count for a page; made here by a cap that is remembered from few on."""
    stand("Ann", "lead")
    stand("Bob", "lead")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "_REMEMBERED_FROM", 1)
        patch.setattr(listing, "_over", {})
        assert [(one.count, one.more) for one in listing.count_stages(stages=["audience", "lead"], cap=1)] == [
            (0, False),
            (1, True),
        ]
        stand("Cid", "audience")
        with CaptureQueriesContext(connection) as captured:
            again = listing.count_stages(stages=["audience", "lead"], cap=1)
        assert [(one.key, one.count, one.more) for one in again] == [("audience", 1, False), ("lead", 1, True)]
        assert "lead" not in captured.captured_queries[0]["sql"]
    assert [one.count for one in listing.count_stages(stages=["audience", "lead"], cap=5)] == [1, 2]

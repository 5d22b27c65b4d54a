"""Two contacts become one: who may be merged by whom, what goes along, whom messages name afterwards."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import ForeignObjectRel
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from contacts.enums import JobKind, MergeDecision, Role, SourceKind
from contacts.ingest.segment import read_body
from contacts.models import Contact, Due, Event, Identity, Job, Mail, Merge, MergeSuggestion, Source
from contacts.selectors.merges import members_of, merges_of_contact, open_suggestions, roots_of, suggested_pair
from contacts.services.merge_verification import verify_merges
from contacts.services.merging import dismiss_suggestion, merge_contacts, merge_left_behind, merge_suggested
from contacts.services.parting import undo_merge
from contacts.services.record import record_events
from contacts.services.uniting import REPOINTED, CannotMerge
from tests.factories import SourceFactory, make_contact, make_event, make_user, record

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)

# Every reference to a contact, and what a merge does with it. One that is not here was forgotten.
TREATED = {
    **{f"{table}.contact_id": "re-pointed" for table in ("contacts_event", *REPOINTED)},
    "contacts_contact.merged_into_id": "says whom it became",
    "contacts_due.contact_id": "the winner is due for all of it",
    "contacts_standing.contact_id": "deleted; the winner is judged for both",
    "contacts_merge.winner_id": "history",
    "contacts_merge.loser_id": "history",
    "contacts_mergesuggestion.contact_id": "decided, or read as whom they became",
    "contacts_mergesuggestion.other_id": "decided, or read as whom they became",
    "contacts_job.contact_id": "history: whom the order named",
    "contacts_erasedname.husk_id": "a husk is nobody to merge",
    "scoring_transition.contact_id": "superseded; the winner's are computed from all facts",
    "funnel_handoff.contact_id": "re-pointed",
    "funnel_enrolment.contact_id": "re-pointed; of two in one sequence one stops",
}


def merge(winner: Contact | int, loser: Contact | int, **how: Any) -> Merge:
    ids = [one if isinstance(one, int) else one.pk for one in (winner, loser)]
    given: dict[str, Any] = {"by": None, "source": None, "reason": "", "now": NOW, **how}
    return merge_contacts(winner_id=ids[0], loser_id=ids[1], **given)


def contact_of(**name: str) -> Contact:
    ((kind, value),) = name.items()
    return Identity.objects.select_related("contact").get(kind=kind, value=value).contact


def calls(*payloads: dict[str, Any], source: Source) -> None:
    """Record messages in Segment's format, each call a batch of its own."""
    for payload in payloads:
        together(payload, source=source)


def together(*payloads: dict[str, Any], source: Source) -> None:
    """Record messages in Segment's format in one batch."""
    document = {"batch": [{"timestamp": NOW.isoformat(), **payload} for payload in payloads]}
    batch = read_body(document, call="", received_at=NOW, kind_names={})
    assert not batch.rejected, batch.rejected
    assert not record_events(source=source, events=batch.events, received_at=NOW).rejected


def test_every_reference_to_a_contact_is_treated() -> None:
    found = set()
    for relation in Contact._meta.get_fields(include_hidden=True):
        if isinstance(relation, ForeignObjectRel):
            found.add(f"{relation.related_model._meta.db_table}.{relation.field.column}")
    assert found == set(TREATED)


def test_everything_known_of_the_loser_is_known_of_the_winner_and_goes_back() -> None:
    ann = make_contact({"kind": "demo_requested"}, email="ann@acme.test", first_name="Ann", plan="gold")
    double = make_contact({"kind": "form_submitted"}, email="a@b.test", last_name="Bee", means="no")
    mail = Mail.objects.create(contact=double, subject="Please confirm", body="", due_at=NOW)
    kept = [field.attname for field in Contact._meta.concrete_fields if field.name != "updated_at"]
    before = list(Contact.objects.order_by("id").values(*kept))
    made = merge(ann, double)
    ann.refresh_from_db()
    assert (ann.first_name, ann.last_name, ann.means, ann.attributes) == ("Ann", "Bee", "no", {"plan": "gold"})
    assert "bee" in ann.search_text
    assert ann.events.count() == 2
    assert set(ann.identities.values_list("value", flat=True)) == {"ann@acme.test", "a@b.test"}
    mail.refresh_from_db()
    assert mail.contact == ann
    double.refresh_from_db()
    assert (double.merged_into, double.present) == (ann, False)
    assert roots_of([double.pk, ann.pk, 10**9]) == {double.pk: ann.pk, ann.pk: ann.pk}
    assert members_of([ann.pk]) == [ann.pk, double.pk]
    assert merges_of_contact(ann.pk) == [made]
    undo_merge(merge_id=made.pk, by=None, now=NOW)
    mail.refresh_from_db()
    assert (mail.contact, mail.origin_contact_id) == (double, None)
    assert list(Contact.objects.order_by("id").values(*kept)) == before


def test_the_older_original_source_is_kept_and_each_gets_its_own_back() -> None:
    early, late = NOW - 9 * DAY, NOW - 2 * DAY
    web, fair = SourceFactory.create(channel="web"), SourceFactory.create(channel="fair")
    names: tuple[dict[str, str], ...] = ({"external_id": "late"}, {"external_id": "early"})
    record(make_event(contact=names[0], occurred_at=late.isoformat()), source=web)
    record(make_event(contact=names[1], occurred_at=early.isoformat()), source=fair)
    winner, loser = contact_of(external_id="late"), contact_of(external_id="early")
    made = merge(winner, loser)
    winner.refresh_from_db()
    assert (winner.source_channel, winner.source_at) == ("fair", early)
    # Evidence of a still earlier beginning of the winner's own arrives, which is not the earliest of both.
    record(make_event(contact=names[0], occurred_at=(late - DAY).isoformat()), source=web)
    winner.refresh_from_db()
    assert winner.source_at == early
    # And one of the loser's that is.
    record(make_event(contact=names[1], occurred_at=(early - DAY).isoformat()), source=fair)
    winner.refresh_from_db()
    assert winner.source_at == early - DAY
    undo_merge(merge_id=made.pk, by=None, now=NOW)
    winner.refresh_from_db()
    loser.refresh_from_db()
    assert (winner.source_channel, winner.source_at) == ("web", late - DAY)
    assert (loser.source_channel, loser.source_at) == ("fair", early - DAY)


def test_merges_may_be_nested_and_undone_from_the_inside() -> None:
    ann, bob, cid = (make_contact(email=f"{name}@acme.test", first_name=name) for name in ("ann", "bob", "cid"))
    inner, outer = merge(bob, cid), merge(ann, bob)
    record(make_event(contact={"email": "cid@acme.test"}, traits={"job_title": "CTO"}))
    record(make_event(contact={"id": str(cid.pk)}))
    assert Event.objects.filter(contact=ann).count() == 5
    undo_merge(merge_id=inner.pk, by=None, now=NOW)
    assert Event.objects.filter(contact=cid, origin_contact_id=cid.pk).count() == 3
    assert Event.objects.filter(contact=ann).count() == 2
    cid.refresh_from_db()
    assert (cid.first_name, cid.job_title, cid.present) == ("cid", "CTO", True)
    ann.refresh_from_db()
    assert ann.job_title == ""
    undo_merge(merge_id=outer.pk, by=None, now=NOW)
    assert set(Event.objects.values_list("contact", "origin_contact_id")) == {
        (one.pk, one.pk) for one in (ann, bob, cid)
    }
    assert list(verify_merges()) == []


def test_a_name_that_joins_goes_back_with_the_name_it_came_by() -> None:
    ann, double = make_contact(email="ann@acme.test"), make_contact(email="double@acme.test")
    made = merge(ann, double)
    record(make_event(contact={"email": "double@acme.test", "anonymous_id": "phone"}))
    record(make_event(contact={"anonymous_id": "phone"}))
    record(make_event(contact={"id": str(double.pk), "external_id": "u7"}))
    record(make_event(contact={"external_id": "u7", "anonymous_id": "tablet"}))
    assert contact_of(anonymous_id="tablet") == ann
    undo_merge(merge_id=made.pk, by=None, now=NOW)
    for name in ({"anonymous_id": "phone"}, {"external_id": "u7"}, {"anonymous_id": "tablet"}):
        assert contact_of(**name) == double
    assert Event.objects.filter(contact=double).count() == 5
    assert not Identity.objects.exclude(origin_contact_id=None).exists()


def test_a_merged_contact_is_found_by_nothing_but_its_id() -> None:
    ann, double = make_contact(email="ann@acme.test"), make_contact(email="double@acme.test", first_name="Hidden")
    merge(ann, double)
    refused = record(make_event(contact={"id": "999999999"})).rejected
    assert [row.code for row in refused] == ["unknown_contact"]
    receipt = record(make_event(contact={"id": str(double.pk)}))
    assert receipt.contact_ids == {0: ann.pk}


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("send", [calls, together])
def test_alias_chains_come_out_as_one_contact_in_any_order(order: tuple[int, ...], send: Any) -> None:
    source = SourceFactory.create()
    messages: list[dict[str, Any]] = [
        {"type": "track", "event": "Page", "anonymousId": "a", "messageId": "1"},
        {"type": "alias", "previousId": "a", "userId": "b", "messageId": "2"},
        {"type": "alias", "previousId": "b", "userId": "c", "messageId": "3"},
    ]
    send(*(messages[place] for place in order), source=source)
    (contact,) = Contact.objects.filter(present=True)
    assert contact_of(external_id="b") == contact_of(external_id="c") == contact_of(anonymous_id="a") == contact
    calls({"type": "track", "event": "Page", "userId": "b", "messageId": "4"}, source=source)
    assert contact.events.count() == 2
    assert list(verify_merges()) == []


def test_several_addresses_and_ids_name_one_contact() -> None:
    source = SourceFactory.create()
    record(make_event(contact={"external_id": "u1", "email": "work@acme.test"}), source=source)
    record(make_event(contact={"external_id": "u1", "email": "home@mail.test"}), source=source)
    record(make_event(contact={"external_id": "u2", "id": str(contact_of(external_id="u1").pk)}), source=source)
    names = [{"email": "work@acme.test"}, {"email": "home@mail.test"}, {"external_id": "u1"}, {"external_id": "u2"}]
    receipt = record(*(make_event(contact=name) for name in names), source=source)
    assert len(set(receipt.contact_ids.values())) == 1


def test_identifying_a_known_visitor_merges_without_asking() -> None:
    source = SourceFactory.create()
    record(make_event(contact={"external_id": "u1", "email": "ann@acme.test"}), source=source)
    ann = contact_of(external_id="u1")
    record(make_event("page_viewed", contact={"anonymous_id": "browser"}), source=source)
    receipt = record(make_event(contact={"external_id": "u1", "anonymous_id": "browser"}), source=source)
    assert receipt.contact_ids == {0: ann.pk}
    assert contact_of(anonymous_id="browser") == ann
    made = Merge.objects.get()
    assert (made.winner, made.source, made.by) == (ann, source, None)
    assert made.reason.startswith("Named together by message")
    assert MergeSuggestion.objects.get().decision == MergeDecision.MERGED
    # Who parted them knows better than the same message once more.
    undo_merge(merge_id=made.pk, by=make_user(), now=NOW)
    record(make_event(contact={"external_id": "u1", "anonymous_id": "browser"}), source=source)
    assert Contact.objects.filter(present=True).count() == 2
    assert MergeSuggestion.objects.get().decision == MergeDecision.DISMISSED


def test_of_two_anonymous_the_older_stays_and_the_receipt_knows() -> None:
    source = SourceFactory.create()
    record(make_event("page_viewed", contact={"anonymous_id": "old"}), source=source)
    record(make_event("page_viewed", contact={"anonymous_id": "new"}), source=source)
    old = contact_of(anonymous_id="old")
    calls({"type": "alias", "previousId": "old", "anonymousId": "new", "messageId": "1"}, source=source)
    assert contact_of(anonymous_id="new") == old


def test_two_known_people_wait_for_a_person() -> None:
    source = SourceFactory.create()
    one, other = make_contact(email="one@a.test"), make_contact(email="other@b.test")
    record(make_event(contact={"external_id": "u1", "email": "one@a.test"}), source=source)
    receipt = record(make_event(contact={"external_id": "u1", "email": "other@b.test"}), source=source)
    assert [warning.code for warning in receipt.warnings] == ["merge_pending"]
    assert not Merge.objects.exists()
    with pytest.raises(CannotMerge) as refused:
        merge(one, other, source=source)
    assert refused.value.code == "needs_a_person"
    (pair,) = open_suggestions().pairs
    assert {pair.contact, pair.other} == {one, other}
    assert suggested_pair(pair.suggestion.pk) == pair
    with pytest.raises(PermissionDenied):
        merge(one, other, by=make_user(Role.REP))
    marketer = make_user(Role.MARKETER)
    made = merge(one, other, by=marketer)
    suggestion = MergeSuggestion.objects.get()
    assert (suggestion.decision, suggestion.decided_by, suggestion.merge) == (MergeDecision.MERGED, marketer, made)
    assert open_suggestions().pairs == ()
    with pytest.raises(PermissionDenied):
        undo_merge(merge_id=made.pk, by=make_user(Role.REP), now=NOW)
    with pytest.raises(PermissionDenied):
        dismiss_suggestion(suggestion_id=suggestion.pk, by=make_user(Role.REP), now=NOW)


def visit(source: Source, number: int) -> None:
    """Somebody known comes with a browser that was seen before."""
    record(make_event(contact={"external_id": f"u{number}"}), source=source)
    record(make_event("page_viewed", contact={"anonymous_id": f"browser {number}"}), source=source)
    both = {"external_id": f"u{number}", "anonymous_id": f"browser {number}"}
    record(make_event(contact=both), source=source, received_at=NOW)


@override_settings(MERGES_A_DAY=2)
def test_a_source_merges_only_so_many_a_day() -> None:
    eager, other = SourceFactory.create(), SourceFactory.create()
    for number in range(4):
        visit(eager, number)
    assert Merge.objects.filter(source=eager).count() == 2
    assert len(open_suggestions().pairs) == 2
    visit(other, 4)
    assert Merge.objects.filter(source=other).count() == 1
    waiting = open_suggestions().pairs[0]
    with pytest.raises(CannotMerge) as refused:
        merge(waiting.contact, waiting.other, source=eager)
    assert refused.value.code == "too_many_merges"
    pair = (waiting.suggestion.contact_id, waiting.suggestion.other_id)
    assert merge_suggested(source=eager, pairs=[pair], now=NOW) == []
    # Another day, and for a person on any.
    assert len(merge_suggested(source=eager, pairs=[pair], now=NOW + DAY)) == 1
    last = open_suggestions().pairs[0]
    merge(last.contact, last.other, by=make_user())


def test_what_a_crash_left_is_merged_by_the_sweep() -> None:
    source = SourceFactory.create()
    with override_settings(MERGES_A_DAY=0):
        visit(source, 1)
    assert not Merge.objects.exists()
    created = MergeSuggestion.objects.get().created_at
    assert merge_left_behind(now=created + timedelta(seconds=1)) == 0, "somebody is at it"
    assert merge_left_behind(now=created + timedelta(days=2)) == 0, "a person has been asked for long"
    assert merge_left_behind(now=created + timedelta(seconds=30)) == 1
    assert merge_left_behind(now=created + timedelta(seconds=30)) == 0


def test_a_dismissed_pair_is_not_merged() -> None:
    source = SourceFactory.create()
    with override_settings(MERGES_A_DAY=0):
        visit(source, 1)
    suggestion = MergeSuggestion.objects.get()
    assert dismiss_suggestion(suggestion_id=suggestion.pk, by=make_user(), now=NOW)
    assert not dismiss_suggestion(suggestion_id=suggestion.pk, by=None, now=NOW)
    pair = (suggestion.contact_id, suggestion.other_id)
    assert merge_suggested(source=source, pairs=[pair], now=NOW) == []


def test_a_dry_run_merges_nobody() -> None:
    source = SourceFactory.create()
    record(make_event(contact={"external_id": "u1"}), source=source)
    record(make_event("page_viewed", contact={"anonymous_id": "browser"}), source=source)
    both = {"external_id": "u1", "anonymous_id": "browser"}
    record(make_event(contact=both), source=source, dry_run=True)
    record(make_event(contact=both), make_event("handoff_claimed"), source=source, strict=True)
    assert not Merge.objects.exists()
    assert not MergeSuggestion.objects.exists()


def test_a_public_source_merges_a_visitor_but_never_two_known_people() -> None:
    public = SourceFactory.create(kind=SourceKind.PUBLIC)
    record(make_event(contact={"external_id": "u1"}))
    record(make_event("page_viewed", contact={"anonymous_id": "browser"}), source=public)
    record(make_event("page_viewed", contact={"external_id": "u1", "anonymous_id": "browser"}), source=public)
    assert Merge.objects.get().source == public


def test_suggestions_are_paged_best_first_and_cost_the_same() -> None:
    pairs = [(make_contact(), make_contact()) for _ in range(4)]
    for score, (one, other) in zip((None, 70, 95, 70), pairs, strict=True):
        MergeSuggestion.objects.create(contact=one, other=other, reason="", score=score)
    first = open_suggestions(limit=3)
    with CaptureQueriesContext(connection) as three:
        open_suggestions(limit=3)
    with CaptureQueriesContext(connection) as one_query:
        open_suggestions(limit=1)
    assert len(three) == len(one_query)
    assert [pair.suggestion.score for pair in first.pairs] == [None, 95, 70]
    second = open_suggestions(after=first.next, limit=3)
    assert [pair.contact for pair in second.pairs] == [pairs[3][0]]
    assert second.next == ""
    assert [pair.suggestion.score for pair in open_suggestions(after=open_suggestions(limit=1).next).pairs] == [
        95,
        70,
        70,
    ]
    for odd in ("x", "_", "1_", "9999999_1", "-1_3", "1_1_1"):
        assert len(open_suggestions(after=odd).pairs) in {2, 4}


def test_a_merge_is_judged_from_its_first_fact_on() -> None:
    early = NOW - 30 * DAY
    record(make_event(contact={"external_id": "loser"}, occurred_at=early.isoformat()))
    winner, loser = make_contact(), contact_of(external_id="loser")
    Due.objects.all().delete()
    Job.objects.create(kind=JobKind.EXPORT_PERSON, contact=loser)
    made = merge(winner, loser)
    assert list(Due.objects.values_list("contact", "occurred_at")) == [(winner.pk, early)]
    undo_merge(merge_id=made.pk, by=None, now=NOW)
    assert set(Due.objects.values_list("contact", flat=True)) == {winner.pk, loser.pk}

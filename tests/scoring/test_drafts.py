"""Drafts are edited in place and never unsound, published versions never change, teams agree to what they saw."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, InternalError, connection, transaction

from scoring.definition import DefinitionError
from scoring.enums import RunKind, Team
from scoring.models import Approval, Definition, Publication, Run
from scoring.selectors import published_definition
from scoring.services.approvals import (
    NotPublishable,
    approve_definition,
    current_approvals,
    missing_approvals,
    withdraw_approval,
)
from scoring.services.drafts import (
    DraftConflict,
    NotADraft,
    change_draft,
    copy_to_draft,
    discard_draft,
    store_draft,
)
from scoring.services.publish import publish_definition
from scoring.services.runs import start_run
from tests.factories import make_user

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
Change = Callable[[dict[str, Any]], None]


def default_data() -> dict[str, Any]:
    """The document of the shipped definition, to change at will."""
    data: dict[str, Any] = Definition.objects.get(key="default", version=1).document
    return data


def vetted() -> Definition:
    """A shipped draft that asks both teams."""
    return Definition.objects.get(key="scored-vetted")


def test_a_draft_is_changed_in_place_and_knows_who_did_it() -> None:
    ann, bob = make_user(), make_user(first_name="Bob", last_name="Moss")
    draft = store_draft(document=default_data(), by=ann)
    assert (draft.version, draft.revision, draft.edited_by) == (2, 1, ann)

    changed = change_draft(
        definition_id=draft.pk, document={**default_data(), "name": "Ours"}, by=bob, revision=1, now=NOW
    )

    assert (changed.pk, changed.version, changed.revision) == (draft.pk, 2, 2)
    assert (changed.name, changed.document["name"]) == ("Ours", "Ours")
    assert (changed.edited_by, changed.edited_at, changed.created_by) == (bob, NOW, ann)


def test_nobody_overwrites_what_they_have_not_seen() -> None:
    ann, bob = make_user(), make_user(first_name="Bob", last_name="Moss")
    draft = store_draft(document=default_data(), by=ann)
    change_draft(definition_id=draft.pk, document={**default_data(), "name": "Bob's"}, by=bob, revision=1, now=NOW)

    with pytest.raises(DraftConflict) as refused:
        change_draft(definition_id=draft.pk, document={**default_data(), "name": "Ann's"}, by=ann, revision=1, now=NOW)

    assert str(refused.value).startswith(
        "Bob Moss saved this draft on 2 Mar 2026, 12:00 UTC, after you opened it (it was revision 1, now it is 2)."
    )
    assert Definition.objects.get(pk=draft.pk).name == "Bob's"
    seen = change_draft(
        definition_id=draft.pk, document={**default_data(), "name": "Ann's"}, by=ann, revision=2, now=NOW
    )
    assert (seen.name, seen.revision) == ("Ann's", 3)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_of_two_who_save_at_once_one_is_told() -> None:
    draft = store_draft(document=default_data(), by=None)
    outcomes: list[str] = []

    def save(name: str) -> None:
        try:
            change_draft(
                definition_id=draft.pk, document={**default_data(), "name": name}, by=None, revision=1, now=NOW
            )
            outcomes.append(name)
        except DraftConflict:
            outcomes.append("told")
        finally:
            connection.close()

    threads = [threading.Thread(target=save, args=(f"name {number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    saved = Definition.objects.get(pk=draft.pk)
    assert sorted(outcomes) == sorted(["told", "told", "told", saved.name])
    assert saved.revision == 2


def test_saving_what_is_there_already_changes_nothing() -> None:
    draft = store_draft(document=default_data(), by=None)
    assert change_draft(definition_id=draft.pk, document=default_data(), by=None, revision=1, now=NOW).revision == 1


def test_a_published_version_is_no_draft() -> None:
    row, document = published_definition()
    with pytest.raises(NotADraft, match="default v1 is published, and a published version never changes"):
        change_draft(definition_id=row.pk, document=document, by=None, revision=None, now=NOW)
    with pytest.raises(NotADraft, match="make a new draft of it"):
        discard_draft(definition_id=row.pk, by=None)

    copy = copy_to_draft(definition_id=row.pk, by=None)

    assert (copy.key, copy.version, copy.state, copy.revision) == ("default", 2, "draft", 1)
    assert copy.document == row.document
    assert copy_to_draft(definition_id=copy.pk, by=None).version == 3


def test_another_key_is_another_definition() -> None:
    draft = store_draft(document=default_data(), by=None)
    with pytest.raises(DefinitionError, match="key must stay 'default'"):
        change_draft(
            definition_id=draft.pk, document={**default_data(), "key": "mine"}, by=None, revision=None, now=NOW
        )
    assert store_draft(document={**default_data(), "key": "mine"}, by=None).version == 1


def test_a_discarded_draft_is_gone_with_its_trials() -> None:
    draft = store_draft(document=default_data(), by=None)
    start_run(kind=RunKind.WHAT_IF, definition=draft, by=None)
    discard_draft(definition_id=draft.pk, by=None)
    assert not Definition.objects.filter(pk=draft.pk).exists()
    assert not Run.objects.exists()


BREAKS: dict[str, Change] = {
    "a kind that nobody knows": lambda d: d["signals"][0]["match"].update(kinds=["demo_wished"]),
    "a group that is not there": lambda d: d["signals"][0].update(group="nowhere"),
    "a negative half-life": lambda d: d["signals"][0].update(half_life_days=-1),
    "no stages": lambda d: d.update(stages=[]),
    "a stage on attributes alone": lambda d: d["stages"][1].update(enter={"fit": {"at_least": 20}}),
    "a keep that enter does not imply": lambda d: d["stages"][-1].update(keep={"engagement": {"at_least": 999}}),
    "a field of no language": lambda d: d.update(colour="green"),
    "a source that nobody knows": lambda d: d["signals"][0]["match"].update(sources=["no such source"]),
}


@pytest.mark.parametrize("name", BREAKS)
def test_no_service_stores_what_is_not_sound(name: str) -> None:
    draft = store_draft(document=default_data(), by=None)
    broken = default_data()
    BREAKS[name](broken)
    before = list(Definition.objects.order_by("pk").values())

    with pytest.raises(DefinitionError):
        store_draft(document=broken, by=None)
    with pytest.raises(DefinitionError):
        change_draft(definition_id=draft.pk, document=broken, by=None, revision=None, now=NOW)

    assert list(Definition.objects.order_by("pk").values()) == before


def test_the_database_itself_keeps_what_was_published() -> None:
    row, _ = published_definition()
    publication = Publication.objects.get()
    for change in ({"document": {**row.document, "name": "x"}}, {"name": "x"}, {"version": 9}, {"state": "draft"}):
        with pytest.raises((IntegrityError, InternalError), match="make a new draft"), transaction.atomic():
            Definition.objects.filter(pk=row.pk).update(**change)
    with (
        pytest.raises((IntegrityError, InternalError), match="default v1 is published"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("DELETE FROM scoring_definition WHERE id = %s", [row.pk])
    for history in ({"effective_at": NOW}, {"definition": vetted()}):
        with pytest.raises((IntegrityError, InternalError), match="roll the publication back"), transaction.atomic():
            Publication.objects.filter(pk=publication.pk).update(**history)
    # What is about it and not in it may change.
    assert Definition.objects.filter(pk=row.pk).update(edited_at=NOW) == 1
    assert Publication.objects.filter(pk=publication.pk).update(judged_at=NOW) == 1


def test_both_teams_agree_before_it_is_published_each_by_somebody_else() -> None:
    row = vetted()
    marketer, manager, admin = make_user("marketer"), make_user("manager", first_name="Mo"), make_user("admin")
    assert missing_approvals(row) == [Team.MARKETING, Team.SALES]
    with pytest.raises(NotPublishable, match="needs the approval of Marketing and Sales first"):
        publish_definition(definition_id=row.pk, by=marketer, now=NOW)

    given = approve_definition(definition_id=row.pk, team=Team.MARKETING, by=admin, now=NOW)

    assert (given.team, given.approved_by, given.approved_at, given.revision) == ("marketing", admin, NOW, 1)
    assert approve_definition(definition_id=row.pk, team=Team.MARKETING, by=admin, now=NOW).pk == given.pk
    with pytest.raises(NotPublishable, match="You agreed for Marketing; somebody else must agree for Sales"):
        approve_definition(definition_id=row.pk, team=Team.SALES, by=admin, now=NOW)
    with pytest.raises(NotPublishable, match="has agreed for Marketing already"):
        approve_definition(definition_id=row.pk, team=Team.MARKETING, by=marketer, now=NOW)
    with pytest.raises(NotPublishable, match="needs the approval of Sales first"):
        publish_definition(definition_id=row.pk, by=marketer, now=NOW)
    approve_definition(definition_id=row.pk, team=Team.SALES, by=manager, now=NOW)
    assert missing_approvals(row) == []
    publish_definition(definition_id=row.pk, by=marketer, now=NOW)
    assert published_definition()[0].pk == row.pk
    with pytest.raises(NotPublishable, match="is published; there is nothing to agree to"):
        withdraw_approval(definition_id=row.pk, team=Team.SALES, by=manager, now=NOW)


@pytest.mark.parametrize(
    ("role", "team"), [("marketer", Team.SALES), ("manager", Team.MARKETING), ("rep", Team.SALES), (None, Team.SALES)]
)
def test_who_does_not_speak_for_a_team_cannot_agree_for_it(role: str | None, team: Team) -> None:
    with pytest.raises(PermissionDenied):
        approve_definition(definition_id=vetted().pk, team=team, by=make_user(role), now=NOW)
    assert not Approval.objects.exists()


def test_an_edit_voids_what_was_agreed_and_nothing_is_forgotten() -> None:
    row = vetted()
    marketer, manager = make_user("marketer"), make_user("manager")
    approve_definition(definition_id=row.pk, team=Team.MARKETING, by=marketer, now=NOW)
    approve_definition(definition_id=row.pk, team=Team.SALES, by=manager, now=NOW)

    row = change_draft(definition_id=row.pk, document={**row.document, "name": "New"}, by=None, revision=1, now=NOW)

    assert missing_approvals(row) == [Team.MARKETING, Team.SALES]
    with pytest.raises(NotPublishable, match="Marketing and Sales"):
        publish_definition(definition_id=row.pk, by=None, now=NOW)
    assert sorted(row.approvals.values_list("revision", "team", "approved_by")) == [
        (1, "marketing", marketer.pk),
        (1, "sales", manager.pk),
    ]


def test_a_word_is_taken_back_and_given_again() -> None:
    row, first, second = vetted(), make_user("marketer"), make_user("marketer")
    approve_definition(definition_id=row.pk, team=Team.MARKETING, by=first, now=NOW)

    withdrawn = withdraw_approval(definition_id=row.pk, team=Team.MARKETING, by=second, now=NOW + timedelta(hours=1))

    assert (withdrawn.approved_by, withdrawn.withdrawn_by) == (first, second)
    assert missing_approvals(row) == [Team.MARKETING, Team.SALES]
    with pytest.raises(NotPublishable, match="Marketing has not agreed"):
        withdraw_approval(definition_id=row.pk, team=Team.MARKETING, by=second, now=NOW)
    approve_definition(definition_id=row.pk, team=Team.MARKETING, by=first, now=NOW + timedelta(hours=2))
    assert current_approvals(row)[Team.MARKETING].approved_by == first
    assert row.approvals.count() == 2


def test_nobody_agrees_to_what_asks_nobody() -> None:
    draft = store_draft(document=default_data(), by=None)
    with pytest.raises(NotPublishable, match="does not ask for the approval of Marketing"):
        approve_definition(definition_id=draft.pk, team=Team.MARKETING, by=make_user("marketer"), now=NOW)

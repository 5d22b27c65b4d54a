"""The role matrix: who may do what, as rules and as API scopes."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.utils import timezone

from contacts import permissions
from contacts.enums import Role, Scope
from contacts.models import Contact, Standing
from contacts.permissions import Person, roles_of, scopes_of

pytestmark = pytest.mark.django_db

# Rule: the roles that pass it, R(ep), M(arketer), L(ead: manager), A(dmin).
MATRIX: dict[str, str] = {
    "can_view_contacts": "RMLA",
    "can_act_on_contacts": "MLA",
    "can_correct_events": "MLA",
    "can_create_contacts": "MLA",
    "can_erase_contacts": "LA",
    "can_export_person": "LA",
    "can_see_jobs": "MLA",
    "can_suppress_addresses": "MLA",
    "can_lift_suppressions": "LA",
    "can_manage_forms": "A",
    "can_import": "MLA",
    "can_export": "MLA",
    "can_merge": "MLA",
    "can_pin_stage": "MLA",
    "can_see_handoffs": "RMLA",
    "can_work_handoffs": "RLA",
    "can_see_definitions": "RMLA",
    "can_edit_definitions": "MLA",
    "can_run_definitions": "MLA",
    "can_publish_definitions": "MLA",
    "can_manage_hooks": "A",
    "can_manage_sources": "A",
    "can_manage_team": "A",
}
LETTERS = {Role.REP: "R", Role.MARKETER: "M", Role.MANAGER: "L", Role.ADMIN: "A"}


def person(role: Role, name: str = "") -> User:
    user = User.objects.create_user(username=name or role.value)
    user.groups.add(Group.objects.get(name=role.value))
    return user


@pytest.mark.parametrize("role", list(Role))
def test_each_role_passes_exactly_its_rules(role: Role) -> None:
    user = person(role)

    passed = {name for name in MATRIX if getattr(permissions, name)(user)}

    assert passed == {name for name, letters in MATRIX.items() if LETTERS[role] in letters}


def test_every_plain_rule_is_in_the_matrix() -> None:
    asking_more = {"can_edit_contact", "can_log_activity", "can_record_consent", "can_approve_definition"}
    asking_more |= {"can_steer_job"}
    plain = {name for name in vars(permissions) if name.startswith("can_")} - asking_more

    assert plain == set(MATRIX)


@pytest.mark.parametrize(("team", "letters"), [("marketing", "MA"), ("sales", "LA")])
def test_each_team_has_its_voices(team: str, letters: str) -> None:
    assert {role for role in Role if permissions.can_approve_definition(person(role), team)} == {
        role for role in Role if LETTERS[role] in letters
    }


@pytest.mark.parametrize(
    ("kind", "letters"),
    [("import_contacts", "MLA"), ("find_duplicates", "MLA"), ("erase", "LA"), ("export_person", "LA")],
)
def test_who_may_order_a_job_may_steer_it(kind: str, letters: str) -> None:
    assert {role for role in Role if permissions.can_steer_job(person(role), kind)} == {
        role for role in Role if LETTERS[role] in letters
    }


@pytest.mark.parametrize("rule", [permissions.can_edit_contact, permissions.can_log_activity])
def test_a_rep_touches_only_what_is_theirs(rule: Callable[..., bool]) -> None:
    rep, colleague = person(Role.REP), person(Role.REP, "colleague")
    contact = Contact.objects.create(email="ann@example.com")

    assert not rule(rep, contact), "nobody's, so Marketing's"
    now = timezone.now()
    Standing.objects.create(
        contact=contact,
        stage="sales_prospect",
        furthest_stage="sales_prospect",
        stage_since=now,
        engagement_mp=0,
        fit_mp=0,
        last_activity_at=now,
        evaluated_at=now,
        owner=colleague,
    )
    contact.refresh_from_db()
    assert not rule(rep, contact), "a colleague's"
    assert rule(colleague, contact)
    assert all(rule(person(role), contact) for role in (Role.MARKETER, Role.MANAGER, Role.ADMIN))


def nobody() -> Person:
    return AnonymousUser()


def without_role() -> Person:
    return User.objects.create_user(username="newcomer")


def deactivated() -> Person:
    user = person(Role.ADMIN)
    user.is_active = False
    return user


@pytest.mark.parametrize("stranger", [nobody, without_role, deactivated])
def test_strangers_pass_no_rule_and_have_no_scope(stranger: Callable[[], Person]) -> None:
    user = stranger()

    assert not any(getattr(permissions, name)(user) for name in MATRIX)
    assert scopes_of(user) == frozenset()


def test_a_superuser_is_an_administrator() -> None:
    assert roles_of(User.objects.create_superuser(username="root")) == {Role.ADMIN}


def test_several_roles_add_up() -> None:
    user = person(Role.REP)
    user.groups.add(Group.objects.get(name=Role.MARKETER.value))

    assert permissions.can_work_handoffs(user)
    assert permissions.can_import(user)
    assert {Scope.EVENTS_WRITE, Scope.HANDOFFS_WRITE} <= scopes_of(user)


def test_scopes_follow_the_roles() -> None:
    assert Scope.HANDOFFS_WRITE in scopes_of(person(Role.REP))
    assert Scope.EVENTS_WRITE not in scopes_of(User.objects.get(username="rep")), "events could forge a purchase"
    assert Scope.HANDOFFS_WRITE not in scopes_of(person(Role.MARKETER))
    assert scopes_of(person(Role.ADMIN)) == set(Scope)

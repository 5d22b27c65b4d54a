"""Whatever fields somebody sends along, only those change that the call is for."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client

from contacts.enums import Role
from contacts.models import Company, Contact, Invitation, PersonalToken, Source
from contacts.services.invitations import invite_person
from contacts.services.people import create_token
from funnel.models import Handoff, HookEndpoint, Sequence
from scoring.models import Definition
from tests.funnel.conftest import World
from tests.roles.test_urls import cast_of

VALUES: tuple[object, ...] = (1, "xx-1", True, None, "2020-01-01T00:00:00Z", {"a": 1}, [])
# By resource: its model, the call, and what the call may change.
RESOURCES: dict[str, tuple[type[Model], str, set[str]]] = {
    "contacts": (Contact, "contact", {"email", "phone", "first_name", "last_name", "job_title", "role", "company",
                                      "country", "means", "authority", "details_confirmed", "attributes",
                                      "search_text", "updated_at", "external_id", "anonymous_id"}),
    "companies": (Company, "company", {"name", "domain", "industry", "employees", "country", "normalised_name",
                                       "updated_at"}),
    "hooks": (HookEndpoint, "hook", {"url", "types", "description"}),
    "sequences": (Sequence, "sequence", {"name", "description", "stage", "purpose", "version", "updated_at",
                                         "edited_by", "edited_at"}),
    "definitions": (Definition, "draft", {"document", "name", "revision", "edited_by", "edited_at"}),
}  # fmt: skip


@pytest.mark.parametrize("resource", RESOURCES)
def test_every_field_of_a_row_is_sent_and_none_changes_that_must_not(world: World, resource: str) -> None:
    model, name, changing = RESOURCES[resource]
    names = cast_of(world, world.person(Role.REP, "Owning Rep")).names | {"draft": "2"}
    client = Client(headers={"Authorization": f"Bearer {_admin_key(world)}"})
    row = model._default_manager.filter(pk=names[name])
    kept = [field for field in model._meta.concrete_fields if field.name not in changing]
    before = row.values(*(field.attname for field in kept)).get()
    assert len(kept) >= 3

    for field in kept:
        for value in VALUES:
            for key in {field.name, field.attname}:
                answer = client.patch(
                    f"/api/v1/{resource}/{names[name]}/", {key: value}, content_type="application/json"
                )
                assert answer.status_code < 500, (key, value)

    assert row.values(*(field.attname for field in kept)).get() == before


def _admin_key(world: World) -> str:
    return create_token(user=world.person(Role.ADMIN, "Ada Admin"), name="t", by=None).key


def everything_of(model: type[Model]) -> dict[str, Any]:
    """A form that fills in every column of a model."""
    return {field.attname: "1" for field in model._meta.concrete_fields} | {"groups": "4", "is_superuser": "on"}


def test_ones_own_profile_gives_nobody_rights(world: World) -> None:
    rita = world.person(Role.REP, "Rita Rep")
    before = User.objects.filter(pk=rita.pk).values().get()
    client = Client()
    client.force_login(rita)

    form = {
        **everything_of(User),
        "first_name": "R",
        "last_name": "R",
        "language": "",
        "time_zone": "",
        "roles": "admin",
    }
    assert client.post("/account/", form).status_code == 302

    after = User.objects.filter(pk=rita.pk).values().get()
    may_change = {"first_name", "last_name", "last_login"}
    assert {key: value for key, value in after.items() if key not in may_change} == {
        key: value for key, value in before.items() if key not in may_change
    }
    assert [group.name for group in rita.groups.all()] == ["rep"]


def test_who_is_invited_as_a_rep_joins_as_a_rep(world: World) -> None:
    admin = world.person(Role.ADMIN, "Ada Admin")
    link = invite_person(email="new@ripen.example", roles=[Role.REP], by=admin, now=world.now).link
    path = "/" + link.split("/", 3)[3]
    form = {**everything_of(User), **everything_of(Invitation), "roles": "admin", "first_name": "N", "last_name": "P",
            "email": "other@ripen.example", "password": "a-long-passphrase-1",
            "again": "a-long-passphrase-1", "password1": "a-long-passphrase-1"}  # fmt: skip
    Client().post(path, form)

    person = User.objects.get(email="new@ripen.example")
    assert ([group.name for group in person.groups.all()], person.is_superuser, person.is_staff) == (
        ["rep"],
        False,
        False,
    )


def test_forms_of_pages_set_what_they_show_and_no_more(world: World) -> None:
    names = cast_of(world, world.person(Role.REP, "Owning Rep")).names
    admin = world.person(Role.ADMIN, "Ada Admin")
    client = Client()
    client.force_login(admin)

    client.post(
        "/sources/", {**everything_of(Source), "source-name": "New", "name": "New", "key_hash": "x", "kind": "internal"}
    )
    assert not Source.objects.filter(key_hash="x").exists()
    assert not Source.objects.filter(name="New", kind="internal").exists()
    client.post("/account/tokens/", {**everything_of(PersonalToken), "name": "Mine", "user": names["rep"]})
    assert PersonalToken.objects.get(name="Mine").user == admin
    endpoint = HookEndpoint.objects.filter(pk=names["hook"])
    before = endpoint.values("uid", "generation", "disabled_at", "created_by", "created_at").get()
    client.post(f"/hooks/{names['hook']}/edit/", {**everything_of(HookEndpoint), "url": "https://hooks.example/2"})
    assert endpoint.values("uid", "generation", "disabled_at", "created_by", "created_at").get() == before
    handoff = Handoff.objects.filter(pk=names["handoff"])
    state = handoff.values().get()
    client.post(
        f"/handoffs/{names['handoff']}/log/", {**everything_of(Handoff), "state": "won", "log-kind": "note_added"}
    )
    assert handoff.values().get() == state

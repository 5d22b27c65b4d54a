"""Rows for tests. What goes in through `record_events` in the product goes in through it here, too (`record`)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any

from django.contrib.auth.models import Group, User
from factory.declarations import LazyAttribute, SelfAttribute
from factory.declarations import Sequence as Numbered
from factory.django import DjangoModelFactory

from contacts.enums import Role, Scope, SourceKind
from contacts.ingest.native import read_events
from contacts.keys import SOURCE_PREFIX, TOKEN_PREFIX, mint_key
from contacts.models import Company, Contact, PersonalToken, Source
from contacts.services.record import Receipt, record_events

_numbers = count(1)


class SourceFactory(DjangoModelFactory[Source]):
    class Meta:
        model = Source

    name = Numbered(lambda n: f"source {n}")
    scopes = [scope.value for scope in Scope]


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User

    email = Numbered(lambda n: f"person{n}@ripen.test")
    username = SelfAttribute("email")
    first_name = Numbered(lambda n: f"Person {n}")


class CompanyFactory(DjangoModelFactory[Company]):
    class Meta:
        model = Company

    name = Numbered(lambda n: f"Company {n}")
    normalised_name = LazyAttribute(lambda company: company.name.casefold())


def make_source(
    scopes: Sequence[str] | None = None, kind: str = SourceKind.SERVER, **fields: Any
) -> tuple[Source, str]:
    """A source and its write key; without ``scopes`` it may do everything."""
    minted = mint_key(SOURCE_PREFIX)
    if scopes is not None:
        fields["scopes"] = list(scopes)
    source = SourceFactory.create(kind=kind, key_hash=minted.key_hash, key_prefix=minted.prefix, **fields)
    return source, minted.key


def make_user(role: str | None = Role.MARKETER, **fields: Any) -> User:
    """A person of that role (None: no role at all)."""
    user = UserFactory.create(**fields)
    if role is not None:
        user.groups.add(Group.objects.get(name=str(role)))
    return user


def make_token(user: User) -> str:
    """A personal API token."""
    minted = mint_key(TOKEN_PREFIX)
    PersonalToken.objects.create(user=user, name="test", key_hash=minted.key_hash, key_prefix=minted.prefix)
    return minted.key


def make_event(kind: str = "form_submitted", **fields: Any) -> dict[str, Any]:
    """The JSON of one native event, of a new contact unless ``contact`` is given."""
    number = next(_numbers)
    return {
        "message_id": f"test message {number}",
        "kind": kind,
        "contact": {"email": f"contact{number}@company{number}.test"},
        **fields,
    }


def record(
    *events: Mapping[str, Any], source: Source | None = None, received_at: datetime | None = None, **options: Any
) -> Receipt:
    """Record native events as the API does."""
    now = received_at or datetime.now(UTC)
    batch = read_events({"events": list(events)}, received_at=now)
    return record_events(
        source=source or SourceFactory.create(),
        events=batch.events,
        rejected=batch.rejected,
        warnings=batch.warnings,
        received_at=now,
        **options,
    )


def make_contact(*events: Mapping[str, Any], **traits: Any) -> Contact:
    """A contact that came in with ``events`` (their ``contact`` is filled in) or, without, with a page view."""
    number = next(_numbers)
    name = {"email": traits.pop("email", f"contact{number}@company{number}.test")}
    payloads = [make_event(**{**event, "contact": name}) for event in (events or ({"kind": "page_viewed"},))]
    payloads[0]["traits"] = {**payloads[0].get("traits", {}), **traits}
    receipt = record(*payloads)
    assert not receipt.rejected, receipt.rejected
    return Contact.objects.get(pk=receipt.contact_ids[0])

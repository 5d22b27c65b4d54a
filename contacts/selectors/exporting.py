"""Rows of exports: read in the order of their ids, a chunk at a time, so that no list is too long to export.

Each chunk is a statement of its own: a download that takes hours holds no snapshot open. Ids do not change, so a row is
neither skipped nor repeated, whatever happens to the list meanwhile.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from django.db.models import F, Func, QuerySet, TextField

from contacts.enums import IdentityKind
from contacts.models import Company, Contact, ContactTag, Event, Identity, RejectedMessage
from contacts.registry import foresight
from contacts.selectors.browse import FALL, FALLS_LOOKED_AT, Query, contact_filters, standing_filters
from contacts.selectors.facts import events_of_contact
from contacts.selectors.search import matches_of

CHUNK: Final = 1_000
# So many free fields get a column of their own; spreadsheets stop at 16,384, people long before.
MOST_KEYS: Final = 500

CONTACT_FIELDS: Final = (
    "id", "email", "first_name", "last_name", "phone", "job_title", "role", "country", "means", "authority",
    "details_confirmed", "attributes", "company__name", "company__domain", "company__industry", "company__employees",
    "company__country", "source_channel", "source_direction", "source_motion", "source_campaign", "source_at",
    "created_at", "standing__stage", "standing__furthest_stage", "standing__stage_since",
    "standing__engagement_mp", "standing__fit_mp",
    "standing__last_activity_at", "standing__owner__email",
)  # fmt: skip
EVENT_FIELDS: Final = (
    "id", "kind__name", "occurred_at", "message_id", "channel", "source__name", "properties", "suspect_reason",
    "retracted_at", "received_at",
)  # fmt: skip
COMPANY_FIELDS: Final = ("id", "name", "domain", "industry", "employees", "country", "created_at")
REJECTED_FIELDS: Final = (
    "id", "received_at", "wire_format", "call", "message_id", "code", "field", "message", "payload", "replayed_at",
)  # fmt: skip
_NAMES: Final = (IdentityKind.EXTERNAL_ID, IdentityKind.ANONYMOUS_ID)

Row = dict[str, Any]


class _Keys(Func):
    """The keys of a JSON object, a row each."""

    function = "jsonb_object_keys"
    output_field = TextField()
    set_returning = True


def contacts_of_view(
    query: Query, *, stages: Sequence[str], now: datetime, chosen: Sequence[int] | None = None
) -> QuerySet[Contact]:
    """Return all contacts that the list shows for ``query``, those not judged yet included where nothing forbids it.

    Unlike the list, a search that finds more than the list looks at goes on to every match of its words. ``chosen``: of
    these contacts only.
    """
    rows = Contact.objects.filter(contact_filters(query), standing_filters(query, now=now, path="standing__"))
    rows = rows.filter(present=True)
    if chosen is not None:
        rows = rows.filter(pk__in=list(chosen))
    if query.stage in stages:
        rows = rows.filter(standing__stage=query.stage)
    if query.soon == FALL:
        rows = rows.filter(pk__in=list(foresight().falling(now, FALLS_LOOKED_AT)[0]))
    return rows.filter(matches_of(query.text))


def contact_rows(contacts: QuerySet[Contact]) -> Iterator[list[Row]]:
    """Yield chunks of CONTACT_FIELDS, tags, first external and anonymous id of each: three queries a chunk."""
    for chunk in _chunks(contacts, CONTACT_FIELDS):
        tags: dict[int, list[str]] = {}
        for contact_id, name in _tags([row["id"] for row in chunk]):
            tags.setdefault(contact_id, []).append(name)
        names: dict[tuple[int, str], str] = {}
        found = Identity.objects.filter(contact__in=[row["id"] for row in chunk], kind__in=_NAMES).order_by("id")
        for contact_id, kind, value in found.values_list("contact_id", "kind", "value"):
            names.setdefault((contact_id, kind), value)
        for row in chunk:
            row.update({kind.value: names.get((row["id"], kind.value), "") for kind in _NAMES})
            row["tags"] = ", ".join(tags.get(row["id"], ()))
        yield chunk


def _tags(contact_ids: Sequence[int]) -> Iterator[tuple[int, str]]:
    """The contacts' tags by name, each once, whoever bore it before a merge."""
    rows = ContactTag.objects.filter(contact_id__in=contact_ids).order_by("contact_id", "tag__name")
    yield from rows.values_list("contact_id", "tag__name").distinct()


def event_rows(contact_id: int) -> Iterator[list[Row]]:
    """Yield chunks of EVENT_FIELDS of a contact's events, as they were recorded; marked ones too."""
    return _chunks(events_of_contact(contact_id), EVENT_FIELDS)


def company_rows() -> Iterator[list[Row]]:
    """Yield chunks of COMPANY_FIELDS of all companies."""
    return _chunks(Company.objects.all(), COMPANY_FIELDS)


def rejected_rows(source_id: int) -> Iterator[list[Row]]:
    """Yield chunks of REJECTED_FIELDS of what a source sent and nobody could take."""
    return _chunks(RejectedMessage.objects.filter(source=source_id), REJECTED_FIELDS)


def attribute_keys(contacts: QuerySet[Contact]) -> list[str]:
    """Return the names of the free attributes that these contacts have, in alphabetical order."""
    return _keys(contacts.exclude(attributes={}), "attributes")


def property_keys(contact_id: int) -> list[str]:
    """Return the names of the properties that a contact's events have, in alphabetical order."""
    return _keys(Event.objects.filter(pk__in=events_of_contact(contact_id).values("pk")), "properties")


def _keys(rows: "QuerySet[Any]", column: str) -> list[str]:
    keys = rows.order_by().annotate(key=_Keys(F(column))).values_list("key", flat=True).distinct()
    # The database may sort otherwise than Python does, by its collation.
    return sorted(keys)


def _chunks(rows: "QuerySet[Any]", fields: Sequence[str]) -> Iterator[list[Row]]:
    ordered = rows.order_by("pk").values(*fields)
    chunk = list(ordered[:CHUNK])
    while chunk:
        # Whoever takes a chunk may change its rows, but not who was last.
        last = chunk[-1]["id"]
        yield chunk
        chunk = list(ordered.filter(pk__gt=last)[:CHUNK]) if len(chunk) == CHUNK else []

"""What is known of a person, in numbers: what an export would hold and an erasure would take away."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Model, QuerySet
from django.utils.translation import gettext, gettext_noop

from contacts.enums import JobKind
from contacts.models import (
    AttributeChange,
    ConsentEntry,
    Contact,
    Event,
    FormSubmission,
    Identity,
    Job,
    Mail,
    Merge,
)
from contacts.selectors.jobs import jobs_in_full
from contacts.selectors.merges import members_of

_COUNTED: Mapping[str, type[Model]] = {
    gettext_noop("events"): Event,
    gettext_noop("attribute values, with their history"): AttributeChange,
    gettext_noop("words about being written to"): ConsentEntry,
    gettext_noop("forms sent"): FormSubmission,
    gettext_noop("mails of ours"): Mail,
}


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a person.

    ``counts``: how many of what; ``names``: the values that name them, with their kinds; ``jobs``: what was ordered
    about them before, latest first.
    """

    counts: tuple[tuple[str, int], ...]
    names: tuple[Identity, ...]
    jobs: tuple[Job, ...]


def known_of(contact: Contact) -> Known:
    """Count what is known of a contact and of all that became part of it; a fixed number of queries."""
    contact_ids = members_of([contact.pk])
    names = tuple(Identity.objects.filter(contact__in=contact_ids).order_by("kind", "id"))
    counts = [
        (gettext(label), _rows(model).filter(contact__in=contact_ids).count()) for label, model in _COUNTED.items()
    ]
    merges = Merge.objects.filter(winner__in=contact_ids) | Merge.objects.filter(loser__in=contact_ids)
    counts.append((gettext("merges"), merges.count()))
    kinds: Sequence[JobKind] = (JobKind.ERASE, JobKind.EXPORT_PERSON)
    jobs = tuple(jobs_in_full().filter(contact=contact, kind__in=kinds).order_by("-id")[:10])
    return Known(counts=((gettext("names"), len(names)), *counts), names=names, jobs=jobs)


def _rows(model: type[Model]) -> "QuerySet[Any]":
    return model._default_manager.all()  # noqa: SLF001  Django's public name for it

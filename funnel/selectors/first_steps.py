"""How far a new installation has come: derived from what is there, so that nobody has to tick anything off."""

from dataclasses import dataclass
from typing import Final

from django.contrib.auth.models import User
from django.db.models import Exists, Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext

from contacts.enums import Role, SourceKind
from contacts.models import Contact, ImportRun, Invitation, Preferences, Source
from contacts.permissions import roles_of
from contacts.services.callers import PEOPLE
from contacts.services.imports.running import SOURCE_NAME as FILES
from funnel.models.hooks import HookEndpoint
from scoring.models import Publication

# The users that `up` makes on a new state folder are nobody's colleagues.
_DEMO_PEOPLE: Final = "@demo.example"
_FACTS: Final = (
    "chosen", "hidden", "has_demo", "has_source", "has_event", "has_import", "has_contact", "has_teammate", "has_hook",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Item:
    """Something to do: ``key`` names its step of /welcome/ or is its own, ``url`` leads there."""

    key: str
    label: str
    url: str
    icon: str
    done: bool
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Checklist:
    """What is done and what is open. ``untouched``: nothing at all has been done, so the first visit starts there."""

    items: tuple[Item, ...]
    untouched: bool

    @property
    def needed(self) -> int:
        """How many items are not optional."""
        return sum(not item.optional for item in self.items)

    @property
    def done(self) -> int:
        """How many of those are done."""
        return sum(item.done for item in self.items if not item.optional)

    @property
    def complete(self) -> bool:
        """Whether nothing is open but what is optional."""
        return self.done == self.needed


def checklist_of(person: User) -> Checklist | None:
    """Return what is left to set up, one query; None for those who do not set up, who put it away, or when it is done.

    An installation with demo data has nothing to set up.
    """
    if Role.ADMIN not in roles_of(person):
        return None
    found = progress_of(person)
    return None if found is None or found.complete else found


def progress_of(person: User) -> Checklist | None:
    """Return every item, done or not; None where ``person`` put the list away or the data is the demo's. One query."""
    facts = (
        User.objects.filter(pk=person.pk)
        .annotate(
            chosen=Exists(Publication.objects.filter(published_by__isnull=False, retracted_at=None))
            | Exists(Preferences.objects.filter(keeps_definition=True)),
            hidden=Exists(Preferences.objects.filter(user=person, hides_first_steps=True)),
            has_demo=Exists(keyless_sources()),
            has_source=Exists(keyed_sources()),
            has_event=Exists(keyed_sources().filter(last_used_at__isnull=False)) & Exists(Contact.objects.all()),
            has_import=Exists(ImportRun.objects.filter(finished_at__isnull=False, rows__gt=0)),
            has_contact=Exists(Contact.objects.all()),
            has_teammate=Exists(User.objects.exclude(pk=person.pk).exclude(email__endswith=_DEMO_PEOPLE))
            | Exists(Invitation.objects.filter(withdrawn_at=None)),
            has_hook=Exists(HookEndpoint.objects.all()),
        )
        .values(*_FACTS)
        .get()
    )
    if facts["hidden"] or facts["has_demo"]:
        return None
    welcome = reverse("welcome")
    items = (
        Item("definition", gettext("Choose a definition"), f"{welcome}?step=definition", "book-open-check",
             facts["chosen"]),
        Item("source", gettext("Create a source"), f"{welcome}?step=source", "plug", facts["has_source"]),
        Item("event", gettext("Send the first event"), f"{welcome}?step=source", "activity", facts["has_event"]),
        Item("import", gettext("Import a file"), f"{welcome}?step=import", "upload", facts["has_import"]),
        Item("team", gettext("Invite a colleague"), reverse("team"), "user-plus", facts["has_teammate"]),
        Item("webhook", gettext("Tell another system by webhook"), reverse("hook-new"), "webhook", facts["has_hook"],
             optional=True),
    )  # fmt: skip
    begun = ("chosen", "has_source", "has_import", "has_contact")
    return Checklist(items, untouched=not any(facts[name] for name in begun))


def keyed_sources() -> "QuerySet[Source]":
    """Return the sources that somebody made, each of which has or had a key."""
    return Source.objects.exclude(kind=SourceKind.INTERNAL).filter(key_hash__isnull=False)


def keyless_sources() -> "QuerySet[Source]":
    """Return the sources that neither somebody made nor Ripen itself needs: those of demo data."""
    return Source.objects.filter(~Q(kind=SourceKind.INTERNAL), ~Q(name__in=(PEOPLE, FILES)), key_hash=None)

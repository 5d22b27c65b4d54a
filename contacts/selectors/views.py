"""Saved views and columns of the list of contacts, and the tags of contacts."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from django.contrib.auth.models import User
from django.db import connection

from contacts.models import SavedView
from contacts.selectors.browse.asked import PARAMETERS, Query

# Every column there is beside the name, in the order in which they stand.
COLUMNS: Final = (
    "stage", "engagement", "fit", "owner", "company", "job_title", "phone", "country", "source", "motion", "campaign",
    "tags", "means", "authority", "since", "furthest", "created", "activity",
)  # fmt: skip
DEFAULT_COLUMNS: Final = ("stage", "engagement", "fit", "owner", "source", "activity")
_NOT_KEPT: Final = frozenset({"after", "problems"})
# What of the list's address a view keeps.
VIEW_PARAMETERS: Final = tuple(
    PARAMETERS.get(name, name) for name in Query.__dataclass_fields__ if name not in _NOT_KEPT
)

# Every page of the list asks these: putting the same together as querysets took longer than answering.
_VIEWS: Final = "SELECT * FROM contacts_savedview WHERE owner_id = %s OR shared"
_COLUMNS: Final = "SELECT columns FROM contacts_listcolumns WHERE user_id = %s"
_TAGS: Final = """
SELECT bearer.contact_id, tag.name FROM contacts_contacttag AS bearer
JOIN contacts_tag AS tag ON tag.id = bearer.tag_id WHERE bearer.contact_id = ANY(%s)
"""


def views_of(user: User) -> list[SavedView]:
    """Return the views that somebody sees, their own first, then those that others share; by name. One query."""
    rows = SavedView.objects.raw(_VIEWS, [user.pk])
    return sorted(rows, key=lambda view: (view.owner_id != user.pk, view.name.casefold(), view.pk))


def columns_of(user: User) -> list[str]:
    """Return the columns that somebody chose; those by default where they did not. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_COLUMNS, [user.pk])
        chosen = cursor.fetchone()
    return known_columns(json.loads(chosen[0]) if chosen else ()) or list(DEFAULT_COLUMNS)


def known_columns(columns: Sequence[str]) -> list[str]:
    """Return those of the columns that there are, in their order."""
    return [key for key in COLUMNS if key in columns]


def tags_of(contact_ids: Sequence[int]) -> Mapping[int, list[str]]:
    """Return the names of the tags of each contact, alphabetically; contacts without one are left out. One query."""
    found: dict[int, set[str]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_TAGS, [list(contact_ids)])
        for contact_id, name in cursor.fetchall():
            found.setdefault(contact_id, set()).add(name)
    return {contact_id: sorted(names, key=str.casefold) for contact_id, names in found.items()}

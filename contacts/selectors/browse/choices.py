"""What the list can be filtered by: the values there are, read by skipping through an index or from a short table."""

from dataclasses import dataclass
from typing import Final

from django.contrib.auth.models import User
from django.db import connection

from contacts.enums import Role
from contacts.models import Tag

SOURCES_SHOWN = 100
TAGS_SHOWN: Final = 500

# From one value of an index to the next, so that it takes as long as there are values and not as there are rows.
# Two of the indexes leave empty values out, so each step must say that it wants none, however plain that is.
_SKIP: Final = """
WITH RECURSIVE found AS (
    (SELECT min({0}) AS name FROM contacts_contact WHERE {0} > '')
    UNION ALL
    SELECT further.name FROM found
    CROSS JOIN LATERAL (SELECT min({0}) AS name FROM contacts_contact WHERE {0} > '' AND {0} > found.name) AS further
    WHERE found.name IS NOT NULL
)
SELECT name FROM found WHERE name IS NOT NULL LIMIT %s
"""

_OF_COLUMN: Final = "SELECT '{0}', name FROM ({1}) AS part"
_TAGS: Final = "SELECT 'tag', name FROM (SELECT name FROM contacts_tag ORDER BY id LIMIT %s) AS part"

_OWNERS: Final = """
SELECT person.* FROM auth_user AS person
WHERE person.is_active AND EXISTS (
    SELECT FROM auth_user_groups AS membership JOIN auth_group AS role ON role.id = membership.group_id
    WHERE membership.user_id = person.id AND role.name = ANY(%s)
)
ORDER BY person.first_name, person.last_name, person.username
"""


def source_channels(*, limit: int = SOURCES_SHOWN) -> list[str]:
    """Return the channels contacts came from, alphabetically; one query."""
    return _values("source_channel", limit)


def countries(*, limit: int = SOURCES_SHOWN) -> list[str]:
    """Return the countries of contacts, alphabetically; one query."""
    return _values("country", limit)


def campaigns(*, limit: int = SOURCES_SHOWN) -> list[str]:
    """Return the campaigns that brought contacts, alphabetically; one query."""
    return _values("source_campaign", limit)


def tag_names(*, limit: int = TAGS_SHOWN) -> list[str]:
    """Return the names of the tags there are, alphabetically; one query."""
    return sorted(Tag.objects.order_by("id").values_list("name", flat=True)[:limit], key=str.casefold)


@dataclass(frozen=True, slots=True)
class FilterValues:
    """What the filters' lists offer, each alphabetically."""

    sources: tuple[str, ...]
    campaigns: tuple[str, ...]
    countries: tuple[str, ...]
    tags: tuple[str, ...]


def filter_values() -> FilterValues:
    """Return what ``source_channels``, ``campaigns``, ``countries`` and ``tag_names`` do; one query for all."""
    columns = ("source_channel", "source_campaign", "country")
    parts = [_OF_COLUMN.format(column, _SKIP.format(column)) for column in columns]
    found: dict[str, list[str]] = {column: [] for column in (*columns, "tag")}
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join([*parts, _TAGS]), [*(SOURCES_SHOWN for _ in columns), TAGS_SHOWN])
        for column, name in cursor.fetchall():
            found[column].append(name)
    sources, shown_campaigns, shown_countries = (tuple(found[column]) for column in columns)
    return FilterValues(sources, shown_campaigns, shown_countries, tuple(sorted(found["tag"], key=str.casefold)))


def possible_owners() -> list[User]:
    """Return who may own contacts: active people who sell, by name."""
    return list(User.objects.raw(_OWNERS, [[Role.REP.value, Role.MANAGER.value, Role.ADMIN.value]]))


def _values(column: str, limit: int) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(_SKIP.format(column), [limit])
        return [name for (name,) in cursor.fetchall()]

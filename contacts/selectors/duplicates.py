"""Which contacts may be one person: the pairs that are worth comparing.

Comparing everybody with everybody is out of the question, so contacts are put into blocks that share something (a phone
number, a name, a mailbox, a company and nearly a name); only within a block are they compared. Each rule is one
statement that sorts once. A block with too many members says nothing: a switchboard, a mailbox called "info".
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray

from contacts.enums import MergeDecision
from contacts.matching import Person
from contacts.models import Contact, MergeSuggestion

# No more pairs of a rule are looked at.
MOST_PAIRS: Final = 1_000_000
# Within a company of more people only those with nearly the same surname are compared.
_SMALL_COMPANY: Final = 300
_SIMILAR: Final = 0.4
_FETCHED: Final = 20_000

_NAME: Final = "btrim(regexp_replace(lower(first_name || ' ' || last_name), '[^[:alnum:]]+', ' ', 'g'))"
_LOCAL: Final = "split_part(split_part(email, '@', 1), '+', 1)"
_PAIRS: Final = """
SELECT one.id, other.id FROM (
    SELECT array_agg(DISTINCT id) AS ids FROM ({keyed}) keyed GROUP BY key
    HAVING count(DISTINCT id) BETWEEN 2 AND {most}
) block CROSS JOIN LATERAL unnest(ids) one(id) CROSS JOIN LATERAL unnest(ids) other(id)
WHERE one.id < other.id LIMIT %(most_pairs)s
"""


def _sharing(keyed: str, *, most: int) -> str:
    """The pairs of contacts that share a key, where no more than ``most`` do."""
    return _PAIRS.format(keyed=keyed, most=most)


# What a pair may share, by what people would call it.
RULES: Final[Mapping[str, str]] = {
    "phone numbers": _sharing(
        """SELECT id, right(digits, 8) AS key FROM (
            SELECT id, regexp_replace(phone, '[^0-9]', '', 'g') AS digits FROM contacts_contact
            WHERE present AND phone > '') numbers
        WHERE length(digits) >= 7""",
        most=8,
    ),
    "names": _sharing(
        f"""SELECT id, {_NAME} AS key FROM contacts_contact
        WHERE present AND first_name > '' AND last_name > ''""",  # noqa: S608  constants
        most=30,
    ),
    "names within companies": _sharing(
        f"""SELECT id, {_NAME} || '@' || company_id AS key FROM contacts_contact
        WHERE present AND first_name > '' AND last_name > '' AND company_id IS NOT NULL""",  # noqa: S608  constants
        most=30,
    ),
    "names the other way round": _sharing(
        """SELECT id, CASE WHEN first < last THEN first || ' ' || last ELSE last || ' ' || first END AS key FROM (
            SELECT id, lower(btrim(first_name)) AS first, lower(btrim(last_name)) AS last FROM contacts_contact
            WHERE present AND first_name > '' AND last_name > '') names""",
        most=30,
    ),
    "mailboxes": _sharing(
        f"""SELECT id, replace({_LOCAL}, '.', '') AS key FROM contacts_contact
        WHERE present AND email > '' AND length({_LOCAL}) > 3""",  # noqa: S608  constants
        most=20,
    ),
    # Two addresses that differ by a slip of the fingers become the same when a letter is left out of each, or of one.
    "mistyped addresses": _sharing(
        f"""SELECT id, hashtextextended(overlay(local placing '' from place for 1) || domain, 0) AS key FROM (
            SELECT id, {_LOCAL} AS local, '@' || split_part(email, '@', 2) AS domain FROM contacts_contact
            WHERE present AND email > '') mailboxes
        CROSS JOIN LATERAL generate_series(1, length(local) + 1) place
        WHERE length(local) BETWEEN 4 AND 40""",  # noqa: S608  constants
        most=10,
    ),
    "similar names within companies": f"""
        WITH small AS (
            SELECT company_id FROM contacts_contact WHERE present AND company_id IS NOT NULL
            GROUP BY company_id HAVING count(*) BETWEEN 2 AND {_SMALL_COMPANY}
        ), named AS MATERIALIZED (
            SELECT id, company_id, {_NAME} AS name FROM contacts_contact JOIN small USING (company_id)
            WHERE present AND (first_name > '' OR last_name > '')
        )
        SELECT one.id, other.id FROM named one
        JOIN named other ON other.company_id = one.company_id AND one.id < other.id
        WHERE similarity(one.name, other.name) >= {_SIMILAR} LIMIT %(most_pairs)s
    """,  # noqa: S608  constants
    "surnames within large companies": _sharing(
        f"""SELECT id, company_id || lower(left(last_name, 5)) || left(lower(first_name), 1) AS key
        FROM contacts_contact
        JOIN (SELECT company_id FROM contacts_contact WHERE present GROUP BY company_id
              HAVING count(*) > {_SMALL_COMPANY}) large USING (company_id)
        WHERE present AND last_name > ''""",  # noqa: S608  constants
        most=30,
    ),
}

Pairs = NDArray[np.int64]


def candidate_pairs(rule: str) -> Pairs:
    """Return the pairs of contacts that share what ``rule`` (of RULES) says: an array (n, 2), the lesser id first."""
    parts: list[Pairs] = []
    # Without a server-side cursor, the driver would hold the whole answer as text.
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(RULES[rule], {"most_pairs": MOST_PAIRS})
        while rows := cursor.fetchmany(_FETCHED):
            parts.append(np.array(rows, dtype=np.int64))
    return np.concatenate(parts) if parts else np.empty((0, 2), dtype=np.int64)


def people(contact_ids: Sequence[int]) -> dict[int, Person]:
    """Return what is compared of these contacts, by id; those that are no longer present are left out."""
    rows = Contact.objects.filter(pk__in=contact_ids, present=True).values_list(
        "id", "first_name", "last_name", "email", "phone", "job_title", "country", "company_id"
    )
    return {row[0]: Person(*row) for row in rows}


def decided_pairs() -> set[tuple[int, int]]:
    """Return the pairs about which somebody has decided, with the lesser id first."""
    rows = MergeSuggestion.objects.exclude(decision=MergeDecision.OPEN)
    return set(rows.values_list("contact_id", "other_id"))


def batches(pairs: Pairs, size: int) -> Iterator[list[tuple[int, int]]]:
    """Yield the pairs as tuples, ``size`` at a time."""
    for first in range(0, len(pairs), size):
        yield [(int(one), int(other)) for one, other in pairs[first : first + size]]

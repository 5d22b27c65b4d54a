"""Which rows of a contact's history count: one rule, as SQL for everybody who reads it.

What was said counts as it was said. A *weak* row (what a public source says, the company that an address suggests) only
fills: it counts where nothing else, strong or weak, is at or before it. So of a name's weak rows at most the earliest
counts, and none once a strong one is known from that moment or before. No row is ever taken away for it: which rows
count is decided when they are read, from all there are, so the order of arrival cannot matter, nor can a merge.
"""

from typing import Final

# Nobody's message comes last among several of one id, as NULL does in an index.
_NOBODY: Final = 2**63 - 1
# Whether a row ``o`` of contacts_attributechange counts at all.
COUNTS: Final = f"""(NOT o.weak OR NOT (
    EXISTS (
        SELECT FROM contacts_attributechange p
        WHERE p.contact_id = o.contact_id AND p.name = o.name AND NOT p.weak AND p.effective_at <= o.effective_at)
    OR EXISTS (
        SELECT FROM contacts_attributechange p
        WHERE p.contact_id = o.contact_id AND p.name = o.name AND p.weak
            AND (p.effective_at, p.message, coalesce(p.source_id, {_NOBODY}))
                < (o.effective_at, o.message, coalesce(o.source_id, {_NOBODY})))))"""  # noqa: S608  constants only
# Rows ``o`` of one name in the order in which they count; the last one is in force.
IN_ORDER: Final = "o.effective_at, o.message, o.source_id"
LATEST_FIRST: Final = "o.effective_at DESC, o.message DESC, o.source_id DESC"


def value_in_force(*, contact: str, name: str) -> str:
    """Return SQL for the row (``value``) in force of one name of a contact, both given as SQL; no row where none is.

    The latest strong row, else the earliest weak one: the two ends of the history's index.
    """
    return f"""
        SELECT known.value FROM (
            (SELECT 1 AS place, o.value FROM contacts_attributechange o
             WHERE o.contact_id = {contact} AND o.name = {name} AND NOT o.weak ORDER BY {LATEST_FIRST} LIMIT 1)
            UNION ALL
            (SELECT 2, o.value FROM contacts_attributechange o
             WHERE o.contact_id = {contact} AND o.name = {name} AND o.weak ORDER BY {IN_ORDER} LIMIT 1)
        ) known ORDER BY known.place LIMIT 1"""  # noqa: S608  constants only

"""Which handoffs figures are about: those of a period, and of a segment's contacts."""

from typing import Any

from django.db.models import Q

from funnel.analytics import Segment


def share(part: int, whole: int) -> float | None:
    """Return ``part`` of ``whole``; None where there is no whole."""
    return part / whole if whole else None


def of_segment(segment: Segment) -> Q:
    """The handoffs of the contacts of a segment."""
    return Q(**{f"contact__{path}": value for path, _, value in _asked(segment)})


def segment_sql(segment: Segment) -> tuple[str, dict[str, Any]]:
    """The same as a condition on ``handoff`` in SQL, with its parameters; empty where nothing is asked."""
    asked = _asked(segment)
    if not asked:
        return "", {}
    tests = " AND ".join(f"{column} %(segment{number})s" for number, (_, column, _) in enumerate(asked))
    condition = f"""
        AND EXISTS (SELECT FROM contacts_contact AS contact
            LEFT JOIN contacts_company AS company ON company.id = contact.company_id
            WHERE contact.id = handoff.contact_id AND {tests})
    """
    return condition, {f"segment{number}": value for number, (*_, value) in enumerate(asked)}


def _asked(segment: Segment) -> list[tuple[str, str, Any]]:
    """What a segment asks: the path from the contact, the column with its comparison, and the value."""
    tests = (
        ("source_channel", "contact.source_channel =", segment.source),
        ("source_motion", "contact.source_motion =", segment.motion),
        ("source_campaign", "contact.source_campaign =", segment.campaign),
        ("source_direction", "contact.source_direction =", segment.direction),
        ("country", "contact.country =", segment.country),
        ("company", "contact.company_id =", segment.company_id),
        ("company__industry", "company.industry =", segment.industry),
        ("company__employees__gte", "company.employees >=", segment.employees_at_least),
        ("company__employees__lte", "company.employees <=", segment.employees_at_most),
    )
    return [(path, column, value) for path, column, value in tests if value is not None]

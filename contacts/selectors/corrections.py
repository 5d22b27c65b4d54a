"""What was said of events that were taken back."""

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext

from config.web.formats import format_day
from contacts.enums import CorrectionAction
from contacts.models import EventCorrection


def retractions_of(*, event_ids: Sequence[int], now: datetime) -> dict[int, str]:
    """Say of each of these retracted events who retracted it and why, as the end of a line; one query."""
    rows = (
        EventCorrection.objects.filter(event_id__in=event_ids, action=CorrectionAction.RETRACTED)
        .select_related("corrected_by", "source")
        .order_by("event_id", "-id")
        .distinct("event_id")
    )
    return {row.event_id: _told(row, now) for row in rows}


def _told(row: EventCorrection, now: datetime) -> str:
    person = row.corrected_by
    who = (person.get_full_name() or person.get_username()) if person else (row.source.name if row.source else "")
    parts = {"day": format_day(row.corrected_at, now=now), "who": who, "reason": row.reason}
    if who and row.reason:
        return gettext("retracted on %(day)s by %(who)s: %(reason)s") % parts
    if who:
        return gettext("retracted on %(day)s by %(who)s") % parts
    if row.reason:
        return gettext("retracted on %(day)s: %(reason)s") % parts
    return gettext("retracted on %(day)s") % parts

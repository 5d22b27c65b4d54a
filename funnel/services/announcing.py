"""The one way in for what is to be told: rows in the transaction of their cause."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from contacts.services.rows import as_json
from contacts.services.wake import wake
from funnel.enums import AnnouncementType
from funnel.models import Announcement
from scoring.announcing import NEWS_FOR, announces
from scoring.models import Transition
from scoring.selectors.moves import with_notice_facts


@dataclass(frozen=True, slots=True)
class Told:
    """One thing to be told; see ``funnel.models.Announcement``."""

    type: AnnouncementType
    at: datetime
    contact_id: int | None = None
    handoff_id: int | None = None
    transition_id: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


_ANNOUNCE: Final = """
INSERT INTO funnel_announcement (type, at, contact_id, handoff_id, transition_id, data)
SELECT type, at, contact_id, handoff_id, transition_id, data FROM json_to_recordset(%s::json) AS told (
    type text, at timestamptz, contact_id bigint, handoff_id bigint, transition_id bigint, data jsonb)
"""


def announce(things: Sequence[Told]) -> None:
    """Let these be told once the current transaction has committed; one statement."""
    if not things:
        return
    with connection.cursor() as cursor:
        cursor.execute(_ANNOUNCE, [as_json(things)])
    wake("funnel.tell")


def announce_stage_changes(contact_ids: Sequence[int]) -> None:
    """Announce those of the contacts' transitions that are consumed right now and are news (scoring/announcing.py).

    A transition that is corrected is consumed once more; what was announced of it then is not said again.
    """
    # By the database's clock, which stamped the row. Announcements are kept for longer than that.
    lately = Now() - NEWS_FOR
    said = Announcement.objects.filter(contact_id=OuterRef("contact_id"), transition=OuterRef("pk"))
    unsaid = Transition.objects.filter(
        ~Exists(said), contact_id__in=contact_ids, consumed_at=None, recorded_at__gte=lately
    )
    fresh = with_notice_facts(unsaid).order_by("id")
    news = [
        change
        for change in fresh
        if change.from_stage
        and announces(
            change,
            is_in_force=change.is_in_force,  # type: ignore[attr-defined]  # annotated
            is_first=change.is_first,  # type: ignore[attr-defined]
            is_quiet=change.is_quiet,  # type: ignore[attr-defined]
        )
    ]
    announce(
        [
            Told(
                AnnouncementType.STAGE_CHANGED,
                at=change.effective_at,
                contact_id=change.contact_id,
                transition_id=change.pk,
                data={"from": change.from_stage, "to": change.to_stage},
            )
            for change in news
        ]
    )

"""The consequence app's records: what people do about a judgement, whom that is told, and what it adds up to."""

from funnel.models.announcements import Announcement
from funnel.models.handoffs import Handoff, HandoffMove
from funnel.models.working import (
    Absence,
    Holiday,
    RepProfile,
    RoutingRule,
    SalesSettings,
    WorkingCalendar,
)

__all__ = [
    "Absence",
    "Announcement",
    "Handoff",
    "HandoffMove",
    "Holiday",
    "RepProfile",
    "RoutingRule",
    "SalesSettings",
    "WorkingCalendar",
]

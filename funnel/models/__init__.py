"""The consequence app's records: what people do about a judgement, whom that is told, and what it adds up to."""

from funnel.models.announcements import Announcement
from funnel.models.handoffs import Handoff, HandoffMove
from funnel.models.hooks import HookAttempt, HookDelivery, HookEndpoint, HookMessage
from funnel.models.notices import DigestPlan, NoticeMail, Notification, NotificationItem, NotificationSetting
from funnel.models.proofs import Proof
from funnel.models.rollups import Counting, Passage, Reached, Recount, Tally
from funnel.models.sequences import Enrolment, Sequence, SequenceStep, StepRun
from funnel.models.troubles import Trouble
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
    "Counting",
    "DigestPlan",
    "Enrolment",
    "Handoff",
    "HandoffMove",
    "Holiday",
    "HookAttempt",
    "HookDelivery",
    "HookEndpoint",
    "HookMessage",
    "NoticeMail",
    "Notification",
    "NotificationItem",
    "NotificationSetting",
    "Passage",
    "Proof",
    "Reached",
    "Recount",
    "RepProfile",
    "RoutingRule",
    "SalesSettings",
    "Sequence",
    "SequenceStep",
    "StepRun",
    "Tally",
    "Trouble",
    "WorkingCalendar",
]

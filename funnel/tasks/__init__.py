"""The consequence app's background work: thin, each one service call repeated until nothing is left."""

from funnel.tasks.clocks import clocks
from funnel.tasks.drains import count, drain, reconcile
from funnel.tasks.hooks import forget_hooks, hooks
from funnel.tasks.notices import forget_told, look, notice_mail, tell
from funnel.tasks.proofs import prove
from funnel.tasks.sequences import sequences, stray_enrolments
from funnel.tasks.stranded import stranded
from funnel.tasks.troubles import watch

__all__ = [
    "clocks",
    "count",
    "drain",
    "forget_hooks",
    "forget_told",
    "hooks",
    "look",
    "notice_mail",
    "prove",
    "reconcile",
    "sequences",
    "stranded",
    "stray_enrolments",
    "tell",
    "watch",
]

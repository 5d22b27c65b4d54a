"""The rep's pages: the queue, their own prospects, one handoff, and what they do with it."""

from funnel.views.handoffs.acts import accept, claim, claim_next, hand_back, outcome, reassign, release, take_over, win
from funnel.views.handoffs.lists import mine, queue
from funnel.views.handoffs.page import handoff
from funnel.views.handoffs.talk import contact_log, handoff_log

__all__ = [
    "accept",
    "claim",
    "claim_next",
    "contact_log",
    "hand_back",
    "handoff",
    "handoff_log",
    "mine",
    "outcome",
    "queue",
    "reassign",
    "release",
    "take_over",
    "win",
]

"""``{% load handoffs %}``: how a handoff's state looks."""

from collections.abc import Mapping
from typing import Any

from django import template
from django.contrib.messages.storage.base import Message

from config.web.ui import Tone
from funnel.enums import HandoffState

register = template.Library()

_LOOKS = {
    HandoffState.OFFERED: ("note", "inbox"),
    HandoffState.CLAIMED: ("good", "hand"),
    HandoffState.ACCEPTED: ("good", "handshake"),
    HandoffState.WON: ("good", "trophy"),
    HandoffState.RETURNED: ("warn", "corner-up-left"),
    HandoffState.EXPIRED: ("bad", "alarm-clock"),
    HandoffState.WITHDRAWN: ("", "undo-2"),
    HandoffState.SUSPENDED: ("", "pause"),
}


@register.inclusion_tag("components/badge.html")
def handoff_badge(state: str) -> dict[str, Any]:
    """A handoff's state as a badge."""
    known = HandoffState(state)
    tone, icon = _LOOKS[known]
    return {"label": known.label, "tone": tone, "icon": icon}


@register.filter
def toast_tone(message: Message) -> Tone:
    """``{{ message|toast_tone }}``: the tone in which a message of Django's is said."""
    tones: Mapping[str, Tone] = {"success": "good", "warning": "warn", "error": "bad"}
    return tones.get(message.level_tag, "note")

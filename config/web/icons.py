"""Which icon stands for what, and its rendering (once per icon and size; the markup is cached)."""

from functools import lru_cache
from typing import Final

from django.utils.safestring import SafeString, mark_safe
from lucide.templatetags.lucide import lucide

STAGE_ICONS: Final = {
    "audience": "sprout",
    "lead": "leaf",
    "marketing_prospect": "flower-2",
    "sales_prospect": "citrus",
    "customer": "apple",
}

KIND_ICONS: Final = {
    "list_imported": "file-text",
    "email_sent": "send",
    "direct_mail_sent": "send",
    "ad_shown": "megaphone",
    "email_delivered": "mail",
    "email_opened": "mail",
    "email_clicked": "mouse-pointer-click",
    "email_replied": "corner-up-left",
    "email_bounced": "ban",
    "email_complained": "ban",
    "unsubscribed": "megaphone-off",
    "newsletter_subscribed": "newspaper",
    "details_confirmed": "badge-check",
    "page_viewed": "eye",
    "form_submitted": "file-text",
    "asset_downloaded": "download",
    "event_registered": "ticket",
    "event_attended": "calendar-check",
    "webinar_subscribed": "video",
    "blog_commented": "message-circle",
    "social_liked": "heart",
    "social_shared": "share-2",
    "social_question": "message-circle",
    "trade_show_conversation": "store",
    "networking_met": "network",
    "call_connected": "phone",
    "chat_started": "message-circle",
    "meeting_requested": "calendar",
    "meeting_held": "calendar-check",
    "demo_requested": "presentation",
    "pricing_requested": "tags",
    "trial_started": "star",
    "referred": "user-plus",
    "sequence_completed": "list-tree",
    "purchased": "badge-dollar-sign",
    "refunded": "undo-2",
    "churned": "log-out",
    "call_attempted": "phone-missed",
    "email_written": "send",
    "note_added": "notebook-pen",
    "handoff_claimed": "hand",
    "handoff_accepted": "handshake",
    "handoff_returned": "corner-up-left",
    "handoff_expired": "alarm-clock",
    "handoff_withdrawn": "undo-2",
    "handoff_released": "undo-2",
    "handoff_reassigned": "arrow-right-left",
    "stage_pinned": "pin",
    "stage_unpinned": "pin",
    "converted": "trophy",
}


def stage_icon(key: str) -> str:
    """Name the icon of a stage key; a stage unknown here gets a plain circle."""
    return STAGE_ICONS.get(key, "circle")


def kind_icon(name: str) -> str:
    """Name the icon of an event kind; kinds that sources invented get a dot."""
    return KIND_ICONS.get(name, "circle-dot")


@lru_cache(maxsize=512)
def icon_svg(name: str, size: str = "", label: str = "", extra: str = "") -> SafeString:
    """Return the icon's inline SVG.

    ``size``: ``""`` (16 px), ``sm``, ``lg`` or ``xl``. Without a ``label`` the icon is hidden from screen readers.
    ``extra`` is appended to its class. Raises ``lucide.IconDoesNotExist`` for an unknown name.
    """
    classes = " ".join(part for part in ("icon", f"icon-{size}" if size else "", extra) if part)
    attributes = {"class": classes, "focusable": "false"}
    if label:
        attributes |= {"role": "img", "aria-label": label}
    else:
        attributes["aria-hidden"] = "true"
    return mark_safe(lucide(name, size=16, **attributes))  # noqa: S308  built by an XML serializer, which escapes

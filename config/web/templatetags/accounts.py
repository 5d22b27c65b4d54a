"""What the pages of accounts show in their own way. ``{% load accounts %}``."""

import re
from typing import Final

from django import template
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext

register = template.Library()

# In this order: many browsers also name those they descend from.
_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Firefox", "Firefox"),
    ("Chrom", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS: Final = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)
_PROLOGUE: Final = re.compile(r"^\s*<\?xml.*?\?>\s*", re.DOTALL)


@register.filter
def inline_svg(svg: str) -> SafeString:
    """Put a drawing of ours (a QR code) into the page itself: images from data addresses are forbidden."""
    return mark_safe(_PROLOGUE.sub("", svg))  # noqa: S308  drawn by our own code


@register.filter
def browser_name(user_agent: str) -> str:
    """Say in two words which browser a user agent names: ``Firefox, Windows``."""
    names = [next((name for sign, name in table if sign in user_agent), "") for table in (_BROWSERS, _SYSTEMS)]
    return ", ".join(name for name in names if name) or user_agent[:60] or gettext("unknown browser")

"""Icons, and the small link to what a word means; ``{% load ui %}`` brings them along."""

from typing import Any

from django import template
from django.utils.safestring import SafeString

from config.web import icons
from config.web.components import remember_component, remember_part
from config.web.concepts import concept_url

register = template.Library()


@register.simple_tag
def icon(name: str, size: str = "", label: str = "", extra: str = "") -> SafeString:
    """``{% icon "leaf" %}``: an inline icon; silent unless it has a ``label``."""
    return icons.icon_svg(name, size, label, extra)


@register.simple_tag
def stage_mark(key: str) -> SafeString:
    """``{% stage_mark key %}``: the icon of a stage."""
    return icons.icon_svg(icons.stage_icon(key))


@register.simple_tag
def what(key: str, term: str) -> SafeString:
    """``{% what "engagement" _("Engagement") %}``: a link to where docs/ explain it (config.web.concepts)."""
    return remember_component("what", url=concept_url(key), term=term)


@register.simple_tag
def remembered(template: str, **values: Any) -> SafeString:
    """``{% remembered "components/palette.html" %}``: a part that depends on its inputs alone, rendered once for each.

    The inputs must be hashable, and few: a set of them that is never met again is remembered for nothing.
    """
    return remember_part(template, **values)

"""Icons, and the small link to what a word means; ``{% load ui %}`` brings them along."""

from django import template
from django.utils.safestring import SafeString

from config.web import icons
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


@register.inclusion_tag("components/what.html")
def what(key: str, term: str) -> dict[str, str]:
    """``{% what "engagement" _("Engagement") %}``: a link to where docs/ explain it (config.web.concepts)."""
    return {"url": concept_url(key), "term": term}

"""``{% load wording %}``: what events are called in sentences."""

from django import template

from scoring.wording import kind_phrase as phrase

register = template.Library()


@register.filter
def kind_phrase(name: str) -> str:
    """``{{ kind.name|kind_phrase }}``: what the contact did, in the past tense."""
    return phrase(name)

"""``{% load wording %}``: what events are called in sentences, and answers in the reader's language."""

from django import template

from scoring.wording import answer_word as answer
from scoring.wording import kind_phrase as phrase

register = template.Library()


@register.filter
def kind_phrase(name: str) -> str:
    """``{{ kind.name|kind_phrase }}``: what the contact did, in the past tense."""
    return phrase(name)


@register.filter
def answer_word(value: object) -> str:
    """``{{ gate.closed_when|answer_word }}``: an answer, those of ours (yes, no, unknown) in the reader's language."""
    return answer(str(value))

"""``{% load consent %}``: the answer to "may we write?" on every page of a contact."""

from typing import Any

from django import template
from django.contrib.auth.models import User
from django.utils import timezone

from contacts.selectors.consent import all_purposes
from funnel.services.may_contact import answer_for
from scoring.selectors.header import ContactHeader

register = template.Library()


@register.inclusion_tag("funnel/may_we_write.html", takes_context=True)
def may_we_write(context: template.Context, header: ContactHeader) -> dict[str, Any]:
    """Each purpose with its answer, for the person who looks; what forbids it is told, in short."""
    request = context.get("request")
    person = getattr(request, "user", None)
    answers = answer_for(
        header.contact,
        all_purposes(),
        now=timezone.now(),
        document=header.document,
        by=person if isinstance(person, User) else None,
    )
    return {"answers": answers, "contact": header.contact}

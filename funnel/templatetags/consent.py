"""``{% load consent %}``: the answer to "may we write?" on every page of a contact."""

from typing import Any, Final

from django import template
from django.contrib.auth.models import User
from django.utils import timezone

from contacts.selectors.consent import all_purposes
from funnel.services.may_contact import Answer, answer_for
from scoring.selectors.header import ContactHeader

register = template.Library()


# Where the answers wait for the second place on a page that shows them.
_REMEMBERED: Final = "_ripen_may_we_write"


@register.inclusion_tag("funnel/may_we_write.html", takes_context=True)
def may_we_write(context: template.Context, header: ContactHeader) -> dict[str, Any]:
    """Each purpose with its answer, for the person who looks; what forbids it is told, in short."""
    return {"answers": _answers(context, header), "contact": header.contact}


@register.inclusion_tag("funnel/may_we_write_short.html", takes_context=True)
def may_we_write_short(context: template.Context, header: ContactHeader) -> dict[str, Any]:
    """Each purpose with yes or no, for the head of a contact's pages."""
    return {"answers": _answers(context, header), "contact": header.contact}


def _answers(context: template.Context, header: ContactHeader) -> list[Answer]:
    """The answers, asked for once for each request: a page shows them twice."""
    request = context.get("request")
    remembered: dict[int, list[Answer]] = vars(request).setdefault(_REMEMBERED, {}) if request else {}
    if header.contact.pk not in remembered:
        person = getattr(request, "user", None)
        remembered[header.contact.pk] = answer_for(
            header.contact,
            all_purposes(),
            now=timezone.now(),
            document=header.document,
            by=person if isinstance(person, User) else None,
        )
    return remembered[header.contact.pk]

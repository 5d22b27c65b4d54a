"""Tagging contacts, and taking tags off again: words of ours, which count for no judgement."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils.translation import gettext

from contacts.models import Contact, ContactTag, Tag
from contacts.permissions import check_act_on_contacts

MAX_NAME: Final = 50


class BadTag(ValueError):
    """It cannot be a tag; the message says why, for people."""


def clean_tag(name: str) -> str:
    """Return a tag's name as it is kept: without needless spaces.

    Raises:
        BadTag: it is empty, too long, or holds a comma, which separates tags in a file.
    """
    tidy = " ".join(name.split())
    if not tidy:
        raise BadTag(gettext("Name the tag."))
    if len(tidy) > MAX_NAME:
        raise BadTag(gettext("A tag holds at most %(most)s characters.") % {"most": MAX_NAME})
    if "," in tidy or "\0" in tidy:
        raise BadTag(gettext("A tag holds no comma."))
    return tidy


def tag_contacts(*, contact_ids: Sequence[int], name: str, by: User, now: datetime) -> set[int]:
    """Put a tag on contacts; returns those who did not bear it, and are there. Makes the tag where there is none.

    Raises:
        PermissionDenied: ``by`` may not tag contacts.
        BadTag: it cannot be a tag.
    """
    check_act_on_contacts(by)
    tag = _tag(clean_tag(name), by, now)
    with transaction.atomic():
        # Held against a merge, which would give their rows to somebody else.
        rows = Contact.objects.select_for_update(no_key=True).filter(pk__in=list(contact_ids), present=True)
        present = set(rows.order_by("pk").values_list("pk", flat=True))
        bear = set(ContactTag.objects.filter(tag=tag, contact__in=present).values_list("contact_id", flat=True))
        fresh = present - bear
        ContactTag.objects.bulk_create(
            ContactTag(contact_id=contact_id, tag=tag, tagged_at=now, tagged_by=by) for contact_id in sorted(fresh)
        )
    return fresh


def untag_contacts(*, contact_ids: Sequence[int], name: str, by: User) -> set[int]:
    """Take a tag off contacts; returns those who bore it. One that nobody bears any more is gone.

    Raises:
        PermissionDenied: ``by`` may not tag contacts.
    """
    check_act_on_contacts(by)
    with transaction.atomic():
        tag = Tag.objects.select_for_update().filter(name__iexact=" ".join(name.split())).first()
        if tag is None:
            return set()
        rows = ContactTag.objects.filter(tag=tag, contact__in=list(contact_ids))
        bore = set(rows.values_list("contact_id", flat=True))
        rows.delete()
        if not ContactTag.objects.filter(tag=tag).exists():
            tag.delete()
    return bore


def _tag(name: str, by: User, now: datetime) -> Tag:
    found = Tag.objects.filter(name__iexact=name).first()
    if found is not None:
        return found
    try:
        with transaction.atomic():
            return Tag.objects.create(name=name, created_at=now, created_by=by)
    except IntegrityError:
        # Somebody was faster.
        return Tag.objects.get(name__iexact=name)

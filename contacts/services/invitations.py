"""Inviting people: a signed link, good for seven days and one account, sent by mail and shown once to who invites."""

import logging
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.contrib.auth.password_validation import validate_password
from django.core import signing
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import QuerySet
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext

from contacts.audit import AuditAct
from contacts.enums import Role
from contacts.models import Invitation
from contacts.permissions import check_manage_team
from contacts.services.auditing import audited, record_act
from contacts.services.people import create_person

logger = logging.getLogger(__name__)

GOOD_FOR: Final = timedelta(days=7)
_SALT: Final = "contacts.invitation"
# Backends that keep a mail here: nobody would ever read it.
_KEPT_HERE: Final = ("console.EmailBackend", "filebased.EmailBackend", "dummy.EmailBackend")


@dataclass(frozen=True, slots=True)
class SentInvitation:
    """An invitation, its link (shown once, only the row's nonce is kept) and whether a mail with it has left."""

    invitation: Invitation
    link: str
    mailed: bool


def invite_person(*, email: str, roles: Collection[Role], by: User, now: datetime) -> SentInvitation:
    """Invite somebody to work as ``roles``; an open invitation of the address is replaced, its link dies.

    The mail is sent at once, after the row is safe. Raises ``PermissionDenied``, ``ValidationError`` for an address
    that is none or has an account, and where there is no role.
    """
    check_manage_team(by)
    address = email.strip().lower()
    validate_email(address)
    if not roles:
        raise ValidationError({"roles": gettext("Choose at least one role.")})
    if User.objects.filter(email__iexact=address).exists():
        raise ValidationError({"email": gettext("%(address)s has an account already.") % {"address": address}})
    with transaction.atomic():
        _open().filter(email=address).update(withdrawn_at=now)
        invitation = Invitation.objects.create(
            email=address,
            roles=[role.value for role in roles],
            nonce=secrets.token_hex(16),
            invited_by=by,
            sent_at=now,
            expires_at=now + GOOD_FOR,
        )
        record_act(AuditAct.PERSON_INVITED, by=by, about=invitation, roles=invitation.roles)
    return _send(invitation, by)


def resend_invitation(*, invitation: Invitation, by: User, now: datetime) -> SentInvitation:
    """Send a new link, good for another seven days; the old one dies.

    Raises ``PermissionDenied``, ``ValidationError`` for an invitation that was accepted or withdrawn.
    """
    check_manage_team(by)
    changes = {"nonce": secrets.token_hex(16), "sent_at": now, "expires_at": now + GOOD_FOR}
    with transaction.atomic():
        if not _open().filter(pk=invitation.pk).update(**changes):
            raise ValidationError(gettext("This invitation was accepted or withdrawn meanwhile."))
        record_act(AuditAct.PERSON_INVITED, by=by, about=invitation, roles=invitation.roles, again=True)
    invitation.refresh_from_db()
    return _send(invitation, by)


@audited(AuditAct.INVITATION_WITHDRAWN, "invitation")
def withdraw_invitation(*, invitation: Invitation, by: User, now: datetime) -> bool:
    """End an invitation; False where it was accepted or withdrawn already. Raises ``PermissionDenied``."""
    check_manage_team(by)
    return bool(_open().filter(pk=invitation.pk).update(withdrawn_at=now))


def read_invitation(signed: str, *, now: datetime) -> Invitation | None:
    """Return the open invitation that a link names; None where the link is forged, used, replaced or too old."""
    try:
        number, nonce = signing.loads(signed, salt=_SALT)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return _open().filter(pk=number, nonce=nonce, expires_at__gt=now).first()


def accept_invitation(*, signed: str, first_name: str, last_name: str, password: str, now: datetime) -> User | None:
    """Make the account that an invitation is for; None where its link is good no more.

    Raises ``ValidationError`` for a password that is too weak, and for an address that has an account meanwhile.
    """
    with transaction.atomic():
        found = read_invitation(signed, now=now)
        # Locked and looked at again: of two who open the same link at once, one gets the account.
        if found is None or (invitation := _open().select_for_update().filter(pk=found.pk).first()) is None:
            return None
        person = User(username=invitation.email, email=invitation.email, first_name=first_name, last_name=last_name)
        try:
            validate_password(password, person)
        except ValidationError as error:
            raise ValidationError({"password": error.messages}) from error
        roles = [Role(role) for role in invitation.roles]
        person = create_person(email=invitation.email, role=roles[0], password=password, by=None)
        person.groups.add(*Group.objects.filter(name__in=invitation.roles))
        person.first_name, person.last_name = first_name, last_name
        person.save(update_fields=["first_name", "last_name"])
        Invitation.objects.filter(pk=invitation.pk).update(accepted_at=now, person=person)
        record_act(AuditAct.INVITATION_ACCEPTED, by=person, about=invitation)
    logger.info("invitation_accepted", extra={"invitation": invitation.pk, "person": person.pk})
    return person


def link_of(invitation: Invitation) -> str:
    """Return the address that opens an invitation."""
    signed = signing.dumps([invitation.pk, invitation.nonce], salt=_SALT)
    return f"{settings.BASE_URL}{reverse('invitation', args=[signed])}"


def _open() -> QuerySet[Invitation]:
    return Invitation.objects.filter(accepted_at=None, withdrawn_at=None)


def _send(invitation: Invitation, by: User) -> SentInvitation:
    link = link_of(invitation)
    context = {"link": link, "by": by.get_full_name() or by.get_username(), "days": GOOD_FOR.days}
    message = EmailMessage(
        subject=gettext("You are invited to Ripen"),
        body=render_to_string("contacts/invitation_mail.txt", context).strip() + "\n",
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[invitation.email],
        headers={"Auto-Submitted": "auto-generated"},
    )
    try:
        message.send()
    except Exception as error:  # noqa: BLE001  whatever a provider's library raises, the link is shown
        logger.warning("invitation_not_mailed", extra={"invitation": invitation.pk, "error": type(error).__name__})
        return SentInvitation(invitation, link, mailed=False)
    return SentInvitation(invitation, link, mailed=not settings.EMAIL_BACKEND.endswith(_KEPT_HERE))

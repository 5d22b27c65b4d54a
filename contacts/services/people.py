"""People: who may sign in, with which roles, and their personal tokens."""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext

from contacts.audit import AuditAct
from contacts.enums import Role
from contacts.keys import TOKEN_PREFIX, mint_key
from contacts.models import PersonalToken
from contacts.permissions import check_manage_team, forget_roles
from contacts.services.auditing import audited
from contacts.services.wake import wake

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NewToken:
    """A personal token and its key, which is shown once and not stored."""

    token: PersonalToken
    key: str


@audited(AuditAct.PERSON_CREATED, "result", keep=["role"])
def create_person(*, email: str, role: Role, password: str, by: User | None) -> User:
    """Create somebody who signs in with ``email`` and ``password`` and works as ``role``.

    ``by`` is the administrator who does it; None is the shell of the machine. Raises ``ValidationError`` for an e-mail
    that is no address or taken (compared without case), ``PermissionDenied``.
    """
    if by is not None:
        check_manage_team(by)
    address = email.strip().lower()
    validate_email(address)
    try:
        with transaction.atomic():
            if User.objects.filter(email__iexact=address).exists():
                raise ValidationError({"email": _taken(address)})
            person = User.objects.create_user(username=address, email=address, password=password)
            person.groups.add(Group.objects.get(name=role.value))
    except IntegrityError as error:
        raise ValidationError({"email": _taken(address)}) from error
    return person


def _taken(address: str) -> str:
    return gettext("%(address)s has an account already.") % {"address": address}


@audited(AuditAct.TOKEN_CREATED, "result.token", keep=["user"])
def create_token(*, user: User, name: str, by: User | None) -> NewToken:
    """Mint a personal token: it may do what ``user`` may do, for as long as they may.

    ``by`` is ``user`` themselves or an administrator; None is the shell of the machine. Raises ``PermissionDenied``.
    """
    if by is not None and by != user:
        check_manage_team(by)
    if not user.is_active:
        raise PermissionDenied(gettext("A deactivated account gets no tokens."))
    minted = mint_key(TOKEN_PREFIX)
    token = PersonalToken.objects.create(user=user, name=name, key_hash=minted.key_hash, key_prefix=minted.prefix)
    return NewToken(token, minted.key)


@audited(AuditAct.TOKEN_REVOKED, "token", keep=["token.user_id"])
def revoke_token(*, token: PersonalToken, by: User, now: datetime) -> None:
    """Make a token useless for good. ``by`` is whose it is, or an administrator. Raises ``PermissionDenied``."""
    if by.pk != token.user_id:
        check_manage_team(by)
    PersonalToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now)


@audited(AuditAct.ROLES_CHANGED, "person", keep=["roles"])
def set_roles(*, person: User, roles: Collection[Role], by: User) -> None:
    """Let ``person`` work as ``roles`` from now on, and as nothing else.

    What they hold of Sales goes to others where they leave it. Raises ``PermissionDenied``, ``ValidationError`` where
    there is no role, or no administrator would be left.
    """
    if not roles:
        raise ValidationError({"roles": gettext("Choose at least one role.")})
    with transaction.atomic():
        _lock_administrators(by)
        # Other groups, which an installation may have for itself, stay.
        person.groups.remove(*Group.objects.filter(name__in=Role.values))
        person.groups.add(*Group.objects.filter(name__in=[role.value for role in roles]))
        forget_roles(person)
        _keep_an_administrator("roles")
        wake("funnel.stranded")
    logger.info("roles_set", extra={"person": person.pk, "by": by.pk, "roles": sorted(roles)})


@audited(AuditAct.PERSON_DEACTIVATED, "person")
def deactivate_person(*, person: User, by: User, now: datetime) -> None:
    """Let ``person`` sign in no more: their sessions end, their tokens are revoked, their prospects go to others.

    Raises ``PermissionDenied``, ``ValidationError`` for oneself and for the last administrator.
    """
    if person.pk == by.pk:
        raise ValidationError(gettext("You cannot deactivate yourself: ask another administrator."))
    with transaction.atomic():
        _lock_administrators(by)
        User.objects.filter(pk=person.pk).update(is_active=False)
        _keep_an_administrator()
        PersonalToken.objects.filter(user=person, revoked_at=None).update(revoked_at=now)
        for session in UserSession.objects.filter(user=person):
            session.end()
        # The sweep of the funnel hands on what they held; this only spares it the wait.
        wake("funnel.stranded")
    logger.info("person_deactivated", extra={"person": person.pk, "by": by.pk})


@audited(AuditAct.PERSON_REACTIVATED, "person")
def reactivate_person(*, person: User, by: User) -> None:
    """Let ``person`` sign in again. Revoked tokens stay so, prospects do not come back. Raises ``PermissionDenied``."""
    check_manage_team(by)
    User.objects.filter(pk=person.pk).update(is_active=True)
    logger.info("person_reactivated", extra={"person": person.pk, "by": by.pk})


@audited(AuditAct.SECOND_FACTOR_RESET, "person")
def reset_second_factor(*, person: User, by: User) -> None:
    """Forget the second factors of ``person``, who has lost them: the password alone signs in until there are new ones.

    Their sessions end: whoever holds one might not be them. Raises ``PermissionDenied``, ``ValidationError`` for
    oneself, whose way leads over the own settings.
    """
    check_manage_team(by)
    if person.pk == by.pk:
        raise ValidationError(gettext("Change your own second factors in your settings."))
    with transaction.atomic():
        Authenticator.objects.filter(user=person).delete()
        for session in UserSession.objects.filter(user=person):
            session.end()
    logger.info("second_factor_reset", extra={"person": person.pk, "by": by.pk})


def _lock_administrators(by: User) -> None:
    """Let one change of who administers happen after the other, and look again at who is about to make it."""
    list(Group.objects.select_for_update().filter(name=Role.ADMIN))
    check_manage_team(User.objects.get(pk=by.pk))


def _keep_an_administrator(field: str | None = None) -> None:
    if not User.objects.filter(Q(groups__name=Role.ADMIN) | Q(is_superuser=True), is_active=True).exists():
        text = gettext("Somebody has to administer this installation: make another person an administrator first.")
        raise ValidationError({field: text} if field else text)

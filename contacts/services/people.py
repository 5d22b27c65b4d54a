"""People: who may sign in, with which role, and their personal tokens."""

from dataclasses import dataclass

from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from contacts.enums import Role
from contacts.keys import TOKEN_PREFIX, mint_key
from contacts.models import PersonalToken
from contacts.permissions import check_manage_team


@dataclass(frozen=True, slots=True)
class NewToken:
    """A personal token and its key, which is shown once and not stored."""

    token: PersonalToken
    key: str


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
                raise ValidationError({"email": f"{address} has an account already."})
            person = User.objects.create_user(username=address, email=address, password=password)
            person.groups.add(Group.objects.get(name=role.value))
    except IntegrityError as error:
        raise ValidationError({"email": f"{address} has an account already."}) from error
    return person


def create_token(*, user: User, name: str, by: User | None) -> NewToken:
    """Mint a personal token: it may do what ``user`` may do, for as long as they may.

    ``by`` is ``user`` themselves or an administrator; None is the shell of the machine. Raises ``PermissionDenied``.
    """
    if by is not None and by != user:
        check_manage_team(by)
    if not user.is_active:
        raise PermissionDenied("A deactivated account gets no tokens.")
    minted = mint_key(TOKEN_PREFIX)
    token = PersonalToken.objects.create(user=user, name=name, key_hash=minted.key_hash, key_prefix=minted.prefix)
    return NewToken(token, minted.key)

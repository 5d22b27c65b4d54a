"""Who works here: the team, one of them, and who is invited."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet

from contacts.enums import Role
from contacts.models import Invitation, PersonalToken, Preferences, Standing
from contacts.permissions import remember_roles

# Recovery codes alone are none: they stand in for one of these.
_FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


@dataclass(frozen=True, slots=True)
class Member:
    """One of the team, with the labels of their roles and whether a second factor protects them."""

    user: User
    roles: list[str]
    second_factor: bool


@dataclass(frozen=True, slots=True)
class Holdings:
    """What ends when somebody is deactivated: sessions, tokens that work, contacts they own."""

    sessions: int
    tokens: int
    contacts: int


_OF_SESSION: Final = """
SELECT {person}, ARRAY(
    SELECT role.name FROM auth_group AS role JOIN auth_user_groups AS membership ON membership.group_id = role.id
    WHERE membership.user_id = person.id
), {preferences}
FROM auth_user AS person LEFT JOIN contacts_preferences AS preferences ON preferences.user_id = person.id
WHERE person.id = %s
"""


def person_of_session(user_id: int) -> User | None:
    """Return the person with their roles, and how they want Ripen to speak: every page needs all three. One query."""
    statement, own, chosen = _statement_of_session()
    with connection.cursor() as cursor:
        cursor.execute(statement, [user_id])
        row = cursor.fetchone()
    if row is None:
        return None
    user: User = User.from_db(connection.alias, own, row[: len(own)])
    remember_roles(user, row[len(own)])
    preferences = row[len(own) + 1 :]
    kept = Preferences.from_db(connection.alias, chosen, preferences) if preferences[0] is not None else None
    # As a relation that was loaded along: None is remembered, too.
    User._meta.get_field("preferences").set_cached_value(user, kept)  # noqa: SLF001  Django's public name for it
    return user


@cache
def _statement_of_session() -> tuple[str, list[str], list[str]]:
    """The statement, and the attributes that its columns are."""
    own, chosen = (model._meta.concrete_fields for model in (User, Preferences))  # noqa: SLF001  as above
    statement = _OF_SESSION.format(
        person=", ".join(f"person.{field.column}" for field in own),
        preferences=", ".join(f"preferences.{field.column}" for field in chosen),
    )
    return statement, [field.attname for field in own], [field.attname for field in chosen]


def team_members() -> list[Member]:
    """Return everybody with a role, active ones first; two queries."""
    people = members().prefetch_related("groups").order_by("-is_active", "first_name", "last_name", "username")
    return [member_of(one) for one in people]


def members() -> QuerySet[User]:
    """Return everybody with a role, with ``second_factor`` as a column."""
    factors = Authenticator.objects.filter(user=OuterRef("pk"), type__in=_FACTORS)
    having = Q(groups__isnull=False) | Q(is_superuser=True) | Q(is_active=False)
    ids = User.objects.filter(having).values("pk")
    return User.objects.filter(pk__in=ids).annotate(second_factor=Exists(factors))


def member_of(user: User) -> Member:
    """Return one of ``members()`` as a row of the team."""
    names = {group.name for group in user.groups.all()}
    labels = [str(role.label) for role in Role if role.value in names]
    return Member(user, labels, bool(vars(user).get("second_factor")))


def holdings_of(user: User) -> Holdings:
    """Count what ends with the account; three queries."""
    return Holdings(
        sessions=UserSession.objects.filter(user=user).count(),
        tokens=PersonalToken.objects.filter(user=user, revoked_at=None).count(),
        contacts=Standing.objects.filter(owner=user).count(),
    )


def open_invitations(*, now: datetime) -> list[tuple[Invitation, list[str], bool]]:
    """Return who is invited and has not come: each with the labels of the roles and whether its link is too old."""
    rows = Invitation.objects.filter(accepted_at=None, withdrawn_at=None).select_related("invited_by")
    labels = dict(Role.choices)
    return [
        (one, [str(labels.get(role, role)) for role in one.roles], one.expires_at <= now)
        for one in rows.order_by("-sent_at", "pk")
    ]

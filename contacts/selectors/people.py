"""Who works here: the team, one of them, and who is invited."""

from dataclasses import dataclass
from datetime import datetime

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Q, QuerySet

from contacts.enums import Role
from contacts.models import Invitation, PersonalToken, Standing

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

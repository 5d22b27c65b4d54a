"""Us: who is here, in which roles, and how each wants to be told."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.contrib.auth.models import User

from contacts.enums import Role
from contacts.permissions import SELLERS
from funnel.enums import MailMode, NoticeKind
from funnel.models import NotificationSetting
from funnel.notice_kinds import KINDS, Ways, default_ways
from funnel.selectors.working import capacities, working_times


@dataclass(frozen=True, slots=True)
class Staff:
    """Everybody who may sign in and has a role, by user id; and what each chose, by user id and kind."""

    roles: Mapping[int, frozenset[Role]]
    chosen: Mapping[tuple[int, str], Ways]
    _listening: dict[NoticeKind, list[int]] = field(default_factory=dict)

    def ways(self, user_id: int | None, kind: NoticeKind) -> Ways | None:
        """How ``kind`` reaches this person; None where it does not: their role is not told of it, or they said so."""
        roles = self.roles.get(user_id or 0, frozenset())
        if not roles & KINDS[kind].ways.keys():
            return None
        ways = self.chosen.get((user_id or 0, kind)) or default_ways(kind, roles)
        return ways if ways.any else None

    def listening(self, kind: NoticeKind) -> list[int]:
        """Ids of all whom ``kind`` reaches."""
        if kind not in self._listening:
            self._listening[kind] = [user_id for user_id in self.roles if self.ways(user_id, kind) is not None]
        return self._listening[kind]

    def in_roles(self, roles: Iterable[Role]) -> list[int]:
        """Ids of all who hold one of these roles."""
        wanted = frozenset(roles)
        return [user_id for user_id, held in self.roles.items() if held & wanted]


def load_staff(user_ids: Iterable[int] | None = None) -> Staff:
    """Load everybody, or these people only; two queries."""
    people = User.objects.filter(is_active=True)
    settings = NotificationSetting.objects.all()
    if user_ids is not None:
        wanted = list(user_ids)
        people, settings = people.filter(pk__in=wanted), settings.filter(user__in=wanted)
    roles: dict[int, set[Role]] = {}
    for user_id, is_superuser, group in people.order_by("pk").values_list("pk", "is_superuser", "groups__name"):
        held = roles.setdefault(user_id, set())
        if group in Role.values:
            held.add(Role(group))
        if is_superuser:
            held.add(Role.ADMIN)
    return Staff(
        roles={user_id: frozenset(held) for user_id, held in roles.items() if held},
        chosen={(row.user_id, row.kind): Ways(row.in_app, MailMode(row.mail)) for row in settings},
    )


def who_can_claim(staff: Staff, *, now: datetime) -> list[int]:
    """Those of Sales who listen to the queue, are not away, and have room for another handoff; nine queries."""
    sellers = frozenset(staff.in_roles(SELLERS))
    asked = [user_id for user_id in staff.listening(NoticeKind.QUEUE) if user_id in sellers]
    if not asked:
        return []
    times, room = working_times(asked), capacities(asked)
    return [user_id for user_id in asked if room[user_id].free and not times.is_away(user_id, now)]

"""Who is told what of an announcement. Nobody is told of what they did themselves, and everybody once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from contacts.enums import Role
from contacts.models import Standing
from contacts.selectors.merges import roots_of
from funnel.enums import AnnouncementType, DisableReason, HandoffState, MoveName, NoticeKind, ReleaseReason, StopReason
from funnel.models import Announcement, Handoff
from funnel.moves import HELD_STATES
from funnel.services.notices.staff import Staff, who_can_claim
from scoring.announcing import NEWS_FOR
from scoring.models import Transition
from scoring.selectors import stage_labels

CUSTOMER: Final = "customer"
# Who left a sequence so is told of otherwise, or was taken out by somebody who knows.
_NO_NEWS: Final = frozenset(
    {StopReason.STAGE_CHANGED, StopReason.CLAIMED, StopReason.MERGED, StopReason.ERASED, StopReason.BY_HAND}
)


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing for one person. ``key`` names what told of it: a person is told once of each."""

    user_id: int
    kind: NoticeKind
    what: str
    key: str
    at: datetime
    contact_id: int | None = None
    handoff_id: int | None = None
    by_id: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Scene:
    """What must be known to tell of a batch of announcements: a fixed number of queries, whatever their number."""

    staff: Staff
    now: datetime
    present: frozenset[int]
    handoffs: Mapping[int, Handoff]
    owners: Mapping[int, int]
    transitions: Mapping[int, Transition]
    stages: Sequence[str]
    # Contacts that were lately won, with who won them: they were told so.
    won: frozenset[tuple[int, int]]
    _takers: list[int] | None = None

    @property
    def takers(self) -> list[int]:
        """Who can take something from the queue; looked up where something is in it."""
        if self._takers is None:
            self._takers = who_can_claim(self.staff, now=self.now)
        return self._takers


def set_scene(announcements: Sequence[Announcement], *, staff: Staff, now: datetime) -> Scene:
    """Look up what telling of these needs."""
    contact_ids = {row.contact_id for row in announcements if row.contact_id is not None}
    changed = {
        row.contact_id
        for row in announcements
        if row.contact_id is not None and row.type in {AnnouncementType.STAGE_CHANGED, AnnouncementType.SEQUENCE_ENDED}
    }
    owners: dict[int, int] = {}
    won: frozenset[tuple[int, int]] = frozenset()
    stages: Sequence[str] = ()
    if changed:
        standings = Standing.objects.filter(contact_id__in=changed, owner__isnull=False)
        owners = {contact_id: owner for contact_id, owner in standings.values_list("contact_id", "owner_id") if owner}
        lately = Handoff.objects.filter(
            contact_id__in=changed, state=HandoffState.WON, closed_at__gte=now - NEWS_FOR, claimed_by__isnull=False
        )
        won = frozenset((contact_id, rep or 0) for contact_id, rep in lately.values_list("contact_id", "claimed_by_id"))
        stages = list(stage_labels())
    return Scene(
        staff=staff,
        now=now,
        present=frozenset(roots_of(contact_ids)) if contact_ids else frozenset(),
        handoffs=Handoff.objects.in_bulk({row.handoff_id for row in announcements if row.handoff_id is not None}),
        owners=owners,
        transitions=Transition.objects.select_related("cause_event").in_bulk(
            {row.transition_id for row in announcements if row.transition_id is not None}
        ),
        stages=stages,
        won=won,
    )


def notices_of(row: Announcement, scene: Scene) -> list[Notice]:
    """Whom to tell of one announcement; of a contact that was erased since, nobody."""
    tell = _TELLERS.get(AnnouncementType(row.type))
    if tell is None or (row.contact_id is not None and row.contact_id not in scene.present):
        return []
    if row.type.startswith("handoff.") and row.handoff_id not in scene.handoffs:
        return []
    by = row.data.get("by")
    found: dict[int, Notice] = {}
    for user_id, kind, what in tell(row, scene):
        # Whoever did it knows; whom two rules name is told by the first, which is the closer one.
        if user_id is None or user_id == by or user_id in found or scene.staff.ways(user_id, kind) is None:
            continue
        found[user_id] = Notice(
            user_id=user_id,
            kind=kind,
            what=what,
            key=f"announcement:{row.pk}",
            at=row.at,
            contact_id=row.contact_id,
            handoff_id=row.handoff_id,
            by_id=by,
            data={
                name: row.data[name]
                for name in ("from", "to", "reason", "sequence", "count", "endpoint")
                if name in row.data
            },
        )
    return list(found.values())


_Told = Iterator[tuple[int | None, NoticeKind, str]]


def _queue(scene: Scene, what: str) -> _Told:
    return ((user_id, NoticeKind.QUEUE, what) for user_id in scene.takers)


def _all(scene: Scene, kind: NoticeKind, what: str) -> _Told:
    return ((user_id, kind, what) for user_id in scene.staff.listening(kind))


def _offered(row: Announcement, scene: Scene) -> _Told:
    handoff, kept_for = _handoff(row, scene), row.data.get("to_rep")
    if handoff.state != HandoffState.OFFERED:
        # It is somebody's, or over: nobody need come running any more.
        return
    if kept_for is not None:
        yield kept_for, NoticeKind.GIVEN, "kept"
    else:
        yield from _queue(scene, "offered")


def _warned(row: Announcement, scene: Scene) -> _Told:
    handoff = _handoff(row, scene)
    if handoff.state in HELD_STATES:
        yield handoff.claimed_by_id, NoticeKind.DEADLINE, "attempt_soon"
    elif handoff.state == HandoffState.OFFERED and handoff.assigned_to_id is not None:
        yield handoff.assigned_to_id, NoticeKind.DEADLINE, "claim_soon"
    elif handoff.state == HandoffState.OFFERED:
        yield from _queue(scene, "claim_soon")


def _claimed(row: Announcement, scene: Scene) -> _Told:
    if row.data.get("from_rep") != row.data.get("to_rep"):
        yield row.data.get("from_rep"), NoticeKind.TAKEN, "claimed_by_other"


def _released(row: Announcement, scene: Scene) -> _Told:
    by_hand = row.data.get("reason") == ReleaseReason.BY_HAND
    had = row.data.get("from_rep")
    yield had, NoticeKind.TAKEN, "released" if by_hand else "released_by_clock"
    yield from _all(scene, NoticeKind.MOVED, "released")
    if _handoff(row, scene).state == HandoffState.OFFERED:
        yield from ((user_id, kind, what) for user_id, kind, what in _queue(scene, "back") if user_id != had)


def _reassigned(row: Announcement, scene: Scene) -> _Told:
    had, has = row.data.get("from_rep"), row.data.get("to_rep")
    if had != has:
        yield has, NoticeKind.GIVEN, "kept" if row.data.get("to") == HandoffState.OFFERED else "passed_on"
        yield had, NoticeKind.TAKEN, "taken_over" if row.data.get("move") == MoveName.TAKE_OVER else "passed_on"
    yield from _all(scene, NoticeKind.MOVED, "passed_on")
    if has is None and _handoff(row, scene).state == HandoffState.OFFERED:
        yield from _queue(scene, "offered")


def _returned(row: Announcement, scene: Scene) -> _Told:
    yield row.data.get("from_rep"), NoticeKind.TAKEN, "returned"
    yield from _all(scene, NoticeKind.RETURNED, "returned")


def _expired(row: Announcement, scene: Scene) -> _Told:
    yield row.data.get("from_rep"), NoticeKind.TAKEN, "expired"
    yield from _all(scene, NoticeKind.ESCALATED, "expired")


def _withdrawn(row: Announcement, scene: Scene) -> _Told:
    yield row.data.get("from_rep"), NoticeKind.TAKEN, "withdrawn"


def _won(row: Announcement, scene: Scene) -> _Told:
    rep = _handoff(row, scene).claimed_by_id
    yield rep, NoticeKind.WON, "won_yours"
    # To reps only their own: the others would read it as work.
    yield from (told for told in _all(scene, NoticeKind.WON, "won") if not _only_sells(scene.staff, told[0]))


def _starving(row: Announcement, scene: Scene) -> _Told:
    return _all(scene, NoticeKind.STARVING, "starving")


def _stage_changed(row: Announcement, scene: Scene) -> _Told:
    owner = scene.owners.get(row.contact_id or 0)
    origin, target = row.data.get("from"), row.data.get("to")
    transition = scene.transitions.get(row.transition_id or 0)
    cause = transition.cause_event if transition is not None else None
    if owner is None or (cause is not None and cause.recorded_by_id == owner):
        return
    if target == CUSTOMER:
        if (row.contact_id, owner) not in scene.won:
            yield owner, NoticeKind.STAGE, "bought"
    elif origin in scene.stages and target in scene.stages and scene.stages.index(target) < scene.stages.index(origin):
        yield owner, NoticeKind.STAGE, "fell"


def _sequence_ended(row: Announcement, scene: Scene) -> _Told:
    reason = row.data.get("reason", "")
    if reason in _NO_NEWS:
        return
    what = "sequence_left" if reason else "sequence"
    yield scene.owners.get(row.contact_id or 0), NoticeKind.SEQUENCE, what
    yield from (told for told in _all(scene, NoticeKind.SEQUENCE, what) if not _only_sells(scene.staff, told[0]))


def _hook_failing(row: Announcement, scene: Scene) -> _Told:
    return _all(scene, NoticeKind.HOOK, "hook_failing")


def _hook_disabled(row: Announcement, scene: Scene) -> _Told:
    return _all(
        scene, NoticeKind.HOOK, "hook_gone" if row.data.get("reason") == DisableReason.GONE else "hook_disabled"
    )


def _handoff(row: Announcement, scene: Scene) -> Handoff:
    return scene.handoffs[row.handoff_id or 0]


def _only_sells(staff: Staff, user_id: int | None) -> bool:
    return staff.roles.get(user_id or 0, frozenset()) == {Role.REP}


_TELLERS: Final[Mapping[AnnouncementType, Callable[[Announcement, Scene], _Told]]] = {
    AnnouncementType.OFFERED: _offered,
    AnnouncementType.WARNED: _warned,
    AnnouncementType.CLAIMED: _claimed,
    AnnouncementType.RELEASED: _released,
    AnnouncementType.REASSIGNED: _reassigned,
    AnnouncementType.RETURNED: _returned,
    AnnouncementType.EXPIRED: _expired,
    AnnouncementType.WITHDRAWN: _withdrawn,
    AnnouncementType.WON: _won,
    AnnouncementType.STARVING: _starving,
    AnnouncementType.STAGE_CHANGED: _stage_changed,
    AnnouncementType.SEQUENCE_ENDED: _sequence_ended,
    AnnouncementType.HOOK_FAILING: _hook_failing,
    AnnouncementType.HOOK_DISABLED: _hook_disabled,
}

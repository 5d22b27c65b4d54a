"""Pins: what people said of where contacts stand. A pin is a fact (``stage_pinned``) with a note and an end."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from django.contrib.auth.models import User
from django.utils.dateparse import parse_datetime

from contacts.models import Event

PINNED: Final = "stage_pinned"
UNPINNED: Final = "stage_unpinned"


@dataclass(frozen=True, slots=True)
class Pin:
    """A person's word on where a contact stands, from ``since`` until ``until``.

    ``event_id`` is the fact that says so. ``ended_at`` is when it was over: taken back, replaced by another, or run
    out; None while it still holds at the moment that was asked about.
    """

    event_id: int
    contact_id: int
    stage: str
    note: str
    since: datetime
    until: datetime
    by: User | None
    ended_at: datetime | None = None


def pins_in_force(contact_ids: Sequence[int], *, at: datetime) -> dict[int, Pin]:
    """Return the pin of each of these contacts that holds at ``at``; contacts without one are left out. One query."""
    found: dict[int, Pin] = {}
    rows = _facts(contact_ids).filter(occurred_at__lte=at).order_by("contact_id", "-occurred_at", "-id")
    for event in rows.distinct("contact_id"):
        pin = read_pin(event)
        if pin is not None and pin.until > at:
            found[pin.contact_id] = pin
    return found


def pins_of(contact_id: int, *, at: datetime) -> list[Pin]:
    """Return all pins that a contact had up to ``at``, latest first, each with its end. One query."""
    rows = _facts([contact_id]).filter(occurred_at__lte=at).order_by("-occurred_at", "-id")
    return _with_ends(rows, at)


def pin_facts(contact_ids: Sequence[int]) -> dict[int, list[Event]]:
    """Return the facts about the pins of each contact, set or taken back, latest first; one query."""
    found: dict[int, list[Event]] = {}
    for event in _facts(contact_ids).order_by("contact_id", "-occurred_at", "-id"):
        found.setdefault(event.contact_id, []).append(event)
    return found


def _facts(contact_ids: Sequence[int]) -> Any:
    judged = Event.objects.filter(retracted_at=None, suspect_reason="", contact_id__in=list(contact_ids))
    return judged.filter(kind__name__in=(PINNED, UNPINNED)).select_related("kind", "recorded_by")


def _with_ends(latest_first: Iterable[Event], at: datetime) -> list[Pin]:
    pins: list[Pin] = []
    replaced_at: datetime | None = None
    for event in latest_first:
        pin = read_pin(event)
        if pin is not None:
            ends = [moment for moment in (replaced_at, pin.until) if moment is not None and moment <= at]
            pins.append(replace(pin, ended_at=min(ends, default=None)))
        replaced_at = event.occurred_at
    return pins


def read_pin(event: Event) -> Pin | None:
    """Read a pin from its fact; None from one that takes a pin back, or that cannot be read."""
    said = event.properties if isinstance(event.properties, dict) else {}
    until = parse_datetime(str(said.get("until") or ""))
    stage = said.get("stage")
    if event.kind.name != PINNED or until is None or until.tzinfo is None or not isinstance(stage, str):
        return None
    return Pin(
        event.pk, event.contact_id, stage, str(said.get("note") or ""), event.occurred_at, until, event.recorded_by
    )

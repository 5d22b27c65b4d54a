"""Acts on many contacts at once: ordered as a job, done chunk by chunk, each chunk with what came of it, undone as one.

What came of an act is kept with its order: how many were done, were so already, and were refused and why. A chunk and
its outcome are one transaction, so whoever takes the job over goes on behind it, and undoing knows all that was done.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext

from config.web.formats import format_number
from contacts.enums import JobKind
from contacts.models import Event, Job, Kind
from contacts.permissions import check_act_on_contacts, check_correct_events, check_pin_stage
from contacts.services.corrections import MAX_EVENTS, Corrected, reclassify_events, restore_events, retract_events
from contacts.services.pinning import pin_stage, undo_pins, unpin_stage
from contacts.services.tags import tag_contacts, untag_contacts
from contacts.services.work import CannotRun, Progress

# So many contacts at most; whoever means more narrows the view down.
MOST_CONTACTS: Final = 10_000
CHUNK: Final = 100
PINS_BACK: Final = "pins-back"
# So many refusals are kept by name; the others are counted.
REFUSALS_KEPT: Final = 200

GONE: Final = "gone"
UNCHANGED: Final = "unchanged"
CHANGED_SINCE: Final = "changed_since"


@dataclass(slots=True)
class Outcome:
    """What an act did to some contacts.

    ``done``: ids of contacts that it changed; ``refused``: contact id -> code of why not (``gone``, ``unchanged``, or
    the act's own). ``events``: ids of events that it marked, for acts on events; ``facts``: of those that it recorded
    and that undoing needs to know.
    """

    done: set[int] = field(default_factory=set)
    refused: dict[int, str] = field(default_factory=dict)
    events: set[int] = field(default_factory=set)
    facts: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Act:
    """Something that can be done to many contacts.

    ``check`` raises PermissionDenied. ``perform`` does it to a chunk (ids, options, by, now). ``undo`` is the act that
    takes it back, given the same contacts (or events) and options; ``""``: nothing does. ``chunk``: contacts at a time.
    """

    check: Callable[[Any], None]
    perform: Callable[[Sequence[int], Mapping[str, Any], User, datetime], Outcome]
    undo: str = ""
    chunk: int = CHUNK


def _tag(ids: Sequence[int], options: Mapping[str, Any], by: User, now: datetime) -> Outcome:
    done = tag_contacts(contact_ids=ids, name=options["tag"], by=by, now=now)
    return Outcome(done, dict.fromkeys(set(ids) - done, UNCHANGED))


def _untag(ids: Sequence[int], options: Mapping[str, Any], by: User, now: datetime) -> Outcome:
    done = untag_contacts(contact_ids=ids, name=options["tag"], by=by)
    return Outcome(done, dict.fromkeys(set(ids) - done, UNCHANGED))


def _pin(ids: Sequence[int], options: Mapping[str, Any], by: User, now: datetime) -> Outcome:
    until = parse_datetime(options["until"])
    if until is None or until <= now:
        raise CannotRun(gettext("The pin would have run out before it was set."))
    done = pin_stage(contact_ids=ids, stage=options["stage"], note=options["note"], until=until, by=by, now=now)
    return Outcome(set(done), dict.fromkeys(set(ids) - set(done), GONE), facts=set(done.values()))


def _unpin(ids: Sequence[int], options: Mapping[str, Any], by: User, now: datetime) -> Outcome:
    done = unpin_stage(contact_ids=ids, by=by, now=now)
    return Outcome(set(done), dict.fromkeys(set(ids) - set(done), UNCHANGED), facts=set(done.values()))


def _put_pins_back(ids: Sequence[int], options: Mapping[str, Any], by: User, now: datetime) -> Outcome:
    done = undo_pins(contact_ids=ids, event_ids=options["facts"], by=by, now=now)
    return Outcome(set(done), dict.fromkeys(set(ids) - set(done), CHANGED_SINCE))


def _retract(ids: list[int], reason: str, by: User, now: datetime) -> Corrected:
    return retract_events(event_ids=ids, reason=reason, by=by, now=now)


def _restore(ids: list[int], reason: str, by: User, now: datetime) -> Corrected:
    return restore_events(event_ids=ids, reason=reason, by=by, now=now)


def _bot(ids: list[int], _reason: str, by: User, now: datetime) -> Corrected:
    return reclassify_events(event_ids=ids, suspect_reason="bot: marked by hand", by=by, now=now)


def _human(ids: list[int], _reason: str, by: User, now: datetime) -> Corrected:
    return reclassify_events(event_ids=ids, suspect_reason="", by=by, now=now)


def _on_events(
    correct: Callable[[list[int], str, User, datetime], Corrected],
) -> Callable[[Sequence[int], Mapping[str, Any], User, datetime], Outcome]:
    """Let ``correct`` mark the events of the chunk that the options choose."""

    def perform(ids: Sequence[int], options: Mapping[str, Any], by: User, now: datetime) -> Outcome:
        whose = dict(chosen_events(ids, options))
        reason: str = options.get("reason", "")
        outcome = Outcome()
        chosen = sorted(whose)
        for start in range(0, len(chosen), MAX_EVENTS):
            outcome.events |= correct(chosen[start : start + MAX_EVENTS], reason, by, now).accepted
        outcome.done = {whose[event_id] for event_id in outcome.events}
        outcome.refused = dict.fromkeys(set(ids) - outcome.done, UNCHANGED)
        return outcome

    return perform


def chosen_events(contact_ids: Sequence[int], options: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Return (event id, contact id) of the events that an act on events is about; Ripen's own are left out.

    ``options``: ``kind`` (a name, ``""`` for all), ``since`` and ``until`` (ISO 8601, ``until`` not included), or
    ``events``: exactly these.
    """
    rows = Event.objects.filter(contact_id__in=list(contact_ids), kind__system=False)
    if "events" in options:
        rows = rows.filter(pk__in=options["events"])
    else:
        if options.get("kind"):
            rows = rows.filter(kind__in=Kind.objects.filter(name=options["kind"]))
        if options.get("since"):
            rows = rows.filter(occurred_at__gte=parse_datetime(options["since"]))
        if options.get("until"):
            rows = rows.filter(occurred_at__lt=parse_datetime(options["until"]))
    return list(rows.values_list("pk", "contact_id"))


ACTS: Final[dict[str, Act]] = {
    "tag": Act(check_act_on_contacts, _tag, "untag"),
    "untag": Act(check_act_on_contacts, _untag, "tag"),
    "pin": Act(check_pin_stage, _pin, PINS_BACK),
    "unpin": Act(check_pin_stage, _unpin, PINS_BACK),
    PINS_BACK: Act(check_pin_stage, _put_pins_back),
    "retract": Act(check_correct_events, _on_events(_retract), "restore"),
    "restore": Act(check_correct_events, _on_events(_restore), "retract"),
    "bot": Act(check_correct_events, _on_events(_bot), "human"),
    "human": Act(check_correct_events, _on_events(_human), "bot"),
}


def register_act(name: str, act: Act) -> None:
    """Let an app add what it can do to many contacts."""
    ACTS[name] = act


def act_parameters(
    *, act: str, contact_ids: Sequence[int], options: Mapping[str, Any], by: User, undoes: int | None = None
) -> dict[str, Any]:
    """Return the parameters of a job that does ``act``.

    Raises:
        PermissionDenied: ``by`` may not do it.
        CannotRun: nobody is chosen, or too many.
        KeyError: there is no such act.
    """
    ACTS[act].check(by)
    if not contact_ids:
        raise CannotRun(gettext("Nobody is chosen."))
    if len(contact_ids) > MOST_CONTACTS:
        most = format_number(MOST_CONTACTS)
        raise CannotRun(gettext("At most %(number)s contacts at once.") % {"number": most})
    ids = sorted(set(contact_ids))
    return {"act": act, "contacts": ids, "options": dict(options), "undoes": undoes}


def undo_parameters(job: Job, *, by: User) -> dict[str, Any]:
    """Return the parameters of a job that takes back what an act did.

    Raises:
        PermissionDenied: ``by`` may not do it.
        CannotRun: it cannot be undone, was undone already, or did nothing.
    """
    said = job.parameters
    back = ACTS[said["act"]].undo if said.get("act") in ACTS else ""
    if not back or said.get("undoes"):
        raise CannotRun(gettext("This cannot be undone as one."))
    if job.finished_at is None:
        raise CannotRun(gettext("It is still under way."))
    if Job.objects.filter(kind=JobKind.ACT, parameters__undoes=job.pk).exists():
        raise CannotRun(gettext("It was undone already."))
    outcome = said.get("outcome", {})
    if back == PINS_BACK and not outcome.get("facts"):
        raise CannotRun(gettext("This cannot be undone as one."))
    known = {name: outcome[name] for name in ("events", "facts") if outcome.get(name)}
    options = {**said["options"], **known}
    return act_parameters(act=back, contact_ids=outcome.get("done", []), options=options, by=by, undoes=job.pk)


def act_on_contacts(job: Job, progress: Progress) -> Mapping[str, Any]:
    """Do the act that the job orders, from where an earlier attempt stopped; returns the counts.

    Raises:
        CannotRun: whoever ordered it is gone, or may not do it any more.
    """
    said = job.parameters
    act, by = ACTS[said["act"]], job.requested_by
    if by is None or not by.is_active:
        raise CannotRun(gettext("Whoever ordered it is no longer here."))
    act.check(by)
    ids: list[int] = said["contacts"]
    outcome: dict[str, Any] = said.get("outcome") or {
        "done": [],
        "events": [],
        "facts": [],
        "refused": {},
        "why": {},
        "reached": 0,
    }
    progress.begin(len(ids), done=outcome["reached"])
    while outcome["reached"] < len(ids):
        chunk = ids[outcome["reached"] : outcome["reached"] + act.chunk]
        with transaction.atomic():
            happened = act.perform(chunk, said["options"], by, timezone.now())
            _add(outcome, happened, len(chunk))
            Job.objects.filter(pk=job.pk).update(parameters={**said, "outcome": outcome})
        progress.advance(len(chunk), reached=outcome["reached"])
    # A note may speak of people, and a job stays when a person is erased.
    options = {name: value for name, value in said["options"].items() if name not in {"note", "reason"}}
    Job.objects.filter(pk=job.pk).update(parameters={**said, "options": options, "outcome": outcome})
    counts = {"done": len(outcome["done"]), **{f"not_{code}": number for code, number in outcome["why"].items()}}
    return {**counts, "events": len(outcome["events"])} if outcome["events"] else counts


def _add(outcome: dict[str, Any], happened: Outcome, number: int) -> None:
    outcome["done"] = [*outcome["done"], *sorted(happened.done)]
    outcome["events"] = [*outcome["events"], *sorted(happened.events)]
    outcome["facts"] = [*outcome.get("facts", ()), *sorted(happened.facts)]
    room = REFUSALS_KEPT - len(outcome["refused"])
    kept = sorted(happened.refused.items())[: max(room, 0)]
    outcome["refused"] = {**outcome["refused"], **{str(contact_id): code for contact_id, code in kept}}
    outcome["why"] = dict(Counter(outcome["why"]) + Counter(happened.refused.values()))
    outcome["reached"] += number

"""Checking the invariants all the time: a sample every ten minutes, kept for some weeks, with an alarm."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction

from contacts.services.verification import Violation
from funnel.enums import NoticeKind
from funnel.models import NotificationItem, Proof
from funnel.services.notices.audience import Notice
from funnel.services.notices.staff import load_staff
from funnel.services.notices.telling import write_notices
from funnel.services.verification import verify_invariants

log = logging.getLogger(__name__)

SAMPLE: Final = 200
KEPT_FOR: Final = timedelta(weeks=4)
# What waits for a moment is no alarm: the overview tells it, and so do the metrics.
PATIENCE: Final = timedelta(minutes=10)
# Administrators are told so often at most.
TOLD_EVERY: Final = timedelta(days=1)
# No statement of it holds up anybody for longer.
_LONGEST: Final = "60s"
# So many contacts that were found wrong are looked at again the next time, until they are right.
_LOOKED_AT_AGAIN: Final = 100
_LOGGED: Final = 20


def prove_sample(*, now: datetime, sample: int = SAMPLE, patience: timedelta = PATIENCE) -> Proof:
    """Check the invariants on contacts drawn at random and on those that did not hold last time; keep what was found.

    Where something does not hold, the log says what as an error, and administrators are told, once a day at most. A
    check that fails itself (a statement that takes too long, say) keeps nothing: the latest then grows old.
    """
    before = Proof.objects.order_by("-checked_at", "-pk").first()
    again = tuple(before.contact_ids) if before is not None else ()
    began = time.monotonic()
    with _bounded_statements():
        found = list(verify_invariants(now=now, sample=sample, patience=patience, always=again))
    took = time.monotonic() - began
    with transaction.atomic():
        proof = Proof.objects.create(
            checked_at=now,
            took_ms=round(took * 1000),
            contacts=sample,
            violations=len(found),
            invariants=sorted({one.invariant for one in found}),
            contact_ids=_contacts_of(found),
        )
        if found:
            _raise_alarm(proof, now=now)
        Proof.objects.filter(checked_at__lt=now - KEPT_FOR).delete()
    for violation in found[:_LOGGED]:
        # Without its message, which may quote what belongs to a person: verify says it anew.
        log.error("invariant_violated", extra={"invariant": violation.invariant, "contact_id": violation.contact_id})
    if len(found) > _LOGGED:
        log.error("invariants_violated", extra={"violations": len(found), "logged": _LOGGED})
    return proof


@contextmanager
def _bounded_statements() -> Iterator[None]:
    """End statements that take too long; not behind a pooler, where a session's settings would be others' too."""
    if not connection.settings_dict["CONN_MAX_AGE"]:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, false)", [_LONGEST])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET statement_timeout")


def _contacts_of(found: Sequence[Violation]) -> list[int]:
    return sorted({one.contact_id for one in found if one.contact_id is not None})[:_LOOKED_AT_AGAIN]


def _raise_alarm(proof: Proof, *, now: datetime) -> None:
    """Tell administrators, unless they were told within the day."""
    lately = NotificationItem.objects.filter(what="proof", at__gt=now - TOLD_EVERY)
    if lately.exists():
        return
    staff = load_staff()
    write_notices(
        [
            Notice(user_id, NoticeKind.PROOF, "proof", f"proof:{proof.pk}", at=now)
            for user_id in staff.listening(NoticeKind.PROOF)
        ],
        staff=staff,
        now=now,
    )

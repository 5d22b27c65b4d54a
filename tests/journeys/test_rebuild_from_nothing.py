"""Everything derived deleted, with prospects in the hands of reps: rebuilt, it is as it was."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection

from contacts.enums import Role
from contacts.models import Standing
from funnel.models import Handoff
from funnel.services.consequences import draw_consequences, reconcile_standings
from funnel.services.handoffs import claim_handoff, return_handoff
from scoring.models import Transition
from scoring.services.evaluate import drain_due
from tests.factories import make_user
from tests.scoring.test_history import BEGIN, DAYS, chains, lives, record_all, work_off

pytestmark = pytest.mark.django_db


def owned() -> list[tuple[Any, ...]]:
    """Every standing with its owner."""
    return list(Standing.objects.order_by("contact").values_list())


def handoffs() -> list[tuple[Any, ...]]:
    """Every handoff but for which row of the history it names."""
    return list(Handoff.objects.order_by("pk").values_list("pk", "contact", "state", "stage", "claimed_by", "evidence"))


def test_reps_keep_what_they_hold_and_nobody_is_offered_twice() -> None:
    now = BEGIN + timedelta(days=DAYS)
    rep = make_user(Role.REP)
    with time_machine.travel(now, tick=False):
        record_all([message for _, message in lives(80, seed=21)], at=now)
        work_off()
        while draw_consequences(now=now):
            pass
        first, second, *_ = Handoff.objects.order_by("pk")
        claim_handoff(handoff_id=first.pk, by=rep, now=now)
        claim_handoff(handoff_id=second.pk, by=rep, now=now)
        return_handoff(handoff_id=second.pk, by=rep, reason="no_response", now=now)
        work_off()
        while draw_consequences(now=now):
            pass
        before, history, offers = owned(), chains(), handoffs()
        assert rep.pk in {row[-1] for row in before}
        with connection.cursor() as cursor:
            cursor.execute("UPDATE funnel_handoff SET transition_id = NULL")
            cursor.execute("UPDATE scoring_transition SET superseded_by_id = NULL")
            cursor.execute("DELETE FROM scoring_transition")
            cursor.execute("DELETE FROM contacts_standing")
        call_command("rebuild", stdout=StringIO())
        assert drain_due(now=now) == 0
        while draw_consequences(now=now):
            pass
        reconcile_standings(now=now)
        assert chains() == history
        assert owned() == before
        assert handoffs() == offers
        assert not Transition.objects.filter(consumed_at=None).exists()
        assert reconcile_standings(now=now) == 0

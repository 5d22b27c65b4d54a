"""Handoffs of a version that kept no chain of their owners get one from what was recorded."""

from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest
from django.db import connection

from funnel.models import Handoff, HandoffMove
from funnel.services.handoff_verification import verify_handoffs
from funnel.services.handoffs import accept_handoff, return_handoff, win_handoff
from tests.funnel.conftest import World, moves_of

pytestmark = pytest.mark.django_db

shipped_rows = import_module("funnel.migrations.0004_shipped_rows")


def test_the_chain_is_made_from_columns_and_facts(world: World) -> None:
    rep = world.person()
    offered = world.offer("offered@acme.example")
    claimed = world.claimed(rep, "claimed@acme.example")
    accepted = world.claimed(rep, "accepted@acme.example")
    accept_handoff(handoff_id=accepted.pk, by=rep, now=world.later(minutes=1))
    returned = world.claimed(rep, "returned@acme.example")
    return_handoff(handoff_id=returned.pk, by=rep, reason="no_want", note="Said so", now=world.later(minutes=1))
    won = world.claimed(rep, "won@acme.example")
    win_handoff(handoff_id=won.pk, by=rep, note="Signed", now=world.later(minutes=1))
    bought = world.claimed(rep, "bought@acme.example")
    world.happens("bought@acme.example", "purchased", at=world.later(minutes=1))
    world.settle()
    before = {row.pk: moves_of(row) for row in Handoff.objects.all()}
    authors = set(
        HandoffMove.objects.values_list("handoff", "name", "by", "from_rep", "to_rep", "at", "reason", "note")
    )
    HandoffMove.objects.all().delete()
    Handoff.objects.update(moves_made=0, attempted_at=None, waiting_since=None, warn_at=None, due_at=None)

    with connection.cursor() as cursor:
        cursor.execute(shipped_rows.MOVES)
        cursor.execute(shipped_rows.COUNTED)

    assert {row.pk: moves_of(row) for row in Handoff.objects.all()} == before
    again = set(HandoffMove.objects.values_list("handoff", "name", "by", "from_rep", "to_rep", "at", "reason", "note"))
    assert again == authors
    assert [str(fault) for fault in verify_handoffs(now=datetime.now(UTC) - timedelta(days=30))] == []
    rows = Handoff.objects.in_bulk([offered.pk, claimed.pk, accepted.pk, bought.pk])
    assert rows[accepted.pk].attempted_at == rows[accepted.pk].accepted_at, "a conversation is not taken away"
    assert (rows[offered.pk].attempted_at, rows[claimed.pk].attempted_at) == (None, None)
    assert rows[bought.pk].state == "won"

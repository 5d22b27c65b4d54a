"""Acts that are killed in the middle are done or not done, never half; what is odd about facts changes nothing."""

import os
import random
import signal
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contacts.enums import Role
from tests.faults.ingest import TRAITS, Sender
from tests.faults.proof import (
    PATIENCE,
    children_of,
    converge,
    database,
    everything_is_done,
    execute,
    fetch,
    prove,
    prove_nothing_lost,
    verified,
    wait_until,
    wait_until_back,
)
from tests.journeys.callers import Program
from tests.running_app import RunningApp


@pytest.fixture(scope="module")
def admin(app: RunningApp) -> Program:
    return person(app, Role.ADMIN)


def person(app: RunningApp, role: Role) -> Program:
    address = f"{uuid.uuid4().hex[:8]}@acts.test"
    return Program(app.base_url, app.run("create_user", address, "--role", role, "--token").splitlines()[-1])


def happens(admin: Program, *events: dict[str, Any]) -> None:
    """Each event of a contact of its own where none is named."""
    batch = [{"message_id": uuid.uuid4().hex, "traits": TRAITS, **event} for event in events]
    status, receipt = admin.call("POST", "/api/v1/events/", {"events": batch})
    assert (status, receipt["rejected"]) == (200, [])


def newcomer(app: RunningApp, admin: Program, kind: str = "demo_requested", *, events: int = 3) -> tuple[int, str]:
    """Id and address of somebody who did that so many times, judged and passed on."""
    address = f"{uuid.uuid4().hex[:8]}@acts.test"
    happens(admin, *[{"kind": kind, "contact": {"email": address}} for _ in range(events)])
    wait_until(lambda: everything_is_done(app), patience=PATIENCE, what="they are judged")
    ((contact_id,),) = fetch(app, "SELECT contact_id FROM contacts_identity WHERE value = %s", address)
    return contact_id, address


def killed_in_the_middle(app: RunningApp, role: str, lock: str, *given: object, act: Callable[[], object]) -> None:
    """Begin ``act``, let it come as far as the rows that ``lock`` holds, and kill whoever does it."""

    def begin() -> None:
        try:
            act()
        except OSError:
            pass

    with database(app) as connection, connection.cursor() as cursor:
        cursor.execute(lock, given)
        waits = f"SELECT FROM pg_locks WHERE NOT granted AND {connection.info.backend_pid} = ANY(pg_blocking_pids(pid))"
        acting = threading.Thread(target=begin)
        acting.start()
        wait_until(lambda: bool(fetch(app, waits)), patience=PATIENCE, what="it is in the middle")
        for pid in children_of(app.pid(role)):
            os.kill(pid, signal.SIGKILL)
        acting.join(PATIENCE)
        connection.rollback()
    wait_until_back(app)


def test_a_merge_that_is_killed_happened_or_did_not(app: RunningApp, admin: Program) -> None:
    (winner, _), (loser, _) = newcomer(app, admin), newcomer(app, admin)
    body = {"winner": str(winner), "loser": str(loser)}

    def merge() -> int:
        return admin.call("POST", "/api/v1/contacts/merge/", body)[0]

    killed_in_the_middle(app, "web", "SELECT FROM contacts_event WHERE contact_id = %s FOR UPDATE", loser, act=merge)
    events = (
        "SELECT contact_id, count(*) FROM contacts_event WHERE origin_contact_id IN (%s, %s)"
        " AND kind_id IN (SELECT id FROM contacts_kind WHERE NOT system) GROUP BY 1 ORDER BY 1"
    )
    assert fetch(app, events, winner, loser) == sorted([(winner, 3), (loser, 3)]), "nothing of it happened"
    assert merge() in {200, 201}
    assert fetch(app, events, winner, loser) == [(winner, 6)]
    converge(app)


def test_an_erasure_that_is_killed_is_done_by_the_next_worker(app: RunningApp, admin: Program) -> None:
    contact_id, address = newcomer(app, admin)
    killed_in_the_middle(
        app,
        "runs",
        "LOCK TABLE contacts_attributechange IN SHARE MODE",
        act=lambda: admin.call("DELETE", f"/api/v1/contacts/{contact_id}/"),
    )
    gone = "SELECT count(*) FROM contacts_identity WHERE value = %s"
    wait_until(lambda: fetch(app, gone, address) == [(0,)], patience=PATIENCE, what="the next worker erases")
    assert fetch(app, "SELECT count(*) FROM contacts_contact WHERE email = %s", address) == [(0,)]
    converge(app)


def test_a_claim_that_is_killed_has_one_winner_in_the_end(app: RunningApp, admin: Program) -> None:
    happens(admin, {"kind": "demo_requested", "contact": {"email": "claim@acts.test"}, "traits": FITS})
    find = (
        "SELECT handoff.id FROM funnel_handoff AS handoff JOIN contacts_identity AS one USING (contact_id)"
        " WHERE one.value = 'claim@acts.test'"
    )
    wait_until(lambda: bool(fetch(app, find)), patience=PATIENCE, what="it is offered")
    ((handoff,),) = fetch(app, find)
    one, two = person(app, Role.REP), person(app, Role.REP)
    path = f"/api/v1/handoffs/{handoff}/claim/"
    killed_in_the_middle(app, "web", "LOCK TABLE funnel_handoffmove IN SHARE MODE", act=lambda: one.call("POST", path))
    answers = sorted([one.call("POST", path)[0], two.call("POST", path)[0]])
    assert answers == [200, 409]
    converge(app)


FITS = {**TRAITS, "company": {"name": "Acts", "domain": "acts.test", "industry": "software", "employees": 200}}


def test_repeats_any_order_and_wrong_clocks_change_nothing(app: RunningApp, admin: Program) -> None:
    """Two copies of one history, one sent in order, the other shuffled, twice at once and with a fast clock."""
    rng, now = random.Random(5), datetime.now(UTC)
    kinds = rng.choices(["page_viewed", "asset_downloaded", "newsletter_subscribed", "email_clicked"], k=60)
    name = uuid.uuid4().hex[:8]

    def history(who: str) -> list[dict[str, Any]]:
        return [
            {
                "message_id": f"{who}-{name}-{n}",
                "kind": kind,
                "contact": {"email": f"{who}-{name}@acts.test"},
                # Never two at one instant, so that the copies cannot differ by that.
                "occurred_at": (now - timedelta(days=40, minutes=-700 * n)).isoformat(),
            }
            for n, kind in enumerate(kinds)
        ]

    happens(admin, *history("calm"))
    wild = history("wild")
    for _ in range(2):
        rng.shuffle(wild)
        halves = [wild[:40], wild[20:], wild]
        threads = [threading.Thread(target=happens, args=(admin, *part)) for part in halves]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    # Ahead by half an hour: it is now, and no future.
    happens(
        admin,
        *[
            {
                "kind": "asset_downloaded",
                "contact": {"email": f"ahead-{name}@acts.test"},
                "occurred_at": (datetime.now(UTC) + timedelta(minutes=30)).isoformat(),
            }
        ],
    )
    converge(app)
    stood = fetch(
        app,
        "SELECT standing.stage, standing.engagement_mp, standing.stage_since, standing.evaluated_at, standing.review_at"
        " FROM contacts_standing AS standing JOIN contacts_contact AS contact ON contact.id = standing.contact_id"
        " WHERE contact.email IN (%s, %s)",
        f"calm-{name}@acts.test",
        f"wild-{name}@acts.test",
    )
    assert len(stood) == 2
    assert stood[0] == stood[1]
    future = "SELECT count(*) FROM contacts_event WHERE occurred_at > clock_timestamp() + interval '5 seconds'"
    assert fetch(app, future) == [(0,)]


_POISON = (
    "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'poisoned'; END $$",
    """
    CREATE TRIGGER poison BEFORE INSERT OR UPDATE ON contacts_standing FOR EACH ROW
    WHEN (NEW.contact_id = {contact}) EXECUTE FUNCTION poison()
    """,
)


def test_somebody_who_cannot_be_judged_is_in_sight_and_keeps_nobody_back(
    app: RunningApp, admin: Program, key: str
) -> None:
    contact_id, address = newcomer(app, admin, "page_viewed")
    execute(app, *[statement.format(contact=contact_id) for statement in _POISON])
    try:
        with Sender(app.base_url, key) as sender:
            wait_until(lambda: len(sender.acknowledged) > 100, patience=PATIENCE, what="ingest runs")
            happens(admin, {"kind": "asset_downloaded", "contact": {"email": address}})
        poisoned = "SELECT error FROM contacts_due WHERE contact_id = %s AND quarantined_at IS NOT NULL"
        wait_until(lambda: bool(fetch(app, poisoned, contact_id)), patience=PATIENCE, what="it is quarantined")
        assert "poisoned" in fetch(app, poisoned, contact_id)[0][0]
        waiting = "SELECT count(*) FROM contacts_due WHERE quarantined_at IS NULL"
        wait_until(lambda: fetch(app, waiting) == [(0,)], patience=10, what="everybody else is judged")
        prove_nothing_lost(app, sender)
        code, told = verified(app)
        assert code == 1
        assert [line.split(": ")[:2] for line in told.splitlines() if line.startswith("invariant")] == [
            ["invariant 2", f"contact {contact_id}"]
        ]
    finally:
        execute(app, "DROP TRIGGER poison ON contacts_standing", "DROP FUNCTION poison")
    app.run("rebuild", "--contact", str(contact_id))
    converge(app)


# What an upgrade that may run beside the old code does: it adds, and takes nothing away.
_ADDITIVE = (
    "ALTER TABLE {table} ADD COLUMN tomorrow_note text",
    "ALTER TABLE {table} ADD COLUMN tomorrow_flag boolean NOT NULL DEFAULT false",
    "CREATE INDEX CONCURRENTLY tomorrow_{table} ON {table} (tomorrow_flag)",
    "ALTER TABLE {table} ADD CONSTRAINT tomorrow_{table} CHECK (tomorrow_note <> '') NOT VALID",
    "ALTER TABLE {table} VALIDATE CONSTRAINT tomorrow_{table}",
)
_BACK = (
    "ALTER TABLE {table} DROP CONSTRAINT IF EXISTS tomorrow_{table}",
    "DROP INDEX IF EXISTS tomorrow_{table}",
    "ALTER TABLE {table} DROP COLUMN IF EXISTS tomorrow_note, DROP COLUMN IF EXISTS tomorrow_flag",
)
_TABLES = (
    "contacts_contact",
    "contacts_identity",
    "contacts_event",
    "contacts_attributechange",
    "contacts_due",
    "contacts_standing",
    "scoring_transition",
    "funnel_handoff",
    "funnel_passage",
    "funnel_reached",
)


def test_old_code_goes_on_while_an_upgrade_adds_to_every_table_on_its_way(app: RunningApp, key: str) -> None:
    """What it proves: no statement of today's code minds a column, an index or a constraint that tomorrow's adds.

    What it does not: that tomorrow's migrations do nothing else. They have to keep to the two steps of the upgrade's
    instructions, first add, and take away only when no old code runs any more.
    """
    try:
        with Sender(app.base_url, key) as one, Sender(app.base_url, key) as two:
            wait_until(lambda: len(one.acknowledged) > 100, patience=PATIENCE, what="ingest runs")
            for table in _TABLES:
                execute(app, *_formed(_ADDITIVE, table))
            before = len(two.acknowledged)
            wait_until(lambda: len(two.acknowledged) > before + 200, patience=PATIENCE, what="ingest goes on")
        converge(app)
        assert (one.failures, two.failures) == (0, 0)
        prove_nothing_lost(app, one, two)
        prove(app)
    finally:
        for table in _TABLES:
            execute(app, *_formed(_BACK, table))


def _formed(statements: tuple[str, ...], table: str) -> list[str]:
    return [statement.format(table=table) for statement in statements]

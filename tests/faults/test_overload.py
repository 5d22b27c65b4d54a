"""More than can be taken: one key is told to wait, nobody else notices; slow and idle clients hold nobody up."""

import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import pytest

from tests.conftest import IN_CI
from tests.faults.breaking import Impossible
from tests.faults.ingest import BATCH
from tests.faults.overload import press, timed
from tests.faults.proof import PATIENCE, everything_is_done, fetch, prove, wait_until
from tests.faults.proxy import Proxy, get, idle_connections, start_proxy
from tests.journeys.callers import Person, Program
from tests.running_app import RunningApp, start_app

# So many events a second are a key's share here: a fiftieth of what the machine takes.
SHARE = 100
SECONDS = 6.0
IDLE = 10_000
MANY = 50_000
log = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def app() -> Iterator[RunningApp]:
    """An application that gives each key little, behind a proxy; at the end all invariants hold."""
    with start_app(environment={"RIPEN_INGEST_EVENTS_A_SECOND": str(SHARE), "RIPEN_TRUST_PROXY": "1"}) as app:
        yield app
        prove(app)


@pytest.fixture(scope="module")
def proxy(app: RunningApp) -> Iterator[Proxy]:
    with ExitStack() as stack:
        try:
            proxy = stack.enter_context(start_proxy(app))
        except Impossible as reason:
            if IN_CI and os.geteuid() == 0:
                pytest.fail(str(reason), pytrace=False)
            pytest.skip(str(reason))
        yield proxy


def test_a_key_over_its_share_is_told_to_wait_and_nobody_else_notices(app: RunningApp) -> None:
    loud, calm = (app.run("create_source", name).splitlines()[-1] for name in ("loud", "calm"))
    # The limit is each key's own, and the calm one stays below it.
    outcome = press(app, loud=loud, calm=calm, seconds=SECONDS, drained_within=60, calm_pause=2 * BATCH / SHARE)
    log.warning("overload: %s", outcome)
    assert outcome.refused > 0
    assert outcome.offered > 5 * SHARE * SECONDS, "five times its share, and more"
    # What it had saved up at the beginning was used up before.
    assert outcome.taken < outcome.offered / 2


@pytest.fixture(scope="module")
def busy(app: RunningApp) -> str:
    """Its id; the events are ten in each minute, and all there at once: each moment is judged once."""
    app.run("shell", "-v", "0", "-c", _MANY.format(number=MANY))
    waited = wait_until(lambda: everything_is_done(app), patience=PATIENCE, what="it is judged")
    log.warning("%s events of one contact are judged %.1f s after", f"{MANY:,}", waited)
    ((pk, events),) = fetch(
        app,
        "SELECT contact_id, count(*) FROM contacts_event WHERE contact_id ="
        " (SELECT contact_id FROM contacts_identity WHERE value = 'busy@x.test') GROUP BY 1",
    )
    assert events == MANY
    return str(pk)


class TestManyEvents:
    """One contact with fifty thousand events is judged, shown and explained like any other."""

    def test_its_pages_and_answers_stay_usable(self, app: RunningApp, busy: str) -> None:
        printed = app.run("create_user", "ada@x.test", "--role", "admin", "--password", "Sunny-Harvest-7", "--token")
        program, person = (
            Program(app.base_url, printed.split()[-1]),
            Person(app.base_url, "ada@x.test", "Sunny-Harvest-7"),
        )
        for path in (f"/contacts/{busy}/", f"/contacts/{busy}/why/", f"/contacts/{busy}/journey/"):
            person.read(path)
            assert timed(lambda path=path: person.read(path)) < 5, path  # type: ignore[misc]  # a default binds it
        assert timed(lambda: program.get(f"/api/v1/contacts/{busy}/why/")) < 5
        assert timed(lambda: program.get(f"/api/v1/contacts/{busy}/events/")) < 2

    def test_one_more_event_is_taken_and_judged_soon(self, app: RunningApp, busy: str) -> None:
        key = app.run("create_source", "one more").splitlines()[-1]
        event = {"message_id": "one more", "kind": "purchased", "contact": {"email": "busy@x.test"}}
        assert Program(app.base_url, key).call("POST", "/api/v1/events/", event)[0] == 200

        def is_customer() -> bool:
            return fetch(app, "SELECT stage FROM contacts_standing WHERE contact_id = %s", int(busy)) == [("customer",)]

        assert wait_until(is_customer, patience=10, what="it is judged") < 10


_MANY = """
from datetime import timedelta
from django.db import transaction
from django.utils import timezone
from contacts.ingest.incoming import IncomingEvent
from contacts.models import Source
from contacts.services.record import record_events
now, source = timezone.now(), Source.objects.first()

def event(n):
    return IncomingEvent(
        index=n % 1000, message_id=f"busy {{n}}", kind=("page_viewed", "email_clicked")[n % 2],
        occurred_at=now - timedelta(minutes=({number} - n) // 10 + 1), email="busy@x.test",
        traits={{}}, properties={{}})

with transaction.atomic():
    for first in range(0, {number}, 1000):
        record_events(source=source, received_at=now, events=[event(n) for n in range(first, first + 1000)])
"""


@contextmanager
def dawdlers(address: tuple[str, int], number: int, *, wrap: Proxy | None = None) -> Iterator[None]:
    """So many who have begun a request and never come to its end: some in its head, some in its body."""
    with ExitStack() as held:
        for n in range(number):
            one: socket.socket = wrap.speak() if wrap else socket.create_connection(address, timeout=10)
            held.callback(one.close)
            if n % 2:
                one.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
            else:
                one.sendall(
                    b'POST /api/v1/events/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n{"events": ['
                )
        yield


class TestProxy:
    """Behind docs/examples/proxy/nginx.conf."""

    def test_slow_clients_hold_nobody_up(self, app: RunningApp, proxy: Proxy) -> None:
        direct = urlsplit(app.base_url)
        address = (str(direct.hostname), int(direct.port or 0))
        with dawdlers(address, 60, wrap=proxy):
            for _ in range(5):
                began = time.monotonic()
                assert proxy.ask(get("/healthz"))[0] == 200
                assert time.monotonic() - began < 5

    def test_without_the_proxy_they_would(self, app: RunningApp) -> None:
        """The control: so many at the application itself leave it no thread, until they are gone."""
        direct = urlsplit(app.base_url)
        address = (str(direct.hostname), int(direct.port or 0))
        with dawdlers(address, 60), socket.create_connection(address, timeout=2) as one:
            one.sendall(get("/healthz").replace("\n", "\r\n").encode())
            with pytest.raises(TimeoutError):
                one.recv(100)
        app.wait_until_healthy()

    def test_idle_connections_cost_nothing_behind_it(self, app: RunningApp, proxy: Proxy) -> None:
        key = app.run("create_source", "behind").splitlines()[-1]
        with idle_connections(proxy, IDLE) as idle:
            log.warning("%s connections are idle", f"{len(idle):,}")
            assert len(idle) == IDLE or len(idle) > 1_000
            body = '{"message_id": "behind", "kind": "page_viewed", "contact": {"email": "behind@x.test"}}'
            head = f"Authorization: Bearer {key}\nContent-Type: application/json\nContent-Length: {len(body)}"
            began = time.monotonic()
            assert (
                proxy.ask(f"POST /api/v1/events/ HTTP/1.1\nHost: localhost\nConnection: close\n{head}\n\n{body}")[0]
                == 200
            )
            assert proxy.ask(get("/account/login/"))[0] == 200
            assert time.monotonic() - began < 5
            established = fetch(app, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'ripen'")[0][0]
            assert established < 50

    def test_what_is_too_large_is_refused_in_json_and_a_claimed_address_is_not_believed(self, proxy: Proxy) -> None:
        status, answer = proxy.ask(
            "POST /api/v1/events/ HTTP/1.1\nHost: localhost\nConnection: close\nContent-Length: 99999999\n\n"
        )
        assert status == 413
        assert '"code": "too_large"' in answer
        # Measured from loopback, and yet not: the proxy says that somebody stands behind it.
        assert proxy.ask(get("/metrics", X_Forwarded_For="127.0.0.1"))[0] == 403

    def test_while_the_web_is_away_senders_are_told_to_come_again(self, app: RunningApp, proxy: Proxy) -> None:
        old = app.kill("web")
        status, answer = proxy.ask(get("/healthz"))
        assert status in {200, 503}
        assert status == 200 or "Retry-After: 5" in answer or "retry-after: 5" in answer
        app.wait_until_back("web", old)
        app.wait_until_healthy()
        assert proxy.ask(get("/healthz"))[0] == 200

"""Small parts of the wiring: logs, cache, beat, the ban on the network, error pages of the start."""

import json
import logging
import socket
import urllib.request
from io import StringIO
from pathlib import Path

import pytest
import structlog
from celery.beat import ScheduleEntry
from django.conf import settings
from redis import Redis

from config.beat import PatientScheduler
from config.cache import ForgivingRedisCache
from config.celery import app
from config.local.restarts import Restarts
from config.logs import logging_settings
from tests.network import NetworkForbidden


def test_a_log_line_is_one_json_object_without_secrets() -> None:
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    formatter = logging_settings(level="INFO", readable=False)["formatters"]["line"]
    handler.setFormatter(formatter.pop("()")(**formatter))
    ours = logging.getLogger("ripen.test")
    ours.addHandler(handler)
    try:
        ours.info("%s came", "somebody")
        structlog.get_logger("ripen.test").info("key_used", write_key="rs_abc", Authorization="Bearer x", contact=7)
    finally:
        ours.removeHandler(handler)
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["event"], first["level"], first["logger"]) == ("somebody came", "info", "ripen.test")
    assert (second["event"], second["contact"]) == ("key_used", 7)
    assert second["write_key"] == second["Authorization"] == "[hidden]"
    assert "rs_abc" not in stream.getvalue()


def test_a_cache_that_is_away_holds_nothing_and_breaks_nothing(tmp_path: Path) -> None:
    cache = ForgivingRedisCache(f"unix://{tmp_path}/nobody.sock?db=0", {})
    assert cache.get("key", "default") == "default"
    assert cache.add("key", 1) is True
    cache.set("key", 1)
    assert cache.delete("key") is False


def test_the_cache_that_is_there_remembers() -> None:
    cache = ForgivingRedisCache(settings.REDIS_URL, {"KEY_PREFIX": "wiring-test"})
    cache.delete("key")
    assert cache.add("key", 1, 30) is True
    assert cache.add("key", 2, 30) is False
    assert cache.get("key") == 1
    assert cache.delete("key") is True


def test_beat_leaves_sweeps_out_while_nobody_takes_them(caplog: pytest.LogCaptureFixture) -> None:
    queue = "wiring-test"
    broker = Redis.from_url(settings.REDIS_URL)
    usual = app.conf.task_default_queue
    app.conf.task_default_queue = queue
    try:
        scheduler = PatientScheduler(app=app, lazy=True)
        entry = ScheduleEntry(name="sweep", task="scoring.drain", schedule=2.0, options={"queue": queue}, app=app)
        scheduler.apply_entry(entry)
        assert broker.llen(queue) == 1
        broker.rpush(queue, *["waiting"] * 200)
        scheduler.apply_entry(entry)
        assert broker.llen(queue) == 201
    finally:
        app.conf.task_default_queue = usual
        broker.delete(queue)
        broker.close()


def test_a_process_that_keeps_falling_is_started_ever_later() -> None:
    restarts = Restarts()
    pauses = []
    now = 0.0
    for _ in range(6):
        pause = restarts.fell(now)
        assert pause is not None
        assert restarts.fell(now) is None
        pauses.append(pause)
        assert restarts.may_start(now + pause - 0.01) is False
        now += pause
        assert restarts.may_start(now) is True
    assert pauses == [0.0, 0.2, 1.0, 3.0, 10.0, 10.0]
    # A minute of calm, and a fall counts as a first one again.
    assert restarts.fell(now + 61) == 0.0


def test_no_test_reaches_the_network() -> None:
    with pytest.raises(NetworkForbidden, match="looks up ripen"):
        urllib.request.urlopen("http://ripen.example/", timeout=1)
    with socket.socket() as far, pytest.raises(NetworkForbidden, match=r"connects to 192\.0\.2\.1"):
        far.connect(("192.0.2.1", 80))

"""Kept-alive connections are shared among the web's processes."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from config.balance import Balance
from config.env import BASE_DIR

# An application whose answer takes some time and tells which process gave it.
APPLICATION = """
import os, time, django
django.setup()
def application(environ, start_response):
    time.sleep(0.05)
    start_response("200 OK", [("Content-Length", str(len(str(os.getpid()))))])
    return [str(os.getpid()).encode()]
"""
# The control: nobody counts, nobody is asked to connect again.
WITHOUT = """
exec(open("config/gunicorn_conf.py").read())
del pre_request, post_request
"""


def test_who_has_two_more_to_answer_than_another_sends_them_away() -> None:
    balance = Balance()
    one, other = balance.enter(), balance.enter()
    assert not balance.begin(one)
    assert balance.begin(one)
    assert not balance.begin(other)
    assert not balance.begin(other)
    balance.end(one)
    assert balance.begin(other)


def test_a_process_that_is_alone_sends_nobody_away() -> None:
    balance = Balance()
    one, other = balance.enter(), balance.enter()
    balance.leave(other)
    assert not any(balance.begin(one) for _ in range(9))
    assert balance.enter() == other
    assert balance.begin(one)


@contextmanager
def served(folder: Path, config: str = "config/gunicorn_conf.py") -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    (folder / "answering.py").write_text(APPLICATION)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "-c", config, "-b", f"127.0.0.1:{port}", "--pythonpath", str(folder)]
    environment = {**os.environ, "RIPEN_STATE_DIR": str(folder), "WEB_CONCURRENCY": "2", "WEB_THREADS": "4"}
    server = subprocess.Popen([*command, "answering:application"], cwd=BASE_DIR, env=environment)
    try:
        yield port, server
    finally:
        server.terminate()
        server.wait()


def asked(connection: http.client.HTTPConnection) -> bytes:
    connection.request("GET", "/")
    return connection.getresponse().read()


def connected(port: int, patience: float = 30) -> http.client.HTTPConnection:
    until = time.monotonic() + patience
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        try:
            connection.connect()
        except ConnectionRefusedError:
            assert time.monotonic() < until
            time.sleep(0.1)
        else:
            return connection


def two_of_one_process(port: int) -> list[http.client.HTTPConnection]:
    """Two connections that are kept alive by one process, while there is another."""
    by_process: dict[bytes, list[http.client.HTTPConnection]] = {}
    until = time.monotonic() + 30
    while len(by_process) < 2 or max(map(len, by_process.values())) < 2:
        assert time.monotonic() < until
        connection = connected(port)
        by_process.setdefault(asked(connection), []).append(connection)
    chosen = max(by_process.values(), key=len)[:2]
    for connections in by_process.values():
        for connection in connections:
            if connection not in chosen:
                connection.close()
    return chosen


def processes_that_answer(connections: list[http.client.HTTPConnection], rounds: int = 30) -> int:
    """Of the last of so many rounds in which all ask at once."""
    with ThreadPoolExecutor(len(connections)) as pool:
        return [len(set(pool.map(asked, connections))) for _ in range(rounds)][-1]


def test_two_senders_that_came_to_one_process_end_up_at_two(tmp_path: Path) -> None:
    with served(tmp_path) as (port, _):
        one, other = two_of_one_process(port)
        with closing(one), closing(other):
            assert processes_that_answer([one, other]) == 2


def test_control_without_counting_they_stay_with_it(tmp_path: Path) -> None:
    config = tmp_path / "without.py"
    config.write_text(WITHOUT)
    with served(tmp_path, str(config)) as (port, _):
        one, other = two_of_one_process(port)
        with closing(one), closing(other):
            assert processes_that_answer([one, other]) == 1


def test_after_a_reload_nobody_is_sent_away_without_need(tmp_path: Path) -> None:
    def answer(port: int) -> tuple[bytes, str | None]:
        # A request counts until a moment after its answer was read.
        time.sleep(0.1)
        with closing(connected(port)) as connection:
            connection.request("GET", "/")
            response = connection.getresponse()
            return response.read(), response.getheader("Connection")

    with served(tmp_path) as (port, server):
        one, other = two_of_one_process(port)
        with closing(one), closing(other):
            before = {answer(port)[0] for _ in range(20)}
        server.send_signal(signal.SIGHUP)
        # Those of before have to be gone: the places that they give back are not those of who took over.
        time.sleep(5)
        answers = [answer(port) for _ in range(9)]
        assert before.isdisjoint(process for process, _ in answers)
        assert {connection for _, connection in answers} == {"keep-alive"}

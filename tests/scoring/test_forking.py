"""Work shared out to processes: the same results in the same order, and nobody is left behind."""

import os
import signal
import socket
import stat
from pathlib import Path

import pytest
from django.db import connection

from contacts.services.work import Cancelled
from scoring.services.forking import map_forked

alone = pytest.mark.django_db
committed = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def session_of(number: int) -> tuple[int, int, int]:
    """The item, the process that does it, and its session of the database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        ((session,),) = cursor.fetchall()
    return number, os.getpid(), session


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


@committed
def test_each_process_does_its_share_on_a_connection_of_its_own() -> None:
    mine = session_of(0)[2]
    found = list(map_forked(session_of, range(7), 3))
    assert [number for number, _, _ in found] == list(range(7))
    processes = [process for _, process, _ in found]
    assert processes == (processes[:3] * 3)[:7]
    assert len(set(processes)) == 3
    assert os.getpid() not in processes
    assert len({session for _, _, session in found}) == 3
    assert mine not in {session for _, _, session in found}


@alone
def test_within_a_transaction_this_process_does_it_all_and_sees_what_it_wrote() -> None:
    assert {process for _, process, _ in map_forked(session_of, range(3), 2)} == {os.getpid()}


@committed
def test_what_a_process_raises_is_raised_here_and_the_others_end() -> None:
    def refuse(number: int) -> int:
        if number == 3:
            raise Cancelled
        return number

    before, seen = children(), list[int]()
    with pytest.raises(Cancelled):
        seen.extend(map_forked(refuse, range(9), 2))
    assert seen == [0, 1, 2]
    assert children() == before


@committed
def test_a_process_that_is_killed_fails_the_work_and_leaves_nobody() -> None:
    def die(number: int) -> int:
        if number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    before = children()
    with pytest.raises(RuntimeError, match="ended before its work was done"):
        list(map_forked(die, range(4), 2))
    assert children() == before


@committed
def test_whoever_takes_no_more_results_stops_the_rest() -> None:
    before = children()
    results = map_forked(session_of, range(100), 2)
    assert next(results)[0] == 0
    results.close()
    assert children() == before


@committed
def test_what_this_process_has_open_ends_with_it() -> None:
    mine, other = socket.socketpair()

    def is_open(_: int) -> bool:
        return stat.S_ISSOCK(os.fstat(mine.fileno()).st_mode)

    with mine, other:
        assert is_open(0)
        assert list(map_forked(is_open, range(2), 2)) == [False, False]
        mine.send(b"still here")
        assert other.recv(20) == b"still here"

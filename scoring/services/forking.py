"""Sharing work out to processes of their own: Python judges with one core only, however many threads it has."""

import os
import signal
import stat
import traceback
from collections.abc import Callable, Generator, Sequence
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from django.db import connection, connections

# Input, output and errors, which a service manager may have made sockets.
_STANDARD = 2

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_forked(work: Callable[[Item], Result], items: Sequence[Item], processes: int) -> Generator[Result, None, None]:
    """The result of ``work`` for each item, in their order, done by so many processes with connections of their own.

    Each process does every so-manieth item and commits by itself; items are to be judged alike in any order. In this
    process alone where one is asked for, there is but one item, or a transaction is open. Results and exceptions must
    be picklable. Whoever stops taking results stops the processes; without this process they end by themselves, at
    their next result.

    Raises:
        what ``work`` raises.
        RuntimeError: a process ended before its work was done.
    """
    if min(processes, len(items)) < 2 or connection.in_atomic_block:
        yield from map(work, items)
        return
    # What is open now would be shared, and one process would end what another is doing.
    connections.close_all()
    shares = [_Share(work, items[first::processes]) for first in range(min(processes, len(items)))]
    try:
        for place in range(len(items)):
            yield shares[place % len(shares)].next_result()
    finally:
        for share in shares:
            share.stop()


class _Share:
    """The items of one process, which is started at once."""

    def __init__(self, work: Callable[[Any], Any], items: Sequence[Any]) -> None:
        self._results, sender = Pipe(duplex=False)
        # Not by multiprocessing, which lets no child of a worker's pool have children.
        self._pid = os.fork()
        if self._pid == 0:
            self._results.close()
            _do(work, items, sender)
        sender.close()

    def next_result(self) -> Any:
        try:
            found, error = self._results.recv()
        except EOFError:
            raise RuntimeError(f"process {self._pid} ended before its work was done") from None
        if error is not None:
            raise error
        return found

    def stop(self) -> None:
        """End the process where it has not ended yet; what it has committed stays."""
        self._results.close()
        try:
            os.kill(self._pid, signal.SIGTERM)
        finally:
            os.waitpid(self._pid, 0)


def _do(work: Callable[[Any], Any], items: Sequence[Any], sender: Connection) -> NoReturn:
    """Do the work of a process just forked; nothing of its parent's is cleaned up twice."""
    status = 1
    try:
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, signal.SIG_DFL)
        _let_go_of_sockets()
        for item in items:
            try:
                answer: tuple[Any, BaseException | None] = work(item), None
            except Exception as error:  # noqa: BLE001  raised again where the results are taken
                error.add_note(traceback.format_exc())
                answer = None, error
            sender.send(answer)
        status = 0
    finally:
        os._exit(status)


def _let_go_of_sockets() -> None:
    """Let sessions of the parent's, and the locks that they hold, end when it ends, not when the last child does.

    The numbers stay taken: whatever still believes to own one must not close what is opened later.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in [int(entry.name) for entry in Path("/dev/fd").iterdir()]:
        try:
            is_socket = stat.S_ISSOCK(os.fstat(number).st_mode)
        except OSError:
            # The listing's own, closed by now.
            continue
        if is_socket and number > _STANDARD:
            os.dup2(nothing, number)

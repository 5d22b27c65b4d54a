"""The whole proof on several connections: each part in whichever process is free. Reads only."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from datetime import datetime
from typing import Any, Final

import django
from django.db import connection

from contacts.services.verification import Violation
from funnel.services.verification import Asked, Part, Progress, parts_of, verify_invariants, verify_part

# How often somebody who waits is told how far it is, in seconds.
_TOLD_EVERY: Final = 10.0
_KNOWN: Final = ("NAME", "USER", "PASSWORD", "HOST", "PORT", "OPTIONS")


def verify_in_parallel(*, now: datetime, processes: int, progress: Progress | None = None) -> Iterator[Violation]:
    """Check the invariants on everything, with so many processes; yields what does not hold as it is found.

    In this process alone where one is asked for, where there is little to look at, or inside a transaction: nobody
    else would see what that has written.
    """
    parts = parts_of()
    ranges = [part for part in parts if part.contacts]
    if processes < 2 or len(ranges) < 2 or connection.in_atomic_block:
        yield from verify_invariants(now=now, progress=progress)
        return
    asked, total, done = Asked(now=now), sum(part.contacts for part in parts), 0
    database = {name: connection.settings_dict[name] for name in _KNOWN}
    # Spawned: a fork would share this process's connection.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=django.setup) as pool:
        # What takes long by itself begins first.
        first = [part for part in parts if not part.contacts]
        running = {pool.submit(_check, part, asked, database): part for part in (*first, *ranges)}
        try:
            while running:
                ended, _ = wait(running, timeout=_TOLD_EVERY, return_when=FIRST_COMPLETED)
                for future in ended:
                    part = running.pop(future)
                    yield from future.result()
                    done += part.contacts
                if progress is not None:
                    progress(done, total)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _check(part: Part, asked: Asked, database: dict[str, Any]) -> list[Violation]:
    """Check one part in a process of the pool, on the parent's database."""
    connection.settings_dict.update(database)
    return list(verify_part(part, asked))

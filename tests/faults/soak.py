"""The long fault suite (``make soak``): the same faults in any order, for as long as SOAK_MINUTES says.

``python -m tests.faults.soak``; SOAK_SEED repeats a run. While senders keep their ledgers and reps claim, one fault
after the other strikes for a random time. After each everything has to be done within ten seconds, and the ledgers are
compared; every few faults, and at the end, all invariants are proven. The last lines are a table. Exit code 0 when
nothing was lost, 1 otherwise.
"""

import os
import random
import sys
import time
from collections import defaultdict
from typing import TextIO

from contacts.enums import Role
from tests.faults.breaking import FAULTS, Fault, Impossible, Scene
from tests.faults.ingest import Sender
from tests.faults.overload import press
from tests.faults.proof import PATIENCE, converge, fetch, prove, prove_nothing_lost, wait_until, wait_until_back
from tests.faults.quarter import Rep
from tests.journeys.callers import Program
from tests.running_app import start_app

_PROVEN_EVERY = 5
_SENDERS = 3


def soak(*, minutes: float, seed: int, out: TextIO) -> int:
    """Strike for so long; the number of runs in which something was wrong."""
    rng = random.Random(seed)
    took: dict[str, list[float]] = defaultdict(list)
    refused: dict[str, int] = defaultdict(int)
    wrong: list[str] = []
    left_out: dict[str, str] = {}
    messages = 0

    def say(text: str) -> None:
        out.write(text + "\n")
        out.flush()

    say(f"{minutes:g} minutes, seed {seed} (SOAK_SEED={seed} repeats the order)")
    with start_app() as app:
        scene = Scene(app, app.run("create_source", "soak").splitlines()[-1])
        token = app.run("create_user", "rep@soak.test", "--role", Role.REP, "--token").split()[-1]
        until = time.monotonic() + 60 * minutes
        runs = 0
        while time.monotonic() < until:
            fault = rng.choice([one for one in FAULTS if one.name not in left_out])
            seconds = rng.uniform(0.5, 8)
            runs += 1
            try:
                senders = _strike(scene, fault, seconds, rng, token)
                took[fault.name].append(converge(app))
                prove_nothing_lost(app, *senders)
                messages += sum(len(sender.acknowledged) for sender in senders)
                failures = sum(sender.failures for sender in senders)
                refused[fault.name] += failures
                if failures and not fault.refuses:
                    wrong.append(f"{fault.name}: {failures} batches were refused")
                if runs % _PROVEN_EVERY == 0:
                    prove(app)
            except Impossible as reason:
                left_out[fault.name] = str(reason)
                say(f"left out: {fault.name}: {reason}")
                continue
            except AssertionError as error:
                wrong.append(f"{fault.name}: {error}")
                say(f"WRONG after {fault.name}: {error}\n{app.logs()}")
                break
            last = f"done {took[fault.name][-1]:.1f} s later"
            say(f"{runs:4}  {fault.name}, for {seconds:.1f} s: {failures} refused, {last}")
        if not wrong:
            calm = app.run("create_source", "calm").splitlines()[-1]
            try:
                # Each key's share is more than this machine takes: it is the machine that is flooded.
                say(str(press(app, loud=scene.key, calm=calm, seconds=min(180.0, 6 * minutes), drained_within=300)))
                prove(app)
            except AssertionError as error:
                wrong.append(f"overload: {error}")
        ((events,),) = fetch(app, "SELECT count(*) FROM contacts_event")
    say(f"\n{'fault':45} {'runs':>5} {'refused':>8} {'slowest':>9}")
    for fault in FAULTS:
        seen = took[fault.name]
        slowest = f"{max(seen):.1f} s" if seen else "-"
        say(f"{fault.name:45} {len(seen):5} {refused[fault.name]:8} {slowest:>9}")
    say(f"{runs} runs, {messages:,} messages acknowledged, {events:,} events stored, {len(wrong)} wrong; seed {seed}")
    for line in wrong:
        say(f"WRONG: {line}")
    return len(wrong)


def _strike(scene: Scene, fault: Fault, seconds: float, rng: random.Random, token: str) -> list[Sender]:
    app = scene.app
    senders = [Sender(app.base_url, scene.key) for _ in range(_SENDERS)]
    rep = Rep(Program(app.base_url, token), seed=rng.randrange(1_000_000)) if not fault.refuses else None
    for thread in (*senders, *([rep] if rep else [])):
        thread.start()
    try:
        wait_until(lambda: len(senders[0].acknowledged) > 50, patience=PATIENCE, what="ingest runs")
        time.sleep(rng.uniform(0, 1))
        fault.strike(scene, seconds)
        before = len(senders[0].acknowledged)
        wait_until(lambda: len(senders[0].acknowledged) > before + 50, patience=PATIENCE, what="ingest goes on")
    finally:
        for sender in senders:
            sender.finish()
        if rep is not None:
            rep.finish()
    wait_until_back(app)
    assert rep is None or rep.problems == [], rep.problems
    return senders


def main() -> int:
    """Take what to do from the environment."""
    seed = int(os.environ.get("SOAK_SEED") or random.randrange(1_000_000))
    return min(1, soak(minutes=float(os.environ.get("SOAK_MINUTES") or 30), seed=seed, out=sys.stdout))


if __name__ == "__main__":
    sys.exit(main())

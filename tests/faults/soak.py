"""The long fault suite (``make soak``): the same faults in any order, for as long as SOAK_MINUTES says.

``python -m tests.faults.soak``; SOAK_SEED repeats a run. While senders keep their ledgers and a rep claims, one fault
after the other strikes for a random time. After each everything has to be done within ten seconds, and the ledgers are
compared; every few faults, and at the end, all invariants are proven. The last lines are a table. Exit code 0 when
nothing was wrong, 1 otherwise.
"""

import os
import random
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
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


@dataclass
class Soak:
    """A run: what it has seen so far, by fault."""

    rng: random.Random
    out: TextIO
    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    refused: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    wrong: list[str] = field(default_factory=list)
    left_out: set[str] = field(default_factory=set)
    runs: int = 0
    messages: int = 0

    def say(self, text: str) -> None:
        """Print a line at once."""
        self.out.write(text + "\n")
        self.out.flush()

    def strike(self, scene: Scene, token: str) -> None:
        """One fault, and what it must have left behind; AssertionError where that is not so."""
        fault = self.rng.choice([one for one in FAULTS if one.name not in self.left_out])
        seconds = self.rng.uniform(0.5, 8)
        self.runs += 1
        try:
            senders = self._strike(scene, fault, seconds, token)
        except Impossible as reason:
            self.left_out.add(fault.name)
            self.say(f"left out: {fault.name}: {reason}")
            return
        except AssertionError as error:
            raise AssertionError(f"{fault.name}: {error}") from error
        failures = sum(sender.failures for sender in senders)
        self.refused[fault.name] += failures
        self.messages += sum(len(sender.acknowledged) for sender in senders)
        if failures and not fault.refuses:
            self.wrong.append(f"{fault.name}: {failures} batches were refused")
        last = self.took[fault.name][-1]
        self.say(f"{self.runs:4}  {fault.name}, for {seconds:.1f} s: {failures} refused, done {last:.1f} s later")
        if self.runs % _PROVEN_EVERY == 0:
            prove(scene.app)

    def _strike(self, scene: Scene, fault: Fault, seconds: float, token: str) -> list[Sender]:
        app = scene.app
        senders = [Sender(app.base_url, scene.key) for _ in range(_SENDERS)]
        # A rep's program does not try again, as senders do.
        reps = [] if fault.refuses else [Rep(Program(app.base_url, token), seed=self.rng.randrange(1_000_000))]
        threads: list[Sender | Rep] = [*senders, *reps]
        for thread in threads:
            thread.start()
        try:
            wait_until(lambda: len(senders[0].acknowledged) > 50, patience=PATIENCE, what="ingest runs")
            time.sleep(self.rng.uniform(0, 1))
            fault.strike(scene, seconds)
            before = len(senders[0].acknowledged)
            wait_until(lambda: len(senders[0].acknowledged) > before + 50, patience=PATIENCE, what="ingest goes on")
        finally:
            for thread in threads:
                thread.finish()
        wait_until_back(app)
        self.took[fault.name].append(converge(app))
        prove_nothing_lost(app, *senders)
        assert [rep.problems for rep in reps if rep.problems] == []
        return senders

    def sum_up(self, *, events: int, seed: int) -> None:
        """Print the table."""
        self.say(f"\n{'fault':45} {'runs':>5} {'refused':>8} {'slowest':>9}")
        for fault in FAULTS:
            seen = self.took[fault.name]
            slowest = f"{max(seen):.1f} s" if seen else "-"
            self.say(f"{fault.name:45} {len(seen):5} {self.refused[fault.name]:8} {slowest:>9}")
        self.say(
            f"{self.runs} faults, {self.messages:,} messages acknowledged, {events:,} events stored, "
            f"{len(self.wrong)} wrong; seed {seed}"
        )
        for line in self.wrong:
            self.say(f"WRONG: {line}")


def soak(*, minutes: float, seed: int, out: TextIO) -> int:
    """Strike for so long, then flood; the number of things that were wrong."""
    run = Soak(random.Random(seed), out)
    run.say(f"{minutes:g} minutes, seed {seed} (SOAK_SEED={seed} repeats the order)")
    with start_app() as app:
        scene = Scene(app, app.run("create_source", "soak").splitlines()[-1])
        token = app.run("create_user", "rep@soak.test", "--role", Role.REP, "--token").split()[-1]
        until = time.monotonic() + 60 * minutes
        try:
            while time.monotonic() < until:
                run.strike(scene, token)
            calm = app.run("create_source", "calm").splitlines()[-1]
            # Each key's share is more than this machine takes: it is the machine that is flooded.
            seconds = min(180.0, 6 * minutes)
            run.say(str(press(app, loud=scene.key, calm=calm, seconds=seconds, drained_within=300)))
            prove(app)
        except AssertionError as error:
            run.wrong.append(str(error))
            run.say(f"{error}\n{app.logs()}")
        ((events,),) = fetch(app, "SELECT count(*) FROM contacts_event")
    run.sum_up(events=events, seed=seed)
    return len(run.wrong)


def main() -> int:
    """Take what to do from the environment."""
    seed = int(os.environ.get("SOAK_SEED") or random.randrange(1_000_000))
    return min(1, soak(minutes=float(os.environ.get("SOAK_MINUTES") or 30), seed=seed, out=sys.stdout))


if __name__ == "__main__":
    sys.exit(main())

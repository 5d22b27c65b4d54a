"""``manage.py verify``: prove the invariants on the data as it is."""

import json
import os
import sys
import time
from argparse import ArgumentTypeError
from dataclasses import asdict
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from contacts.services.verification import count_overdue_reviews
from funnel.services.parallel_verification import verify_in_parallel
from funnel.services.verification import verify_invariants

_TOLD_EVERY: Final = 10.0


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ArgumentTypeError("must be at least 1")
    return number


class Command(BaseCommand):
    """Check the invariants of what is stored; exit 0 when all hold, 1 with one line a violation."""

    help = "Prove the invariants on the data as it is: exit 0 when all hold, 1 with one line a violation. Reads only."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--sample", type=_positive, metavar="N", help="look at only N contacts, drawn at random")
        parser.add_argument(
            "--processes",
            type=_positive,
            metavar="N",
            default=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            help="so many processes, each with a connection of its own (default: one a processor); not with --sample",
        )
        parser.add_argument("--json", action="store_true", help="one JSON document instead of lines")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print each violation on stdout as it is found, remarks and progress on stderr."""
        now = timezone.now()
        began = self._told_at = time.monotonic()

        def tell(done: int, total: int) -> None:
            """Say how far it is, every now and then."""
            if time.monotonic() - self._told_at >= _TOLD_EVERY:
                self._told_at = time.monotonic()
                self.stderr.write(f"{done:,} of {total:,} contacts after {self._told_at - began:.0f} s")

        if options["sample"]:
            violations = verify_invariants(now=now, sample=options["sample"], progress=tell)
        else:
            violations = verify_in_parallel(now=now, processes=options["processes"], progress=tell)
        found = []
        for violation in violations:
            found.append(violation)
            if not options["json"]:
                self.stdout.write(str(violation))
        overdue = count_overdue_reviews(now=now)
        if options["json"]:
            answer = {
                "ok": not found,
                "checked_at": now.isoformat(),
                "violations": [asdict(violation) for violation in found],
                "overdue_reviews": overdue,
            }
            self.stdout.write(json.dumps(answer, indent=2))
        else:
            if overdue:
                self.stderr.write(f"Note: {overdue} reviews are overdue. They lose nothing; is a worker running?")
            self.stderr.write(f"{len(found)} violations." if found else "All invariants hold.")
        if found:
            sys.exit(1)

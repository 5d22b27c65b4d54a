"""manage.py seed_demo: believable demo data for an empty installation."""

import time
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from contacts.services.bulk import NotEmpty
from funnel.services.demo import seed_demo

DEFAULT_CONTACTS = 1_200
DEFAULT_EVENTS = 12_000
EVENTS_PER_CONTACT = 10


class Command(BaseCommand):
    """Fill an empty installation with the contacts of an imaginary software company; see docs/demo.md.

    The same seed, numbers and hour give the same data. Prints one JSON line: contacts, companies, events, handoffs.
    Exits 1 where contacts exist already.
    """

    help = "Fill an empty installation with believable demo data (docs/demo.md)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the command's arguments."""
        parser.add_argument("--contacts", type=int, default=DEFAULT_CONTACTS)
        parser.add_argument("--events", type=int, help="at least; the default is ten for each contact")
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--now", type=_moment, help="when the history ends (ISO 8601); the default is this hour")

    def handle(self, *args: Any, **options: Any) -> None:
        """Seed."""
        contacts = options["contacts"]
        events = options["events"] if options["events"] is not None else contacts * EVENTS_PER_CONTACT
        if not 1 <= contacts <= 10_000_000 or not 0 <= events <= 1_000_000_000 or options["seed"] < 0:
            raise CommandError("--contacts is 1 to 10,000,000, --events 0 to 1,000,000,000, --seed 0 or more")
        now = options["now"] or timezone.now().replace(minute=0, second=0, microsecond=0)
        if now > timezone.now():
            raise CommandError("--now lies in the future")
        started = time.monotonic()
        verbose = options["verbosity"] > 0

        def report(line: str) -> None:
            if verbose:
                self.stderr.write(f"{time.monotonic() - started:6.1f} s  {line}")

        try:
            summary = seed_demo(contacts=contacts, events=events, seed=options["seed"], now=now, report=report)
        except NotEmpty:
            raise CommandError(
                "There are contacts here already; demo data only goes into an empty installation."
            ) from None
        report("done")
        self.stdout.write(msgspec.json.encode(summary).decode())


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

"""manage.py import_events: events that happened before, from a CSV file or JSON lines."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from contacts.management.importing import run_command
from contacts.services.imports import import_events


class Command(BaseCommand):
    """Import events of the past, quietly: history is rebuilt in event time, nobody is told of what is long over.

    Prints one JSON summary (rows, created, updated, unchanged, rejected, errors_file) on stdout: ``created`` are the
    events that were stored, ``unchanged`` those that were known. Exits 1 with one line when the file or the mapping as
    a whole cannot be used. Refused rows do not fail the command: they are in the errors file. See docs/importing.md.
    """

    help = "Import events of the past from a CSV file or JSON lines (docs/importing.md)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the command's arguments."""
        parser.add_argument("file", metavar="FILE.(csv|jsonl)", type=Path)
        parser.add_argument("--mapping", metavar="FILE.yaml", type=Path, help="what the columns mean; else guessed")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the import."""
        self.stdout.write(run_command(import_events, options["file"], options["mapping"], dry_run=options["dry_run"]))

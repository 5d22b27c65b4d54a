"""manage.py import_contacts: contacts from a CSV file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from contacts.management.importing import run_command
from contacts.services.imports import import_contacts


class Command(BaseCommand):
    """Import contacts; prints one JSON summary (rows, created, updated, unchanged, rejected, errors_file) on stdout.

    Exits 1 with one line when the file or the mapping as a whole cannot be used. Refused rows do not fail the
    command: they are in the errors file. See docs/importing.md.
    """

    help = "Import contacts from a CSV file (docs/importing.md)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the command's arguments."""
        parser.add_argument("file", metavar="FILE.csv", type=Path)
        parser.add_argument("--mapping", metavar="FILE.yaml", type=Path, help="what the columns mean; else guessed")
        parser.add_argument("--mode", choices=["add", "update", "upsert"], default="upsert")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the import."""
        self.stdout.write(
            run_command(
                import_contacts,
                options["file"],
                options["mapping"],
                mode=options["mode"],
                dry_run=options["dry_run"],
            )
        )

"""manage.py import_contacts: contacts from a CSV file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import msgspec
import yaml
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from contacts.ingest.csv import CsvFileError
from contacts.ingest.csv_mapping import MappingError
from contacts.services.imports import import_contacts

_LONGEST_MAPPING = 1_000_000


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
        mapping = _read_mapping(options["mapping"]) if options["mapping"] else None
        try:
            with options["file"].open("rb") as stream:
                summary = import_contacts(
                    stream=stream,
                    file_name=options["file"].name,
                    errors_dir=Path(settings.STATE_DIR) / "imports",
                    now=timezone.now(),
                    mapping=mapping,
                    mode=options["mode"],
                    dry_run=options["dry_run"],
                )
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror or error}") from error
        except CsvFileError as error:
            raise CommandError(f"{options['file']}: {error}") from error
        except MappingError as error:
            raise CommandError(f"{options['mapping'] or 'guessed mapping'}: {error}") from error
        self.stdout.write(msgspec.json.encode(summary).decode())


def _read_mapping(path: Path) -> Any:
    """The mapping document with every scalar as text: YAML would turn a cell's "No" or "null" into something else."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        if len(text) > _LONGEST_MAPPING:
            raise CommandError(f"{path}: a mapping of more than 1 MB is no mapping")
        return yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506  builds text, lists and mappings only
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: {error}") from error

"""What the import commands share: reading the mapping, one line for what cannot be used, the summary as JSON."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml
from django.conf import settings
from django.core.management.base import CommandError
from django.utils import timezone

from contacts.ingest.csv import CsvFileError
from contacts.ingest.csv_mapping import MappingError
from contacts.services.imports import ImportSummary

_LONGEST_MAPPING: Final = 1_000_000


def run_command(
    import_file: Callable[..., ImportSummary], path: Path, mapping_path: Path | None, **options: Any
) -> str:
    """Import ``path`` and return the summary as JSON.

    Raises:
        CommandError: the file or the mapping as a whole cannot be used.
    """
    mapping = _read_mapping(mapping_path) if mapping_path else None
    try:
        with path.open("rb") as stream:
            summary = import_file(
                stream=stream,
                file_name=path.name,
                errors_dir=Path(settings.STATE_DIR) / "imports",
                now=timezone.now(),
                mapping=mapping,
                **options,
            )
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror or error}") from error
    except CsvFileError as error:
        raise CommandError(f"{path}: {error}") from error
    except MappingError as error:
        raise CommandError(f"{mapping_path or 'guessed mapping'}: {error}") from error
    return msgspec.json.encode(summary).decode()


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

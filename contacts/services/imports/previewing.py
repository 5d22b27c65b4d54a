"""What an import would do: the import itself, done to the first rows and taken back."""

from datetime import datetime
from typing import Any, Final

import msgspec
from django.db import transaction
from django.utils.translation import gettext

from config.web.formats import format_number
from contacts.enums import SuppressionReason
from contacts.models import ImportRun, Suppression
from contacts.services.erased_names import keyed_hash
from contacts.services.imports.engine import Change, Chunk, Taken
from contacts.services.imports.receiving import count_rows, settled_mapping, stored_file, what_of
from contacts.services.imports.rows import Outcome
from contacts.services.imports.running import bind, document_for, open_reader, run_import

PREVIEWED_ROWS: Final = 2_000
_SAMPLES: Final = 5
_CONFLICTS_SHOWN: Final = 20
# Of what may be odd about a row: what a person should decide about before the import.
_CONFLICTS: Final = frozenset({"merge_pending", "erased", "company_contradicts_domain", "conflict", "email_kept"})


class SampleRow(msgspec.Struct):
    """A row as an example: its number, whom it names, and what it would change (or why it is rejected)."""

    number: int
    who: str
    values: list[str]
    changes: list[Change] = []
    reason: str = ""


class Conflict(msgspec.Struct):
    """A row about which the file and what is known disagree.

    ``code``: ``merge_pending`` (its names are two contacts), ``erased``, ``suppressed``, ``contradicts_itself`` (an
    earlier row said otherwise), ``company_contradicts_domain``, ``conflict`` (a message id used twice).
    """

    number: int
    who: str
    code: str
    message: str


class Preview(msgspec.Struct):
    """What an import would do. ``is_whole``: all rows were looked at, not only the first ``rows``.

    ``samples`` holds up to five rows of each outcome; ``conflicts`` counts all, ``conflict_rows`` holds the first.
    """

    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    conflicts: int = 0
    is_whole: bool = True
    note: str = ""
    samples: dict[str, list[SampleRow]] = {}
    conflict_rows: list[Conflict] = []


def preview_import(*, run: ImportRun, now: datetime, mode: str = "upsert", limit: int = PREVIEWED_ROWS) -> Preview:
    """Say what importing a file would do, as far as its first ``limit`` rows tell.

    The very import is done in a transaction that is rolled back, so the answer cannot differ from what will happen;
    for its duration (under a second) the contacts it would change wait for it.

    Raises:
        CannotRun: the file was removed.
        MappingError: the mapping does not fit the file.
    """
    what = what_of(run)
    mapping = settled_mapping(run)
    path = stored_file(run)
    watcher = _Watcher()
    with path.open("rb") as stream, transaction.atomic():
        with open_reader(stream, what) as reader:
            document = document_for(reader, mapping, what)
            bound = bind(reader, document, what)
        trial = ImportRun.objects.create(what=what, file_name=run.file_name, mode=mode, started_at=now)
        run_import(
            run=trial,
            stream=stream,
            mapping=bound,
            errors_path=None,
            by=run.started_by,
            now=now,
            watch=watcher.see,
            limit=limit,
            tell_changes=True,
        )
        watcher.find_suppressed()
        transaction.set_rollback(True)
    preview = watcher.preview
    for name in ("rows", *(outcome.value for outcome in Outcome)):
        setattr(preview, name, getattr(trial, name))
    rows = count_rows(path, has_header=bound is not None)
    preview.is_whole = trial.rows < limit or rows <= limit
    if not preview.is_whole:
        preview.note = gettext("Only the first %(seen)s of about %(rows)s rows were looked at.") % {
            "seen": format_number(trial.rows),
            "rows": format_number(rows),
        }
    preview.conflict_rows = preview.conflict_rows[:_CONFLICTS_SHOWN]
    return preview


class _Watcher:
    """Collects samples and conflicts while the trial goes on."""

    def __init__(self) -> None:
        self.preview = Preview(samples={outcome.value: [] for outcome in Outcome})
        self._addresses: dict[str, list[tuple[int, str]]] = {}
        self._said: dict[tuple[str, str], Any] = {}

    def see(self, chunk: Chunk, taken: Taken) -> None:
        """Look at a chunk and what came of it."""
        samples = self.preview.samples
        for row in chunk.rows:
            number = row.record.number
            outcome = taken.outcomes.get(number)
            if row.message.email:
                self._addresses.setdefault(row.message.email, []).append((number, row.who))
            for name, value in row.message.traits.items():
                self._compare(number, row.who, name, value)
            if outcome is not None and len(samples[outcome]) < _SAMPLES:
                changes = taken.changes.get(number)
                if changes is None and outcome is Outcome.CREATED:
                    changes = [Change(name, "", _as_text(value)) for name, value in row.message.traits.items()]
                samples[outcome].append(SampleRow(number, row.who, row.record.values, changes or []))
        for rejected in taken.rejected[: _SAMPLES - len(samples[Outcome.REJECTED])]:
            samples[Outcome.REJECTED].append(
                SampleRow(rejected.number, "", list(rejected.values), reason=rejected.sentence)
            )
        for note in taken.notes:
            if note.code in _CONFLICTS:
                self._add(note.number, note.who, note.code, note.message)

    def find_suppressed(self) -> None:
        """Find the rows whose address nothing is sent to; importing them changes nothing of that."""
        hashes = {keyed_hash("email", address): address for address in self._addresses}
        found = Suppression.objects.filter(address_hash__in=list(hashes))
        for address_hash, reason in found.values_list("address_hash", "reason"):
            for number, who in self._addresses[hashes[address_hash]]:
                self._add(
                    number,
                    who,
                    "suppressed",
                    gettext("Nothing is sent to this address (%(reason)s); it stays so.")
                    % {"reason": SuppressionReason(reason).label},
                )
        self.preview.conflict_rows.sort(key=lambda conflict: conflict.number)

    def _compare(self, number: int, who: str, name: str, value: Any) -> None:
        before = self._said.setdefault((who, name), value)
        if before != value:
            self._said[who, name] = value
            message = gettext("An earlier row says %(field)s is %(before)s, this one %(value)s: the later counts.") % {
                "field": name,
                "before": _as_text(before),
                "value": _as_text(value),
            }
            self._add(number, who, "contradicts_itself", message)

    def _add(self, number: int, who: str, code: str, message: str) -> None:
        self.preview.conflicts += 1
        self.preview.conflict_rows.append(Conflict(number, who, code, message))


def _as_text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(str(part) for part in value.values() if part is not None)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()

"""Uploaded files: looked into, previewed, imported by a worker, cancelled, resumed, and removed in the end."""

import csv
import io
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contacts.enums import WorkState
from contacts.ingest.csv import CsvFileError
from contacts.ingest.csv_mapping import MappingError
from contacts.models import Contact, ErasedName, Event, ImportRun, Job, Message, SavedMapping, Suppression
from contacts.services.erased_names import keyed_hash
from contacts.services.imports import contact_rows, engine
from contacts.services.imports.errors import ErrorsFile
from contacts.services.imports.files import (
    errors_of,
    files_mentioning,
    remove_files_mentioning,
    sweep_files,
    upload_of,
)
from contacts.services.imports.ordering import start_import
from contacts.services.imports.previewing import preview_import
from contacts.services.imports.receiving import inspect, receive_file, save_mapping
from contacts.services.jobs import cancel_job, resume_job, work_off_jobs
from contacts.services.work import CannotRun

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def state_dir(settings: Any, tmp_path: Path) -> Path:
    settings.STATE_DIR = tmp_path
    return tmp_path


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact_rows, "CHUNK_ROWS", 2)


def receive(content: str | bytes, what: Any = "contacts", file_name: str = "people.csv") -> ImportRun:
    stream = io.BytesIO(content if isinstance(content, bytes) else content.encode())
    return receive_file(stream=stream, file_name=file_name, what=what, by=None, now=NOW)


def start(run: ImportRun, mode: str = "upsert") -> Job:
    return start_import(run=run, mode=mode, by=None, now=NOW)


def counts(run: ImportRun) -> dict[str, int]:
    run.refresh_from_db()
    names = ("rows", "created", "updated", "unchanged", "rejected")
    return {name: getattr(run, name) for name in names if getattr(run, name)}


def people(number: int) -> str:
    return "email,first name\n" + "".join(f"p{n}@firm.example,Name{n}\n" for n in range(number))


def test_an_upload_is_kept_for_nobody_else_and_removed_when_it_is_imported(state_dir: Path) -> None:
    run = receive(people(3))
    path = upload_of(run)
    assert path is not None
    assert path.parent == state_dir / "imports"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    job = start(run)
    assert work_off_jobs() == 1
    job.refresh_from_db()
    assert (job.state, job.done, job.total, job.reached, job.unit) == (WorkState.FINISHED, 3, 3, 3, "rows")
    assert job.result == {"rows": 3, "created": 3, "updated": 0, "unchanged": 0, "rejected": 0}
    assert counts(run) == {"rows": 3, "created": 3}
    assert run.finished_at is not None
    assert not path.exists()
    with pytest.raises(CannotRun, match="imported already"):
        start(run)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04spreadsheet", b"a,a\n1,2\n", b"\x1f\x8bzip"])
def test_what_is_no_csv_file_is_refused_at_once(content: bytes, state_dir: Path) -> None:
    with pytest.raises(CsvFileError):
        receive(content)
    assert not ImportRun.objects.exists()
    assert not (state_dir / "imports").exists() or not list((state_dir / "imports").iterdir())


def test_a_file_over_the_limit_is_refused(settings: Any) -> None:
    settings.UPLOAD_MAX_BYTES = 30
    with pytest.raises(CsvFileError, match="larger than"):
        receive(people(3))


def test_inspection_and_a_mapping_that_is_remembered() -> None:
    content = "E-mail;Vorname;Plan\nann@firm.example;Ann;Team\n".encode("cp1252")
    run = receive(content)
    seen = inspect(run)
    assert (seen.format, seen.delimiter, seen.header, seen.rows) == ("csv", ";", ["E-mail", "Vorname", "Plan"], 1)
    assert [(guess.target, guess.confidence) for guess in seen.guesses] == [
        ("email", 0.95),
        ("attributes.vorname", 0),
        ("attributes.plan", 0),
    ]
    assert seen.samples == [["ann@firm.example", "Ann", "Team"]]
    mapping = {"columns": {"E-mail": "email", "Vorname": "first_name"}}
    with pytest.raises(MappingError, match="consent"):
        save_mapping(run=run, mapping={"columns": {"E-mail": "email", "Plan": "consent"}}, by=None)
    save_mapping(run=run, mapping=mapping, by=None)
    assert SavedMapping.objects.count() == 1

    again = receive(content)
    seen = inspect(again)
    assert seen.is_saved
    assert seen.mapping["columns"]["Vorname"][0]["to"] == "first_name"
    start(again)
    work_off_jobs()
    assert Contact.objects.get().first_name == "Ann"
    assert inspect(run).mapping["columns"].keys() == {"E-mail", "Vorname"}
    with pytest.raises(CannotRun, match="begun"):
        save_mapping(run=again, mapping=mapping, by=None)


def test_a_preview_says_what_will_happen_and_changes_nothing() -> None:
    start(receive("email,first name,phone\nann@firm.example,Ann,1\nbob@firm.example,Bob,2\nx1@firm.example,X,\n"))
    work_off_jobs()
    before = (Contact.objects.count(), Message.objects.count(), ImportRun.objects.count())
    Suppression.objects.create(address_hash=keyed_hash("email", "bob@firm.example"), reason="unsubscribed", at=NOW)
    ErasedName.objects.create(
        name_hash=keyed_hash("email", "gone@firm.example"), husk=Contact.objects.create(erased_at=NOW)
    )
    content = (
        "email,external id,first name,phone\n"
        "ann@firm.example,,Anna,1\n"
        "bob@firm.example,,Bob,2\n"
        "new@firm.example,n1,Neu,3\n"
        "gone@firm.example,,Gone,4\n"
        "no address,,No,5\n"
        "new@firm.example,n1,New,3\n"
    )
    run = receive(content)
    preview = preview_import(run=run, now=NOW + timedelta(days=1))
    assert (preview.created, preview.updated, preview.unchanged, preview.rejected) == (1, 2, 1, 2)
    assert preview.is_whole
    assert [(change.name, change.old, change.new) for change in preview.samples["updated"][0].changes] == [
        ("first_name", "Ann", "Anna")
    ]
    assert {(change.name, change.new) for change in preview.samples["created"][0].changes} == {
        ("first_name", "Neu"),
        ("phone", "3"),
    }
    assert [(row.number, row.code) for row in preview.conflict_rows] == [
        (2, "suppressed"),
        (4, "erased"),
        (6, "contradicts_itself"),
    ]
    assert "no address" in preview.samples["rejected"][1].values
    assert (Contact.objects.count() - 1, Message.objects.count(), ImportRun.objects.count() - 1) == before

    start(run)
    work_off_jobs()
    assert counts(run) == {"rows": 6, "created": 1, "updated": 2, "unchanged": 1, "rejected": 2}


def test_a_preview_of_a_long_file_looks_at_its_beginning() -> None:
    preview = preview_import(run=receive(people(30)), now=NOW, limit=10)
    assert (preview.rows, preview.created, preview.is_whole) == (10, 10, False)
    assert preview.note == "Only the first 10 of about 30 rows were looked at."


class Died(BaseException):
    """Stands for kill -9: nothing of ours handles it."""


def stop_after(monkeypatch: pytest.MonkeyPatch, chunks: int) -> None:
    """Let the next attempt die in the middle of a chunk, after its errors have reached the disk."""
    original = ErrorsFile.append
    taken: Iterator[int] = iter(range(100))

    def append(self: Any, rows: Any) -> int:
        kept = original(self, rows)
        if next(taken) >= chunks:
            raise Died
        return kept

    monkeypatch.setattr(ErrorsFile, "append", append)


def test_what_a_dead_worker_did_is_not_done_again(monkeypatch: pytest.MonkeyPatch, small_chunks: None) -> None:
    rows = ["a@x.example", "bad1", "b@x.example", "c@x.example", "bad2", "d@x.example", "bad3", "e@x.example"]
    run = receive("email,plan\n" + "".join(f"{value},P\n" for value in rows))
    job = start(run)
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(Died):
            work_off_jobs()
    job.refresh_from_db()
    assert (job.state, job.reached) == (WorkState.RUNNING, 4)
    assert counts(run) == {"rows": 4, "created": 3, "rejected": 1}
    left = errors_of(run)
    assert left is not None
    assert left.stat().st_size > run.errors_bytes, "what the dead worker wrote for the chunk that was lost"
    work_off_jobs()
    job.refresh_from_db()
    assert (job.state, job.reached) == (WorkState.FINISHED, 8)
    assert counts(run) == {"rows": 8, "created": 5, "rejected": 3}
    path = errors_of(run)
    assert path is not None
    with path.open(newline="") as stream:
        assert [row[0] for row in csv.reader(stream)] == ["email", "bad1", "bad2", "bad3"]
    assert Contact.objects.count() == 5


def test_a_cancelled_import_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch, small_chunks: None) -> None:
    run = receive(people(6))
    job = start(run)
    monkeypatch.setattr("contacts.services.work._EVERY", 0)
    taken = engine.Importer._take

    def take(self: Any, chunk: Any) -> Any:
        done = taken(self, chunk)
        if chunk.last == 4:
            cancel_job(job_id=job.pk, now=NOW)
        return done

    with monkeypatch.context() as patch:
        patch.setattr(engine.Importer, "_take", take)
        work_off_jobs()
    job.refresh_from_db()
    assert (job.state, job.reached) == (WorkState.CANCELLED, 4)
    assert counts(run) == {"rows": 4, "created": 4}
    assert upload_of(run) is not None
    resume_job(job_id=job.pk)
    work_off_jobs()
    job.refresh_from_db()
    assert (job.state, job.done, job.total) == (WorkState.FINISHED, 6, 6)
    assert counts(run) == {"rows": 6, "created": 6}
    assert Message.objects.count() == 6


def test_files_are_found_and_removed_by_what_they_mention(state_dir: Path) -> None:
    named = receive('email,note\nAnn@Firm.example,"say ""hi"""\n')
    wide = receive("email,note\nann@firm.example,ü\n".encode("utf-16"))
    other = receive(people(1))
    assert set(files_mentioning(["ann@firm.example"])) == {upload_of(named), upload_of(wide)}
    assert files_mentioning(['say "hi"']) == [upload_of(named)]
    assert files_mentioning([""]) == []
    assert remove_files_mentioning(["ann@firm.example"]) == 2
    named.refresh_from_db()
    assert upload_of(named) is None
    assert upload_of(other) is not None
    with pytest.raises(CannotRun, match="removed"):
        start(named)


def test_files_go_in_time(state_dir: Path) -> None:
    run = receive("email\nbad\n")
    start(run)
    work_off_jobs()
    forgotten = receive(people(1))
    run.refresh_from_db()
    errors, upload = errors_of(run), upload_of(forgotten)
    assert errors is not None
    assert upload is not None
    assert sweep_files(now=NOW) == 0
    real_now = datetime.fromtimestamp(errors.stat().st_mtime, UTC)
    assert sweep_files(now=real_now + timedelta(days=8)) == 1
    assert (errors.exists(), upload.exists()) == (True, False)
    assert sweep_files(now=real_now + timedelta(days=31)) == 1
    assert not errors.exists()
    run.refresh_from_db()
    assert run.errors_file == ""


def test_what_a_killed_web_process_left_of_an_upload_goes_after_a_day(settings: Any, tmp_path: Path) -> None:
    settings.UPLOAD_DIR = tmp_path / "uploads"
    settings.UPLOAD_DIR.mkdir()
    left = settings.UPLOAD_DIR / "tmpabc.upload"
    left.write_text("half a file")
    real_now = datetime.fromtimestamp(left.stat().st_mtime, UTC)
    assert (sweep_files(now=real_now + timedelta(hours=23)), left.exists()) == (0, True)
    assert (sweep_files(now=real_now + timedelta(hours=25)), left.exists()) == (1, False)


def test_events_are_imported_by_a_worker_too() -> None:
    run = receive(
        '{"kind": "demo_requested", "occurred_at": "2026-01-01T00:00:00Z", "contact": {"email": "a@b.example"}}\n',
        "events",
        "log.jsonl",
    )
    assert inspect(run).format == "jsonl"
    start(run)
    work_off_jobs()
    assert counts(run) == {"rows": 1, "created": 1}
    assert Event.objects.get().occurred_at == datetime(2026, 1, 1, tzinfo=UTC)

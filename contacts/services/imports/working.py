"""What a worker does of an import: everything that no earlier attempt has done for good."""

from collections.abc import Mapping
from typing import Any

import msgspec
from django.utils import timezone

from contacts.ingest.csv import CsvFileError
from contacts.ingest.csv_mapping import MappingError
from contacts.models import ImportRun, Job
from contacts.services.imports.files import imports_folder, remove_upload
from contacts.services.imports.receiving import count_rows, stored_file, what_of
from contacts.services.imports.running import bind, document_for, open_reader, run_import, summarise
from contacts.services.work import CannotRun, Progress


def perform_import(job: Job, progress: Progress) -> Mapping[str, Any]:
    """Import an uploaded file from where the last worker stopped; returns the counters. The upload is removed then.

    Raises:
        Cancelled: somebody asked the job to stop.
        CannotRun: the file was removed, or cannot be read under its mapping any more.
    """
    run = ImportRun.objects.select_related("started_by").get(job=job)
    if run.finished_at is None:
        path = stored_file(run)
        what = what_of(run)
        try:
            with path.open("rb") as stream:
                with open_reader(stream, what) as reader:
                    bound = bind(reader, document_for(reader, run.mapping, what), what)
                rows = count_rows(path, has_header=bound is not None)
                progress.begin(max(rows, run.rows), unit="rows", done=run.rows)
                run_import(
                    run=run,
                    stream=stream,
                    mapping=bound,
                    errors_path=imports_folder() / f"import-{run.pk}-errors.csv",
                    by=run.started_by,
                    now=timezone.now(),
                    progress=progress,
                    job=job,
                )
        except (CsvFileError, MappingError) as error:
            raise CannotRun(str(error)) from error
    progress.begin(run.rows, unit="rows", done=run.rows)
    remove_upload(run)
    counts = msgspec.structs.asdict(summarise(run))
    del counts["errors_file"]
    return counts

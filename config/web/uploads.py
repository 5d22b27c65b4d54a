"""Uploaded files: streamed to the state folder's disk as they come, never into memory, up to a size."""

import tempfile
from typing import Any, Final

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile, TemporaryFileUploadHandler

# Set in request.META where a file was left out because it is too large.
TOO_LARGE: Final = "ripen.upload_too_large"


class _OnDisk(TemporaryUploadedFile):
    """A temporary file in UPLOAD_DIR, removed when it is closed."""

    def __init__(
        self,
        name: str | None,
        content_type: str | None,
        size: int,
        charset: str | None,
        content_type_extra: dict[str, Any] | None = None,
    ) -> None:
        # Made on first use, for nobody else to read.
        settings.UPLOAD_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = tempfile.NamedTemporaryFile(suffix=".upload", dir=settings.UPLOAD_DIR)  # noqa: SIM115  the request's
        UploadedFile.__init__(self, file, name, content_type, size, charset, content_type_extra)


class DiskUploadHandler(TemporaryFileUploadHandler):
    """Writes each file to disk as it comes; one over UPLOAD_MAX_BYTES is left out of the request (see TOO_LARGE).

    In a container /tmp may be memory, and a million rows must not fill it.
    """

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Begin with a file."""
        FileUploadHandler.new_file(self, *args, **kwargs)
        self.file = _OnDisk(self.file_name, self.content_type, 0, self.charset, self.content_type_extra)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Append a piece; raises SkipFile where the file grows too large."""
        if start + len(raw_data) > settings.UPLOAD_MAX_BYTES:
            if self.request is not None:
                self.request.META[TOO_LARGE] = "1"
            raise SkipFile
        super().receive_data_chunk(raw_data, start)

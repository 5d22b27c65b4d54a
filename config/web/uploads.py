"""Uploaded files: streamed to the state folder's disk as they come, never into memory, up to a size."""

from typing import Any, Final

from django.conf import settings
from django.core.files.uploadhandler import SkipFile, TemporaryFileUploadHandler

# Set in request.META where a file was left out because it is too large.
TOO_LARGE: Final = "ripen.upload_too_large"


class DiskUploadHandler(TemporaryFileUploadHandler):
    """Writes each file to a temporary one in FILE_UPLOAD_TEMP_DIR; one over UPLOAD_MAX_BYTES is left out of the request.

    In a container /tmp may be memory, and a million rows must not fill it.
    """

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Make the folder on first use, for nobody else to read."""
        settings.FILE_UPLOAD_TEMP_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
        super().new_file(*args, **kwargs)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Append a piece; raises SkipFile where the file grows too large."""
        if start + len(raw_data) > settings.UPLOAD_MAX_BYTES:
            if self.request is not None:
                self.request.META[TOO_LARGE] = "1"
            raise SkipFile
        super().receive_data_chunk(raw_data, start)

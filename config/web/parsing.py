"""Bodies of API requests: JSON, read strictly and only up to a size."""

from collections.abc import Mapping
from typing import IO, Any, Final

import msgspec
from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from config.web.errors import ApiError

_decoder: Final = msgspec.json.Decoder()


class StrictJSONParser(BaseParser):
    """Standard JSON in UTF-8, with no NaN, no lone surrogates and no nesting that the parser cannot follow."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the value of the body.

        Raises:
            ParseError: 400, it is no JSON.
            ApiError: 413 ``too_large``.
        """
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise ApiError(413, "too_large", f"A body holds at most {limit:,} bytes.")
        try:
            return _decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ParseError("The body is not valid JSON.") from None

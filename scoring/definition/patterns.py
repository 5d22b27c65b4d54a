"""People's patterns: RE2 expressions, which no text can make slow."""

from functools import lru_cache
from typing import Any

import re2

LONGEST_PATTERN = 500


@lru_cache(maxsize=512)
def compile_pattern(pattern: str) -> Any:
    """The compiled pattern; its ``search`` finds it anywhere in a text.

    Raises:
        ValueError: saying what is wrong with it.
    """
    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"is longer than {LONGEST_PATTERN} characters")
    options = re2.Options()
    options.log_errors = False
    # The program of a pattern within the length still could be large; RE2 refuses those over this many bytes.
    options.max_mem = 1 << 20
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        said = error.args[0] if isinstance(error, re2.error) and error.args else "holds characters that are no text"
        raise ValueError(said.decode(errors="replace") if isinstance(said, bytes) else str(said)) from error

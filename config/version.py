"""Which release this is; pyproject.toml says the same, which a test holds."""

from typing import Final

VERSION: Final = "0.1.0"

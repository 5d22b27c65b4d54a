"""Static files under names that change with their contents, the modules that our scripts import among them."""

from typing import Any, Final

from whitenoise.storage import CompressedManifestStaticFilesStorage

# Django's own pattern would look into every script of every package, and some name modules that they do not bring.
_IMPORTS: Final = (
    "js/*.js",
    (
        (
            r"""(?P<matched>(?m:^)import (?P<names>\{[^}]*\}) from "(?P<url>\./[^"]+)";)""",
            """import %(names)s from "%(url)s";""",
        ),
    ),
)


class StaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # the package has no types
    """Names files by their contents, also where a script of ours imports another one."""

    patterns: Any = (*CompressedManifestStaticFilesStorage.patterns, _IMPORTS)

"""Hostile texts, and a reader that tells whether one of them became a part of a page instead of staying text."""

from html.parser import HTMLParser
from typing import Final

MARK: Final = "xssmark"
# Out of a text, an attribute of either quote, a script, a comment, a title, a textarea, a style and a template.
HOSTILE: Final[tuple[str, str, str, str]] = (
    f"\"'><{MARK} on{MARK}=1 src=x>",
    f"</script></title></textarea></style>--><{MARK}>",
    f'" on{MARK}=1 x="',
    f"{{{{ {MARK} }}}}{{% {MARK} %}}",
)
LINK: Final = f"javascript:{MARK}()"


class Found(HTMLParser):
    """Collects every element, attribute and link that a hostile text has become."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.findings: list[str] = []
        self.shown = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at an element as a browser would read it."""
        if MARK in tag:
            self.findings.append(f"element {tag}")
        for name, value in attrs:
            if MARK in name:
                self.findings.append(f"attribute {name} of {tag}")
            if name in {"href", "src", "action", "formaction"} and (value or "").strip().lower().startswith(
                "javascript:"
            ):
                self.findings.append(f"link {value}")
            self.shown += MARK in (value or "")

    def handle_data(self, data: str) -> None:
        """Count where it stayed text."""
        self.shown += MARK in data


def read_page(page: str) -> Found:
    """Read a page."""
    found = Found()
    found.feed(page)
    found.close()
    return found

"""In whose name a caller's facts are recorded."""

from typing import Final

from contacts.enums import Scope, SourceKind
from contacts.models import Source

PEOPLE: Final = "people"


def people_source() -> Source:
    """Return the source of facts that people send through the API under their own token.

    One of its own, not the internal one: what Ripen itself records has message ids that nobody else may use up.
    """
    source, _ = Source.objects.get_or_create(
        name=PEOPLE, defaults={"kind": SourceKind.SERVER, "scopes": [Scope.EVENTS_WRITE.value]}
    )
    return source

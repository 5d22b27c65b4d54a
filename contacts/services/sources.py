"""Sources: integrations that send facts, and their write keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from contacts.enums import Scope, SourceKind
from contacts.keys import SOURCE_PREFIX, mint_key
from contacts.models import Source
from contacts.permissions import check_manage_sources

DEFAULT_SCOPES: Final = (Scope.EVENTS_WRITE,)
# A public key is readable by anybody who opens the page: it may push, nothing else.
PUBLIC_SCOPES: Final = frozenset({Scope.EVENTS_WRITE})


@dataclass(frozen=True, slots=True)
class NewSource:
    """A source and its write key, which is shown once and not stored."""

    source: Source
    key: str


def create_source(
    *, name: str, scopes: Sequence[str], public: bool = False, channel: str = "", by: User | None
) -> NewSource:
    """Create a source; ``by`` is the administrator who does it, None is the shell of the machine.

    Raises:
        PermissionDenied: ``by`` may not manage sources.
        ValidationError: the name is empty, too long or taken; a scope is unknown, or not for a public key.
    """
    if by is not None:
        check_manage_sources(by)
    name = name.strip()
    if not name:
        raise ValidationError({"name": "A source needs a name."})
    wanted = list(dict.fromkeys(scopes or DEFAULT_SCOPES))
    unknown = [scope for scope in wanted if scope not in Scope.values]
    if unknown:
        raise ValidationError({"scopes": f"No such scope: {', '.join(unknown)}. There are {', '.join(Scope.values)}."})
    if public and not PUBLIC_SCOPES.issuperset(Scope(scope) for scope in wanted):
        raise ValidationError({"scopes": "A public key may only have events:write."})
    minted = mint_key(SOURCE_PREFIX)
    source = Source(
        name=name,
        kind=SourceKind.PUBLIC if public else SourceKind.SERVER,
        scopes=wanted,
        channel=channel,
        key_hash=minted.key_hash,
        key_prefix=minted.prefix,
    )
    source.full_clean(exclude=["kind_names"])
    try:
        with transaction.atomic():
            source.save()
    except IntegrityError as error:
        raise ValidationError({"name": f"There is a source called “{name}”."}) from error
    return NewSource(source, minted.key)

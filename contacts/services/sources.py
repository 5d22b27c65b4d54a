"""Sources: integrations that send facts, and their write keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext

from contacts.audit import AuditAct
from contacts.enums import Scope, SourceKind
from contacts.keys import SOURCE_PREFIX, mint_key
from contacts.models import Kind, Source
from contacts.permissions import check_manage_sources
from contacts.services.auditing import audited
from contacts.services.callers import PEOPLE

DEFAULT_SCOPES: Final = (Scope.EVENTS_WRITE,)
# A public key is readable by anybody who opens the page: it may push, nothing else.
PUBLIC_SCOPES: Final = frozenset({Scope.EVENTS_WRITE})
MAX_KIND_NAMES: Final = 500
MAX_EVENT_NAME: Final = 255


class NoKey(Exception):
    """The source has no key and never gets one."""


@dataclass(frozen=True, slots=True)
class NewSource:
    """A source and its write key, which is shown once and not stored."""

    source: Source
    key: str


@audited(AuditAct.SOURCE_CREATED, "result.source", keep=["name", "result.source.scopes", "result.source.kind"])
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
        raise ValidationError({"name": gettext("A source needs a name.")})
    wanted = list(dict.fromkeys(scopes or DEFAULT_SCOPES))
    unknown = [scope for scope in wanted if scope not in Scope.values]
    if unknown:
        raise ValidationError(
            {
                "scopes": gettext("No such scope: %(unknown)s. There are %(known)s.")
                % {"unknown": ", ".join(unknown), "known": ", ".join(Scope.values)}
            }
        )
    if public and not PUBLIC_SCOPES.issuperset(Scope(scope) for scope in wanted):
        raise ValidationError({"scopes": gettext("A public key may only have events:write.")})
    minted = mint_key(SOURCE_PREFIX)
    source = Source(
        name=name,
        kind=SourceKind.PUBLIC if public else SourceKind.SERVER,
        scopes=wanted,
        channel=channel,
        key_hash=minted.key_hash,
        key_prefix=minted.prefix,
    )
    source.full_clean(exclude=["kind_names"], validate_unique=False)
    try:
        with transaction.atomic():
            source.save()
    except IntegrityError as error:
        raise ValidationError({"name": gettext("There is a source called “%(name)s”.") % {"name": name}}) from error
    return NewSource(source, minted.key)


@audited(AuditAct.KEY_ROTATED, "source", keep=["source.name"])
def rotate_key(*, source: Source, by: User) -> NewSource:
    """Give a source a new key; from this moment the old one opens nothing. A revoked source may write again.

    Raises:
        PermissionDenied: ``by`` may not manage sources.
        NoKey: it is one of Ripen's own sources, which nobody calls with a key.
    """
    check_manage_sources(by)
    _check_keyed(source)
    minted = mint_key(SOURCE_PREFIX)
    Source.objects.filter(pk=source.pk).update(
        key_hash=minted.key_hash, key_prefix=minted.prefix, last_used_at=None, revoked_at=None
    )
    source.refresh_from_db()
    return NewSource(source, minted.key)


@audited(AuditAct.KEY_REVOKED, "source", keep=["source.name"])
def revoke_key(*, source: Source, by: User, now: datetime) -> Source:
    """End a source's key: nobody sends under it any more. What was sent stays, and a new key can be given.

    Raises:
        PermissionDenied: ``by`` may not manage sources.
        NoKey: it is one of Ripen's own sources.
    """
    check_manage_sources(by)
    _check_keyed(source)
    Source.objects.filter(pk=source.pk, revoked_at=None).update(revoked_at=now)
    source.refresh_from_db()
    return source


@audited(AuditAct.NAMES_CHANGED, "source", keep=["names"])
def set_kind_names(*, source: Source, names: Mapping[str, str], by: User) -> Source:
    """Set which kind each event name of a tracker means; holds for what arrives from now on.

    Raises:
        PermissionDenied: ``by`` may not manage sources.
        ValidationError: a name is blank or too long, there are too many, or a kind is none or Ripen's own.
    """
    check_manage_sources(by)
    if len(names) > MAX_KIND_NAMES:
        raise ValidationError({"names": gettext("A source has at most %(number)s names.") % {"number": MAX_KIND_NAMES}})
    kinds = {kind.name: kind for kind in Kind.objects.filter(name__in=names.values())}
    for name, wanted in names.items():
        if not name.strip() or len(name) > MAX_EVENT_NAME:
            raise ValidationError(
                {"names": gettext("An event name holds 1 to %(number)s characters.") % {"number": MAX_EVENT_NAME}}
            )
        kind = kinds.get(wanted)
        if kind is None or kind.system:
            raise ValidationError(
                {"names": gettext("“%(kind)s” is no kind that a source may send.") % {"kind": wanted}}
            )
    source.kind_names = {name.strip(): kind for name, kind in names.items()}
    source.save(update_fields=["kind_names"])
    return source


def _check_keyed(source: Source) -> None:
    if source.kind == SourceKind.INTERNAL or source.name == PEOPLE:
        raise NoKey(gettext("“%(name)s” is Ripen's own; it has no key.") % {"name": source.name})

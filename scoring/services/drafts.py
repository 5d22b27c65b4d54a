"""Drafts of definitions: stored, changed in place, copied, discarded. What is not sound is never stored."""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import F, Max
from django.utils.translation import gettext, gettext_noop

from config.web.formats import format_exact, format_number
from contacts.audit import AuditAct, AuditThing
from contacts.models import Source
from contacts.services.auditing import audited
from scoring.definition import DefinitionDocument, DefinitionError, Problem, read_document, to_builtins
from scoring.definition.files import stored_document
from scoring.enums import DefinitionState
from scoring.matching import load_kinds
from scoring.models import Definition

logger = logging.getLogger(__name__)


class NotADraft(ValueError):
    """A published version never changes; the message names it and the way out."""


class DraftConflict(ValueError):
    """Somebody saved the draft since it was opened; the message says who and when."""


def known_names() -> dict[str, frozenset[str]]:
    """What a definition may name here and now, as ``read_document`` takes it; two queries."""
    return {
        "known_kinds": frozenset(name for kind in load_kinds() for name in (kind.name, kind.sent_as) if name),
        "known_sources": frozenset(Source.objects.values_list("name", flat=True)),
    }


def sound_document(data: DefinitionDocument | Mapping[str, Any]) -> DefinitionDocument:
    """The document of plain data or as typed, proven sound with the kinds of events and the sources that are here.

    Raises:
        DefinitionError: with the path and the fix of each problem.
    """
    plain = to_builtins(data) if isinstance(data, DefinitionDocument) else data
    return read_document(plain, **known_names())


@audited(AuditAct.DRAFT_CREATED, "result", keep=["result.key", "result.version"])
def store_draft(*, document: DefinitionDocument | Mapping[str, Any], by: User | None) -> Definition:
    """Store a document as the next version of its key; other versions stay as they are.

    Raises:
        DefinitionError: the document is not sound.
    """
    sound = sound_document(document)
    with transaction.atomic():
        with connection.cursor() as cursor:
            # Two people who store drafts of one key at once get two versions, one after the other.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"definition {sound.key}"])
        latest = Definition.objects.filter(key=sound.key).aggregate(latest=Max("version"))["latest"] or 0
        row = Definition.objects.create(
            key=sound.key,
            version=latest + 1,
            name=sound.name,
            state=DefinitionState.DRAFT,
            document=to_builtins(sound),
            created_by=by,
            edited_by=by,
        )
        # As anybody reads it from now on: lists where the document has tuples.
        row.refresh_from_db(fields=["document"])
        return row


@audited(AuditAct.DRAFT_CHANGED, "result", keep=["result.key", "result.version", "result.revision"])
def change_draft(
    *,
    definition_id: int,
    document: DefinitionDocument | Mapping[str, Any],
    by: User | None,
    revision: int | None,
    now: datetime,
) -> Definition:
    """Put another document in a draft's place; what teams agreed to before is void. The same document changes nothing.

    ``revision`` is the one that the change was made from; None overwrites whatever is there.

    Raises:
        DefinitionError: the document is not sound, or its key is another.
        DraftConflict: somebody saved the draft since that revision.
        NotADraft: it is published.
        Definition.DoesNotExist: there is no such definition.
    """
    sound = sound_document(document)
    with transaction.atomic():
        row = _locked_draft(definition_id)
        if revision is not None and revision != row.revision:
            raise DraftConflict(_conflict(row, revision))
        if sound.key != row.key:
            raise DefinitionError([other_key(row)])
        if sound == stored_document(row.document):
            return row
        Definition.objects.filter(pk=row.pk).update(
            document=to_builtins(sound), name=sound.name, revision=F("revision") + 1, edited_by=by, edited_at=now
        )
        row.refresh_from_db()
        return row


def copy_to_draft(*, definition_id: int, by: User | None) -> Definition:
    """Make the next version of a definition's key, a draft, from any of its versions.

    Raises:
        DefinitionError: the version names what no longer exists.
        Definition.DoesNotExist: there is no such definition.
    """
    return store_draft(document=Definition.objects.get(pk=definition_id).document, by=by)


@audited(AuditAct.DRAFT_DISCARDED, "definition_id", thing=AuditThing.DEFINITION)
def discard_draft(*, definition_id: int, by: User | None) -> None:
    """Delete a draft with its approvals, trial runs and their results; cannot be undone.

    Raises:
        NotADraft: it is published.
        Definition.DoesNotExist: there is no such definition.
    """
    with transaction.atomic():
        row = _locked_draft(definition_id)
        row.delete()
    logger.info("draft_discarded", extra={"definition": f"{row.key}@{row.version}", "by": by.pk if by else None})


def _locked_draft(definition_id: int) -> Definition:
    row = Definition.objects.select_for_update(of=("self",)).select_related("edited_by").get(pk=definition_id)
    if row.state != DefinitionState.DRAFT:
        message = gettext("%(definition)s is published, and a published version never changes; make a new draft of it.")
        raise NotADraft(message % {"definition": row})
    return row


def _conflict(row: Definition, revision: int) -> str:
    by = row.edited_by
    message = gettext(
        "%(who)s saved this draft on %(when)s, after you opened it (it was revision %(revision)s, now it is %(now)s). "
        "Look at what changed before you save yours."
    )
    return message % {
        "who": by.get_full_name() or by.get_username() if by else gettext("Somebody at the shell"),
        "when": format_exact(row.edited_at),
        "revision": format_number(revision),
        "now": format_number(row.revision),
    }


def other_key(row: Definition) -> Problem:
    """What is wrong with a document that is to replace a draft and has another key."""
    return Problem("key", gettext_noop("must stay %(key)s; another key is another definition"), {"key": repr(row.key)})

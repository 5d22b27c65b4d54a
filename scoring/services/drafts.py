"""Drafts of definitions."""

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Max

from scoring.definition import DefinitionDocument, to_builtins
from scoring.enums import DefinitionState
from scoring.models import Definition


def store_draft(*, document: DefinitionDocument, by: User | None) -> Definition:
    """Store a document as the next version of its key; published versions stay as they are."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            # Two people who store drafts of one key at once get two versions, one after the other.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"definition {document.key}"])
        latest = Definition.objects.filter(key=document.key).aggregate(latest=Max("version"))["latest"] or 0
        return Definition.objects.create(
            key=document.key,
            version=latest + 1,
            name=document.name,
            state=DefinitionState.DRAFT,
            document=to_builtins(document),
            created_by=by,
        )

"""Which definition was in force when, and its compiled form."""

import json
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from django.db import connection
from django.db.models import Case, When

from contacts.registry import DefinitionInForce
from scoring.definition import DefinitionDocument, stored_document
from scoring.engine import UNKNOWN_PAST, Compiled, KindFacts, compile_definition
from scoring.enums import DefinitionState
from scoring.matching import load_kinds
from scoring.models import Definition, Publication
from scoring.moments import to_micros


@dataclass(frozen=True, slots=True)
class Reign:
    """A definition in force from ``since`` (microseconds; the first: since the beginning of time) to ``until``."""

    definition_id: int
    compiled: Compiled
    since: int
    until: int | None


def published_definition() -> tuple[Definition, DefinitionDocument]:
    """The definition in force now, as row and document.

    Raises:
        Publication.DoesNotExist: when nothing was ever published (migrations publish ``default``).
    """
    latest = Publication.objects.filter(retracted_at=None).select_related("definition").latest("effective_at")
    return latest.definition, definition_document(latest.definition)


_IN_FORCE = """
SELECT definition.document
FROM scoring_publication AS publication
JOIN scoring_definition AS definition ON definition.id = publication.definition_id
WHERE publication.retracted_at IS NULL ORDER BY publication.effective_at DESC LIMIT 1
"""


def document_in_force() -> DefinitionDocument:
    """The document of ``published_definition`` alone, at a tenth of its cost: for what asks with every act.

    Raises:
        Publication.DoesNotExist: as above.
    """
    with connection.cursor() as cursor:
        cursor.execute(_IN_FORCE)
        found = cursor.fetchone()
    if found is None:
        raise Publication.DoesNotExist("No definition was ever published.")
    return _document(found[0])


@lru_cache(maxsize=32)
def _document(text: str) -> DefinitionDocument:
    """The document that a cursor gives as the text of its JSON, each read once."""
    return stored_document(json.loads(text))


def find_definition(name: str) -> Definition:
    """The definition that ``key`` or ``key@version`` names; a key alone means its latest version that is no draft.

    Where all versions are drafts, the latest of them.

    Raises:
        Definition.DoesNotExist: with a sentence that names what was asked for.
    """
    key, _, version = name.partition("@")
    rows = Definition.objects.filter(key=key)
    if version:
        rows = rows.filter(version=int(version)) if version.isdecimal() and len(version) < 10 else rows.none()
    found = rows.order_by(Case(When(state=DefinitionState.DRAFT, then=1), default=0), "-version").first()
    if found is None:
        raise Definition.DoesNotExist(f"There is no definition {name!r}.")
    return found


def definitions_to_choose() -> list[Definition]:
    """Every version of every definition, without the documents, by key and newest first."""
    return list(Definition.objects.defer("document").order_by("key", "-version"))


def find_draft(name: str) -> Definition:
    """The definition to publish that ``key@version`` names; a key alone means its latest version, draft or not.

    Raises:
        Definition.DoesNotExist: with a sentence that names what was asked for.
    """
    found = None if "@" in name else Definition.objects.filter(key=name).order_by("-version").first()
    return found or find_definition(name)


def definition_document(row: Definition) -> DefinitionDocument:
    """The typed document of a definition row, which was sound when it was stored."""
    return stored_document(row.document)


def stage_labels() -> dict[str, str]:
    """Label of each stage that the definition in force uses, weakest first."""
    return {stage.key: stage.label for stage in document_in_force().stages}


def definition_names() -> DefinitionInForce:
    """The definition in force under the names that lists and the contact JSON show."""
    row, document = published_definition()
    return DefinitionInForce(f"{row.key}@{row.version}", {stage.key: stage.label for stage in document.stages})


# The digest tells whether a document was read and compiled before: both take longer than judging a contact by it.
_REIGNS = """
SELECT publication.effective_at, definition.id, md5(definition.document::text)
FROM scoring_publication AS publication
JOIN scoring_definition AS definition ON definition.id = publication.definition_id
WHERE publication.retracted_at IS NULL ORDER BY publication.effective_at
"""


def reigns() -> list[Reign]:
    """All definitions that were in force, oldest first; rolled back publications never were."""
    kinds = load_kinds()
    with connection.cursor() as cursor:
        cursor.execute(_REIGNS)
        rows: list[tuple[datetime, int, str]] = cursor.fetchall()
    starts = [UNKNOWN_PAST] + [to_micros(effective_at) for effective_at, _, _ in rows[1:]]
    ends: list[int | None] = [*starts[1:], None]
    return [
        Reign(definition_id, _compile_published(definition_id, digest, kinds), since, until)
        for (_, definition_id, digest), since, until in zip(rows, starts, ends, strict=True)
    ]


@lru_cache(maxsize=64)
def _compile_published(definition_id: int, digest: str, kinds: tuple[KindFacts, ...]) -> Compiled:
    """The compiled form of a definition that is or was in force and so never changes; ``digest``: of its document."""
    return compile_row(Definition.objects.get(pk=definition_id), kinds)


def compile_row(row: Definition, kinds: tuple[KindFacts, ...] | None = None) -> Compiled:
    """The compiled form of a definition row."""
    return compile_document(row.document, version=f"{row.key}@{row.version}", kinds=kinds)


def compile_document(document: object, *, version: str, kinds: tuple[KindFacts, ...] | None = None) -> Compiled:
    """The compiled form of a stored document, as ``key@version``."""
    return _compile(_Frozen(stored_document(document), version), load_kinds() if kinds is None else kinds)


@dataclass(frozen=True, eq=False)
class _Frozen:
    """Hashes a document by its content, so that an edited draft is compiled anew."""

    document: DefinitionDocument
    version: str

    def _identity(self) -> tuple[str, str]:
        return self.version, repr(self.document)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Frozen) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())


@lru_cache(maxsize=32)
def _compile(frozen: _Frozen, kinds: tuple[KindFacts, ...]) -> Compiled:
    return compile_definition(frozen.document, kinds, version=frozen.version)

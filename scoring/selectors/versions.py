"""All definitions with their versions: who published which when, whom it judges, what its last trial said."""

from collections.abc import Sequence
from dataclasses import dataclass

from contacts.enums import WorkState
from contacts.models import Standing
from scoring.enums import RunKind
from scoring.ideas import IDEAS
from scoring.models import Definition, Publication, Run

# Counted exactly up to here: a page must not wait for a million rows.
COUNTED = 100_000


@dataclass(frozen=True, slots=True)
class Judged:
    """How many contacts stand under a version; ``more``: at least so many."""

    contacts: int
    more: bool = False


@dataclass(frozen=True, slots=True)
class Version:
    """One version: its latest publication (also one that was rolled back), whom it judges, its latest what-if.

    ``is_first``: that publication counts since the beginning of time.
    """

    row: Definition
    publication: Publication | None
    judged: Judged | None
    trial: Run | None
    is_first: bool = False


@dataclass(frozen=True, slots=True)
class Versions:
    """One definition with all its versions: the one in force first, then newest first."""

    key: str
    name: str
    versions: tuple[Version, ...]


def definitions_with_versions() -> list[Versions]:
    """All definitions: the one in force first, then those that Ripen ships, then your own by key.

    A fixed number of queries. A version whose publication is still being judged by has the contacts that were judged
    so far, and the one before has the others.
    """
    rows = list(Definition.objects.select_related("created_by", "edited_by").order_by("key", "-version"))
    published: dict[int, Publication] = {}
    reigning: list[Publication] = []
    for latest in Publication.objects.select_related("published_by", "retracted_by").order_by("-effective_at"):
        published.setdefault(latest.definition_id, latest)
        if latest.retracted_at is None:
            reigning.append(latest)
    judged, trials = _judged(reigning[:2]), _trials()
    groups: dict[str, list[Version]] = {}
    for row in rows:
        trial = trials.get(row.pk)
        fresh = trial if trial is not None and trial.revision == row.revision else None
        publication = published.get(row.pk)
        is_first = bool(reigning) and publication == reigning[-1]
        groups.setdefault(row.key, []).append(Version(row, publication, judged.get(row.pk), fresh, is_first))
    shipped = list(IDEAS)
    in_force = reigning[0].definition_id if reigning else None
    current = next((row.key for row in rows if row.pk == in_force), "")
    for versions in groups.values():
        versions.sort(key=lambda version: version.row.pk != in_force)

    def place(key: str) -> tuple[bool, int, str]:
        return key != current, shipped.index(key) if key in shipped else len(shipped), key

    return [Versions(key, groups[key][0].row.name, tuple(groups[key])) for key in sorted(groups, key=place)]


def former_version(row: Definition) -> Definition | None:
    """What a version is compared with: for a draft the one in force where it has the same key, else the one before."""
    if row.state == "draft":
        latest = Publication.objects.filter(retracted_at=None).select_related("definition").order_by("-effective_at")
        current = latest.first()
        if current is not None and current.definition.key == row.key and current.definition_id != row.pk:
            return current.definition
    return Definition.objects.filter(key=row.key, version__lt=row.version).order_by("-version").first()


def _judged(reigning: Sequence[Publication]) -> dict[int, Judged]:
    """Who stands under the version in force, and under the one before while its successor is being judged by."""
    if not reigning:
        return {}
    number = Standing.objects.order_by().values("pk")[: COUNTED + 1].count()
    everybody = Judged(min(number, COUNTED), number > COUNTED)
    under_way = Run.objects.filter(
        publication=reigning[0], kind=RunKind.PUBLISH, finished_at=None, total__gt=0
    ).first()  # fmt: skip
    if under_way is None or len(reigning) < 2:
        return {reigning[0].definition_id: everybody}
    total = under_way.total or 0
    return {
        reigning[1].definition_id: Judged(max(total - under_way.done, 0)),
        reigning[0].definition_id: Judged(under_way.done),
    }


def _trials() -> dict[int, Run]:
    """The latest finished what-if of each version."""
    runs = Run.objects.filter(kind=RunKind.WHAT_IF, state=WorkState.FINISHED).order_by("definition_id", "-id")
    return {run.definition_id: run for run in runs.distinct("definition_id").defer("document")}

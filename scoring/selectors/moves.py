"""Changes of stage across all contacts, and how far the judgement is behind the facts."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet

from contacts.models import Due
from scoring.enums import Cause
from scoring.models import Publication, Transition

# The latest recorded ones; among them the latest in event time are shown.
_WINDOW = 200
_WAITING_CAP = 1_000


@dataclass(frozen=True, slots=True)
class Freshness:
    """What the judgement has not seen yet.

    ``waiting`` counts due rows up to a cap (``more`` beyond it), ``oldest`` is since when the first one waits,
    ``quarantined`` how many contacts could not be judged, ``latest`` when a change of stage was last written down.
    """

    waiting: int
    more: bool
    oldest: datetime | None
    quarantined: int
    latest: datetime | None


def recent_moves(*, limit: int) -> list[Transition]:
    """Return the latest changes of stage, newest first, with contact, cause and definition loaded; two queries.

    First judgements at the weakest stage are no news and are left out.
    """
    latest = Transition.objects.filter(superseded_at=None, contact__erased_at=None)
    latest = latest.exclude(from_stage="").order_by("-pk")
    keys = latest.values_list("pk", "effective_at")[:_WINDOW]
    newest = sorted(keys, key=lambda row: (row[1], row[0]), reverse=True)[:limit]
    loaded: QuerySet[Transition] = Transition.objects.select_related(
        "contact", "cause_event__kind__maps_to", "definition"
    )
    rows = loaded.in_bulk([key for key, _ in newest])
    return [rows[key] for key, _ in newest if key in rows]


def freshness() -> Freshness:
    """Return how far the judgement is behind; three queries."""
    waiting = Due.objects.filter(quarantined_at=None).order_by().values("pk")[: _WAITING_CAP + 1].count()
    figures = Due.objects.aggregate(
        oldest=Min("queued_at", filter=Q(quarantined_at=None)),
        quarantined=Count("contact", filter=Q(quarantined_at__isnull=False), distinct=True),
    )
    latest = Transition.objects.order_by("-pk").values_list("recorded_at", flat=True).first()
    return Freshness(
        min(waiting, _WAITING_CAP), waiting > _WAITING_CAP, figures["oldest"], figures["quarantined"], latest
    )


def with_notice_facts(rows: "QuerySet[Transition]") -> "QuerySet[Transition]":
    """Annotate what ``scoring.announcing.announces`` asks beside the row: ``is_in_force, is_first, is_quiet``."""
    # Where it came from may be corrected; that it came there then is what people were told.
    same = Transition.objects.filter(
        contact=OuterRef("contact"), effective_at=OuterRef("effective_at"), to_stage=OuterRef("to_stage")
    ).order_by()
    # A publication's moment is its alone, so it names the publication.
    quiet = Publication.objects.filter(effective_at=OuterRef("effective_at"), quiet=True)
    return rows.annotate(
        is_in_force=Exists(same.filter(superseded_at=None)),
        is_first=~Exists(same.filter(pk__lt=OuterRef("pk"))),
        is_quiet=Q(cause=Cause.PUBLICATION) & Exists(quiet),
    )

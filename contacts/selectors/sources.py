"""Sources as their pages show them: what they send, what went wrong with it, and which kinds nobody has explained."""

from dataclasses import dataclass
from typing import Final

from django.db.models import Count, Q, QuerySet

from contacts.enums import SourceKind
from contacts.models import Event, Kind, RejectedMessage, Source, SourceWarning

COUNTED: Final = 1_000
PAGE_SIZE: Final = 50
# Events have no index by source, which would cost every write: a page of the feed looks through so many ids.
FEED_SPAN: Final = 200_000


@dataclass(frozen=True, slots=True)
class SourceCounts:
    """What waits for somebody; rejected messages are counted up to COUNTED, one more means that there are more."""

    warnings: int
    rejected: int
    kinds: int


@dataclass(frozen=True, slots=True)
class FeedPage:
    """A page of the feed, newest first; ``before`` is the id below which it goes on, 0 at the very end."""

    events: tuple[Event, ...]
    before: int


@dataclass(frozen=True, slots=True)
class RejectedPage:
    """A page of rejected messages, newest first; ``before`` as in FeedPage."""

    messages: tuple[RejectedMessage, ...]
    before: int


def integrations() -> QuerySet[Source]:
    """Return the sources that people manage, by name, each with how many of its kinds wait for an explanation."""
    waiting = Count("introduced_kinds", filter=Q(introduced_kinds__maps_to=None, introduced_kinds__is_ignored=False))
    return Source.objects.exclude(kind=SourceKind.INTERNAL).annotate(unmapped=waiting).order_by("name")


def counts_of(source: Source) -> SourceCounts:
    """Return what waits on a source's pages: three queries."""
    waiting = RejectedMessage.objects.filter(source=source, replayed_at=None)
    return SourceCounts(
        warnings=SourceWarning.objects.filter(source=source).count(),
        rejected=waiting[: COUNTED + 1].count(),
        kinds=unmapped_kinds(source).count(),
    )


def unmapped_kinds(source: Source) -> QuerySet[Kind]:
    """Return the kinds that a source introduced and nobody has mapped or ignored."""
    return Kind.objects.filter(introduced_by=source, maps_to=None, is_ignored=False)


def kinds_of_source(source: Source) -> QuerySet[Kind]:
    """Return all kinds that a source introduced, those that wait first."""
    return (
        Kind.objects.filter(introduced_by=source)
        .select_related("maps_to")
        .order_by("is_ignored", "maps_to__name", "name")
    )


def feed_of(source: Source, *, before: int = 0) -> FeedPage:
    """Return what a source sent, the latest arrival first, below the id ``before`` (0: from the top); two queries."""
    top = before or (Event.objects.order_by("-id").values_list("id", flat=True).first() or 0) + 1
    bottom = max(top - FEED_SPAN, 1)
    events = list(
        Event.objects.filter(source=source, id__lt=top, id__gte=bottom)
        .select_related("kind__maps_to", "contact")
        .order_by("-id")[: PAGE_SIZE + 1]
    )
    if len(events) > PAGE_SIZE:
        return FeedPage(tuple(events[:PAGE_SIZE]), events[PAGE_SIZE - 1].pk)
    return FeedPage(tuple(events), bottom if bottom > 1 else 0)


def rejected_of(source: Source, *, before: int = 0) -> RejectedPage:
    """Return a source's rejected messages, the latest first, below the id ``before`` (0: from the top); one query."""
    rows = RejectedMessage.objects.filter(source=source).select_related("replayed_by").defer("payload")
    if before:
        rows = rows.filter(id__lt=before)
    found = list(rows.order_by("-id")[: PAGE_SIZE + 1])
    return RejectedPage(tuple(found[:PAGE_SIZE]), found[PAGE_SIZE - 1].pk if len(found) > PAGE_SIZE else 0)


def warnings_of(source: Source) -> QuerySet[SourceWarning]:
    """Return what was odd about a source's messages, the latest first."""
    return SourceWarning.objects.filter(source=source).order_by("-last_at", "id")

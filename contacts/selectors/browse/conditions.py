"""What the filters of the list mean in the database, and which contacts can meet them at all, told by an index."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL

from contacts.models import Company, Contact, ContactTag, Standing
from contacts.registry import foresight
from contacts.selectors.browse.asked import FALL, NOBODY, RIPEN, Query
from contacts.selectors.search import search_candidates, search_words

# A filter that so few contacts meet is answered from them; one that more meet is met often enough along the way.
SELECTIVE: Final = 2_000
# Reviews that are due soon are judged ahead, so many at most.
FALLS_LOOKED_AT: Final = 300


@dataclass(frozen=True, slots=True)
class Conditions:
    """A query as conditions on standings, stage aside.

    ``candidates``: nobody else can meet it (None: anybody may). ``capped``: there are more that the search, or the look
    ahead, did not look at. ``is_free``: only stage and an index's own column are asked about, so counting is cheap.
    """

    where: Q
    candidates: tuple[int, ...] | None = None
    capped: bool = False
    is_free: bool = False

    def standings(self) -> "QuerySet[Standing]":
        """All standings that meet them."""
        rows = Standing.objects.filter(self.where)
        if self.candidates is None:
            return rows
        # One array, as text: a thousand placeholders cost more than the query, a thousand constants a sixth of it.
        ids = f"{{{','.join(map(str, self.candidates))}}}"
        return rows.filter(pk__in=RawSQL("SELECT unnest(%s::bigint[])", [ids]))


def conditions_of(query: Query, *, stages: Sequence[str], now: datetime) -> Conditions:
    """Return what the list shows for ``query``; a query for the search and for each selective filter it tries."""
    where = standing_filters(query, now=now) & contact_filters(query, "contact__")
    if search_words(query.text):
        candidates, capped = search_candidates(query.text)
        return Conditions(where, candidates, capped)
    if query.soon == FALL:
        falling, more = foresight().falling(now, FALLS_LOOKED_AT)
        return Conditions(where, tuple(falling), more)
    if not where:
        return Conditions(where, is_free=True)
    for ids in [*_selective(query), *_ranges(query, stages, now=now)]:
        found = tuple(ids[: SELECTIVE + 1])
        if len(found) <= SELECTIVE:
            return Conditions(where, found)
    return Conditions(where)


def standing_filters(query: Query, *, now: datetime, path: str = "") -> Q:
    """What is asked of the judgement, the stage aside; ``path`` leads from the rows that are filtered to standings."""
    wanted: dict[str, Any] = {}
    for name, column in (("fit", "fit_mp"), ("engagement", "engagement_mp")):
        if (least := getattr(query, f"{name}_from")) is not None:
            wanted[f"{path}{column}__gte"] = least
        if (most := getattr(query, f"{name}_to")) is not None:
            wanted[f"{path}{column}__lte"] = most
    if query.seen_within is not None:
        wanted[f"{path}last_activity_at__gte"] = now - timedelta(days=query.seen_within)
    if query.unseen_for is not None:
        wanted[f"{path}last_activity_at__lt"] = now - timedelta(days=query.unseen_for)
    if query.owner == NOBODY:
        wanted[f"{path}owner"] = None
    elif query.owner:
        wanted[f"{path}owner_id"] = int(query.owner)
    found = Q(**wanted)
    if query.soon == RIPEN:
        close = Q(pk__in=())
        for stage, (least, below) in foresight().ripening().items():
            close |= Q(**{f"{path}stage": stage, f"{path}engagement_mp__gte": least, f"{path}engagement_mp__lt": below})
        found &= close
    return found


def contact_filters(query: Query, path: str = "") -> Q:
    """What is asked of the contact itself, the search aside; ``path`` leads from the rows filtered to contacts."""
    wanted: dict[str, Any] = {}
    for name, column in (
        ("source", "source_channel"), ("motion", "source_motion"), ("campaign", "source_campaign"),
        ("country", "country"), ("means", "means"), ("authority", "authority"),
    ):  # fmt: skip
        if value := getattr(query, name):
            wanted[f"{path}{column}"] = value
    if query.company:
        wanted[f"{path}company_id__in"] = companies_meant(query.company)
    found = Q(**wanted)
    if query.tag:
        bearers = ContactTag.objects.filter(tag__name__iexact=query.tag).values("contact_id")
        found &= Q(**{f"{path}pk__in": bearers})
    if query.attribute:
        found &= _attribute(query, path)
    return found


def companies_meant(text: str) -> list[int]:
    """Return the ids of the companies of this id, name or domain; one query."""
    named = Q(label=text.casefold()) | Q(domain=text.casefold())
    if text.isascii() and text.isdecimal() and len(text) <= 18:
        named |= Q(pk=int(text))
    return list(Company.objects.filter(named).order_by("pk").values_list("pk", flat=True)[:100])


def _attribute(query: Query, path: str) -> Q:
    name, value = query.attribute, query.attribute_value
    has_any = ~Q(**{f"{path}attributes": {}})
    if not value:
        return has_any & Q(**{f"{path}attributes__has_key": name})
    meant: list[Any] = [value]
    if value in ("true", "false", "yes", "no"):
        meant.append(value in ("true", "yes"))
    try:
        meant.append(int(value))
    except ValueError:
        pass
    either = Q()
    for one in meant:
        either |= Q(**{f"{path}attributes__contains": {name: one}})
    return has_any & either


def _ranges(query: Query, stages: Sequence[str], *, now: datetime) -> list[Any]:
    """Return the lists of ids within each range that the stages' indexes have in order."""
    asked = [
        Query(fit_from=query.fit_from, fit_to=query.fit_to),
        Query(engagement_from=query.engagement_from, engagement_to=query.engagement_to),
        Query(seen_within=query.seen_within),
        Query(unseen_for=query.unseen_for),
        Query(soon=query.soon if query.soon == RIPEN else ""),
    ]
    found = []
    for one in asked:
        where = standing_filters(one, now=now)
        if where:
            parts = [
                Standing.objects.filter(where, stage=stage).order_by().values_list("pk", flat=True)[: SELECTIVE + 1]
                for stage in stages
            ]
            found.append(parts[0].union(*parts[1:], all=True) if len(parts) > 1 else parts[0])
    return found


def _selective(query: Query) -> list[Any]:
    """Return the lists of ids that an index has ready, for each filter that may be met by few."""
    found: list[Any] = []
    present = Contact.objects.filter(present=True)
    if query.tag:
        bearers = ContactTag.objects.filter(tag__name__iexact=query.tag)
        found.append(bearers.values_list("contact_id", flat=True))
    if query.company:
        found.append(present.filter(company_id__in=companies_meant(query.company)).values_list("pk", flat=True))
    if query.owner and query.owner != NOBODY:
        found.append(Standing.objects.filter(owner_id=int(query.owner)).values_list("pk", flat=True))
    for name, column in (("campaign", "source_campaign"), ("source", "source_channel"), ("country", "country")):
        if value := getattr(query, name):
            found.append(present.filter(**{column: value}).order_by("pk").values_list("pk", flat=True))
    if query.attribute:
        found.append(present.filter(_attribute(query, "")).values_list("pk", flat=True))
    return found

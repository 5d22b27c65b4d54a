"""Webhooks as their pages and the API show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.db.models import QuerySet

from funnel.enums import DeliveryState
from funnel.models import HookAttempt, HookDelivery, HookEndpoint

PAGE_SIZE: Final = 50
# Counts on pages stop here and then say "and more".
COUNTED: Final = 1_000
_TRIES_SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """A page of deliveries, newest first; ``before`` is the id below which it goes on, 0 at the end."""

    deliveries: tuple[HookDelivery, ...]
    before: int


@dataclass(frozen=True, slots=True)
class EndpointCounts:
    """What waits and what is dead, each up to COUNTED; one more means that there are more."""

    waiting: int
    dead: int


def endpoints_in_full() -> "QuerySet[HookEndpoint]":
    """Return all endpoints, in the order in which they were made."""
    return HookEndpoint.objects.select_related("created_by").order_by("id")


def counts_of_endpoints(endpoints: Sequence[HookEndpoint]) -> dict[int, EndpointCounts]:
    """Count what waits and what is dead at each of these endpoints; one query."""
    if not endpoints:
        return {}
    pieces = [
        HookDelivery.objects.filter(endpoint=endpoint, state=state)
        .order_by()
        .values_list("endpoint_id", "state")[:_MOST]
        for endpoint in endpoints
        for state in (DeliveryState.WAITING, DeliveryState.DEAD)
    ]
    found: dict[tuple[int, str], int] = {}
    for endpoint_id, state in pieces[0].union(*pieces[1:], all=True):
        found[endpoint_id, state] = found.get((endpoint_id, state), 0) + 1
    return {
        endpoint.pk: EndpointCounts(
            found.get((endpoint.pk, DeliveryState.WAITING), 0), found.get((endpoint.pk, DeliveryState.DEAD), 0)
        )
        for endpoint in endpoints
    }


def deliveries_in_full() -> "QuerySet[HookDelivery]":
    """Return deliveries with their messages and endpoints."""
    return HookDelivery.objects.select_related("message", "endpoint")


def page_of_deliveries(endpoint: HookEndpoint, *, state: str = "", before: int = 0) -> DeliveryPage:
    """Return a page of an endpoint's deliveries, ``state`` "" meaning all; two queries at most."""
    rows = deliveries_in_full().filter(endpoint=endpoint).order_by("-pk")
    if state:
        rows = rows.filter(state=state)
    if before:
        rows = rows.filter(pk__lt=before)
    found = list(rows[: PAGE_SIZE + 1])
    return DeliveryPage(tuple(found[:PAGE_SIZE]), found[PAGE_SIZE - 1].pk if len(found) > PAGE_SIZE else 0)


def attempts_of(delivery: HookDelivery) -> "QuerySet[HookAttempt]":
    """Return the attempts at a delivery, the latest first."""
    return HookAttempt.objects.filter(delivery=delivery).order_by("-number")[:_TRIES_SHOWN]


_MOST: Final = COUNTED + 1

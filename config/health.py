"""Is it alive, is it ready, what does it measure: for load balancers, orchestrators and Prometheus."""

import hmac
import ipaddress
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from config.metrics import write_metrics
from config.probes import NoAnswer, applied_migrations, broker_fault, known_migrations
from funnel.operation import Finding, Level, judge_operation
from funnel.selectors.operation import observe


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while this process answers; touches nothing else, so that a slow database gets no web process killed."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when the database, its migrations and the broker are in order, else 503; `checks` tells which is not.

    `?verbose` adds `details`: how every other part is (`ok`, `unknown`, `warning`, `alarm`), with figures. None of
    those makes a web process unfit to answer, so none of them makes it 503. As /metrics, it is for loopback, or for
    whoever has the token.
    """
    verbose = "verbose" in request.GET
    if verbose and not _may_measure(request):
        return _forbidden("Details need a token or loopback.")
    checks = {**_database_checks(), "broker": broker_fault() or "ok"}
    ready = all(said == "ok" for said in checks.values())
    body: dict[str, Any] = {"status": "ok" if ready else "unavailable", "checks": checks}
    if verbose:
        # Where the database hangs, asking it more would hang as well.
        body["details"] = _details() if checks["database"] == "ok" else {}
    return JsonResponse(body, status=200 if ready else 503)


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus metrics, for loopback without a token and for everyone else with `Authorization: Bearer <token>`."""
    if not _may_measure(request):
        return _forbidden("Metrics need a token or loopback.")
    return HttpResponse(write_metrics(), content_type=CONTENT_TYPE_LATEST)


def _database_checks() -> dict[str, str]:
    try:
        missing = known_migrations() - applied_migrations()
    except NoAnswer as no_answer:
        return {"database": str(no_answer), "migrations": "unknown"}
    return {"database": "ok", "migrations": f"{len(missing)} to apply" if missing else "ok"}


def _details() -> dict[str, Any]:
    return {finding.key: _detail(finding) for finding in judge_operation(observe(now=timezone.now()))}


def _detail(finding: Finding) -> dict[str, Any]:
    level = Level(finding.level).name.lower()
    return {"level": level, **{name: value for name, value in finding.figures.items() if value is not None}}


def _forbidden(message: str) -> JsonResponse:
    return JsonResponse({"code": "forbidden", "message": message, "fields": {}}, status=403)


def _may_measure(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode(), f"Bearer {settings.METRICS_TOKEN}".encode())
    try:
        from_here = ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
    # Behind a proxy on this machine everything comes from loopback; what it forwards does not.
    return from_here and "X-Forwarded-For" not in request.headers and "Forwarded" not in request.headers

"""Is it alive, is it ready, what does it measure: for load balancers, orchestrators and Prometheus."""

import hmac
import ipaddress
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django_prometheus.exports import ExportToDjangoView


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while this process answers; touches nothing else, so that a slow database gets no web process killed."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when the database, its migrations and the broker are in order, else 503; `checks` tells which is not."""
    parts: dict[str, Callable[[], str]] = {
        "database": _database_fault,
        "migrations": _migrations_fault,
        "broker": _broker_fault,
    }
    faults = {name: find() for name, find in parts.items()}
    ready = not any(faults.values())
    return JsonResponse(
        {"status": "ok" if ready else "unavailable", "checks": {name: fault or "ok" for name, fault in faults.items()}},
        status=200 if ready else 503,
    )


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus metrics, for loopback without a token and for everyone else with `Authorization: Bearer <token>`."""
    if not _may_measure(request):
        return JsonResponse(
            {"code": "forbidden", "message": "Metrics need a token or loopback.", "fields": {}}, status=403
        )
    answer: HttpResponse = ExportToDjangoView(request)
    return answer


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


def _database_fault() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "unreachable"
    return ""


def _migrations_fault() -> str:
    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return "unknown"
    return f"{len(plan)} to apply" if plan else ""


def _broker_fault() -> str:
    # A slow import that only this needs.
    from redis import Redis
    from redis.exceptions import RedisError

    try:
        client = Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=2)
        try:
            client.ping()
        finally:
            client.close()
    except (RedisError, OSError):
        return "unreachable"
    return ""

"""How Ripen itself does: the page for administrators."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from config.web.pages import page
from funnel.models import Trouble
from funnel.operation import Level, judge_operation
from funnel.permissions import check_see_status
from funnel.selectors.operation import observe
from funnel.selectors.operation_words import say_operation


@page(check_see_status)
@never_cache
@require_safe
def status(request: HttpRequest) -> HttpResponse:
    """Show every part with how it is and, where it is not well, what to do; a fixed number of queries."""
    now = timezone.now()
    findings = judge_operation(observe(now=now))
    since = {row.part: row.since for row in Trouble.objects.all()}
    lines = say_operation(findings, since=since, now=now)
    wrong = [finding.key for finding in findings if finding.level >= Level.WARNING]
    context = {
        "wrong": [line for line in lines if line.key in wrong],
        "fine": [line for line in lines if line.key not in wrong],
        "now": now,
    }
    return render(request, "funnel/status.html", context)

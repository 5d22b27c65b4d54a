"""Tells whoever asked the id of their request, so that what they report can be found in the logs."""

from typing import Any

import structlog
from django.http import HttpResponse
from django_structlog.signals import bind_extra_request_finished_metadata, update_failure_response

HEADER = "X-Request-ID"


def _tell(response: HttpResponse, **_kwargs: Any) -> None:
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    if request_id:
        response.headers[HEADER] = str(request_id)


bind_extra_request_finished_metadata.connect(_tell, weak=False)
update_failure_response.connect(_tell, weak=False)

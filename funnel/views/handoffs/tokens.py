"""Ids of forms: sent twice, they record once."""

import uuid

from django.http import HttpRequest


def form_id_of(request: HttpRequest) -> str:
    """Return the id that a form carries: the one that came with it, else a new one."""
    return request.POST.get("form_id", "") or str(uuid.uuid4())


def message_id_of(request: HttpRequest, person_id: int) -> str:
    """Return the message id of what a form logs; an id that is none of ours counts as missing."""
    try:
        token = str(uuid.UUID(request.POST.get("form_id", "")))
    except ValueError:
        token = str(uuid.uuid4())
    return f"logged:{person_id}:{token}"

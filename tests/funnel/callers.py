"""Callers of the REST API, as people with a token and as sources with a key."""

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from contacts.enums import Scope
from contacts.keys import SOURCE_PREFIX, mint_key
from contacts.models import Source
from contacts.services.people import create_token
from funnel.models import Handoff

URL = "/api/v1/handoffs/"


class Api:
    """A caller of the API with a key."""

    def __init__(self, key: str = "") -> None:
        self.client = Client(headers={"Authorization": f"Bearer {key}"} if key else None)

    def get(self, url: str, status: int = 200, **parameters: Any) -> Any:
        response = self.client.get(url, parameters)
        assert response.status_code == status, response.content
        return response.json()

    def post(self, url: str, body: Any = None, status: int = 200) -> Any:
        response = self.client.post(url, body or {}, content_type="application/json")
        assert response.status_code == status, response.content
        return response.json()


def api_of(person: User) -> Api:
    return Api(create_token(user=person, name="test", by=None).key)


def api_of_source(*scopes: Scope) -> Api:
    minted = mint_key(SOURCE_PREFIX)
    Source.objects.create(name="an integration", scopes=list(scopes), key_hash=minted.key_hash)
    return Api(minted.key)


def move(handoff: Handoff, name: str) -> str:
    return f"{URL}{handoff.pk}/{name}/"


def z(moment: datetime | None) -> str | None:
    """A moment as the API writes it."""
    return moment.isoformat().replace("+00:00", "Z") if moment else None

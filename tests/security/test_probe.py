"""The addresses that ``make probe`` hands to sqlmap are those of the application's lists and searches."""

import pytest
from django.test import Client
from django.urls import resolve

from contacts.enums import Role
from contacts.services.people import create_token
from tests.funnel.conftest import World
from tests.security.targets import API, PAGES

# What ends a text, a number, a list, a comment and a statement of PostgreSQL.
QUOTES = ("'", '"', "1' OR '1'='1", "1); SELECT pg_sleep(9)--", "$$", "\\'", "%' --", "1/**/UNION/**/SELECT/**/1")


@pytest.mark.parametrize("path", [*PAGES, *API])
def test_an_address_is_there_and_a_quote_in_any_parameter_stays_a_value(world: World, path: str) -> None:
    admin = world.person(Role.ADMIN, "Ada Admin")
    client = Client()
    if path.startswith("/api/"):
        client = Client(headers={"Authorization": f"Bearer {create_token(user=admin, name='t', by=None).key}"})
    else:
        client.force_login(admin)
    place, _, query = path.partition("?")
    resolve(place)
    assert client.get(path).status_code in {200, 302, 400}
    for name in (pair.partition("=")[0] for pair in query.split("&")):
        for quote in QUOTES:
            assert client.get(place, {name: quote}).status_code in {200, 302, 400, 404}, (name, quote)


def test_every_list_of_the_api_is_tried() -> None:
    from tests.roles.api_calls import API as CALLS

    lists = {
        call.url.partition("?")[0]
        for name, calls in CALLS.items()
        for call in calls
        if call.method == "get" and "{" not in call.url and not call.url.rstrip("/")[-1].isdigit()
        and name not in {"api-hook-list", "api-notification-settings", "api-merge-suggestion-list", "run-contacts-api",
                         "api-sequence-list"}
    }  # fmt: skip
    assert lists <= {path.partition("?")[0] for path in API}

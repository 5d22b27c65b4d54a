"""The pages of webhooks, as an administrator uses them."""

import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from funnel.models import HookDelivery, HookEndpoint
from funnel.services.hooks.endpoints import secret_of
from tests.funnel.hooks.conftest import Hooks
from tests.funnel.hooks.receiver import Receiver, receive
from tests.funnel.hooks.test_sending import say


@pytest.fixture
def web(admin: User) -> Client:
    client = Client()
    client.force_login(admin)
    return client


def text_of(response: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def test_from_nothing_to_a_test_that_arrived(web: Client, hooks: Hooks, receiver: Receiver) -> None:
    assert "Nobody is told yet" in text_of(web.get("/hooks/"))
    made = web.post("/hooks/new/", {"url": receiver.url, "description": "Our CRM", "types": ["handoff.won"]})
    endpoint = HookEndpoint.objects.get()
    assert made["Location"] == f"/hooks/{endpoint.pk}/"
    page = web.get(made["Location"])
    assert "Our CRM" in text_of(page)
    assert not re.search(r'value="whsec_', page.content.decode()), "only when it is asked for"

    sent = web.post(f"/hooks/{endpoint.pk}/test/")
    assert "On its way" in text_of(web.get(sent["Location"]))
    hooks.catch_up()
    hooks.send()
    done = text_of(web.get(sent["Location"]))
    assert "delivered" in done
    assert "204" in done
    assert "hook.test" in done
    assert json.loads(receiver.received[0].body)["type"] == "hook.test"
    assert "well" in text_of(web.get("/hooks/"))


def test_what_is_wrong_with_an_address_is_said_beside_it(web: Client, db: None) -> None:
    page = web.post("/hooks/new/", {"url": "https://192.168.0.1/", "types": []})
    assert page.status_code == 422
    assert "not one of the public internet" in text_of(page)
    assert "192.168.0.1" in page.content.decode(), "what was typed is still there"


def test_the_secret_is_shown_when_asked_for_and_changed(web: Client, hooks: Hooks, receiver: Receiver) -> None:
    endpoint = hooks.endpoint(receiver)
    shown = web.post(f"/hooks/{endpoint.pk}/secret/")
    assert secret_of(endpoint) in shown.content.decode()
    assert "no-store" in shown["Cache-Control"]
    changed = web.post(f"/hooks/{endpoint.pk}/rotate/").content.decode()
    assert secret_of(endpoint) not in changed
    endpoint.refresh_from_db()
    assert secret_of(endpoint) in changed
    assert secret_of(endpoint) not in web.get(f"/hooks/{endpoint.pk}/").content.decode()


def test_dead_letters_are_seen_and_sent_again(web: Client, hooks: Hooks) -> None:
    with receive(410, 200) as receiver:
        endpoint = hooks.endpoint(receiver)
        say(hooks)
        hooks.send()
        url = f"/hooks/{endpoint.pk}/"
        assert "answered 410 Gone" in text_of(web.get(url))
        web.post(f"{url}enable/")
        dead = text_of(web.get(f"{url}?state=dead"))
        assert "queue.starving" in dead
        assert "410" in dead
        assert "Nothing waits" in text_of(web.get(f"{url}?state=waiting"))
        refused = web.post(f"{url}replay/", {"since": "yesterday"})
        assert refused.status_code == 422
        answer = web.post(f"{url}replay/", {"since": "2020-01-01T00:00"}, follow=True)
        assert "1 dead letter is sent again" in text_of(answer)
        hooks.catch_up()
        hooks.send()
        assert HookDelivery.objects.get().state == "delivered"
        again = web.post(f"/hooks/deliveries/{HookDelivery.objects.get().pk}/replay/", follow=True)
        assert "sent again, under its own id" in text_of(again)
        hooks.catch_up()
        hooks.send()
    assert len(set(receiver.ids)) == 1
    assert len(receiver.received) == 3
    web.post(f"{url}disable/")
    assert "told nothing until somebody enables it" in text_of(web.get(url))
    assert "enable it first" in text_of(web.post(f"{url}test/", follow=True))
    web.post(f"{url}edit/", {"url": receiver.url, "description": "Renamed", "types": []})
    assert "Renamed" in text_of(web.get("/hooks/"))
    web.post(f"{url}delete/")
    assert "Nobody is told yet" in text_of(web.get("/hooks/"))


def test_deliveries_are_paged_by_key_and_pages_cost_the_same(
    web: Client, hooks: Hooks, receiver: Receiver, django_assert_max_num_queries: Any
) -> None:
    endpoint = hooks.endpoint(receiver)
    counts: dict[str, list[int]] = {}
    # The first page of a session notes that there is one.
    web.get("/hooks/")
    for number in (1, 60):
        say(hooks, number)
        hooks.send()
        for path in ("/hooks/", f"/hooks/{endpoint.pk}/"):
            with django_assert_max_num_queries(40) as captured:
                page = web.get(path)
            counts.setdefault(path, []).append(len(captured))
        hooks.endpoint(receiver)
    assert all(one == many for one, many in counts.values()), counts
    assert page.content.decode().count('class="row-link"') == 50
    link = re.search(r'href="([^"]+before=\d+)"', page.content.decode())
    assert link
    assert web.get(link[1]).content.decode().count('class="row-link"') == 11


@pytest.mark.parametrize("path", ["/hooks/7/?state=odd", "/hooks/99999999999999999999/", "/hooks/deliveries/7/"])
def test_what_is_not_there_is_a_404(web: Client, path: str) -> None:
    HookEndpoint.objects.create(pk=7, url="https://hooks.example/")
    assert web.get(path).status_code == 404

"""Every call of the OpenAPI document keeps to it: no fault of ours, no undocumented status, nobody without a key."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client

from contacts.enums import Role
from contacts.services.people import create_token
from tests.funnel.conftest import World
from tests.roles.test_urls import cast_of
from tests.security.openapi import call_all, operations, read_schema

SHARDS = 8


@pytest.fixture
def ids(world: World) -> dict[str, str]:
    """A thing of each resource, by its place in the address."""
    names = cast_of(world, world.person(Role.REP, "Owning Rep")).names
    return {
        "contacts": names["contact"],
        "companies": names["company"],
        "handoffs": names["handoff"],
        "hooks": names["hook"],
        "hook-deliveries": names["delivery"],
        "sequences": names["sequence"],
        "jobs": names["job"],
        "definitions": "2",
    }


@pytest.fixture
def one_connection() -> Iterator[None]:
    """The application, called as a server calls it, leaves the test its connection and what it has not committed."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.usefixtures("one_connection")
@pytest.mark.parametrize("shard", range(SHARDS))
def test_every_answer_is_one_that_the_document_knows(world: World, ids: dict[str, str], shard: int) -> None:
    key = create_token(user=world.person(Role.ADMIN, "Ada Admin"), name="probe", by=None).key
    wrong = [
        problem
        for operation in operations(read_schema())[shard::SHARDS]
        for problem in call_all(operation, headers={"Authorization": f"Bearer {key}"}, ids=ids)
    ]

    assert "\n".join(wrong) == ""


def test_a_body_that_is_no_json_is_answered_as_the_document_says(world: World, ids: dict[str, str]) -> None:
    key = create_token(user=world.person(Role.ADMIN, "Ada Admin"), name="probe", by=None).key
    client, wrong, refused = Client(headers={"Authorization": f"Bearer {key}"}), set(), 0
    for operation in operations(read_schema()):
        if operation.method.upper() not in {"POST", "PUT", "PATCH"}:
            continue
        address = re.sub(r"([\w-]+)/\{\w+\}", lambda found: f"{found[1]}/{ids.get(found[1], '1')}", operation.path)
        call: Any = getattr(client, operation.method.lower())
        status = call(address, data=b"a=1", content_type="text/csv").status_code
        refused += status == 415
        if str(status) not in operation.definition.raw["responses"]:
            wrong.add(f"{operation.method} {operation.path}: {status}")

    assert wrong == set()
    assert refused >= 20


def test_every_operation_of_the_api_asks_for_a_key(db: None) -> None:
    client = Client()
    open_to_all = set()
    for operation in operations(read_schema()):
        address = re.sub(r"\{\w+\}", "1", operation.path)
        call: Any = getattr(client, operation.method.lower())
        if call(address, content_type="application/json").status_code != 401:
            open_to_all.add(f"{operation.method} {operation.path}")

    assert open_to_all == set()

"""A thousand mixed calls of each SDK through failures: each is stored once, and people are who the calls say."""

import logging
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import posthog
import posthog.request
import pytest
import rudderstack.analytics.client
import rudderstack.analytics.request
import segment.analytics.client
import segment.analytics.request

from tests.journeys.callers import Program, wait_for
from tests.journeys.flaky_proxy import flaky_proxy
from tests.running_app import RunningApp

PEOPLE = 100
# Each person: a visitor's three, somebody known, their four, and another visitor who turns out to be the same.
CALLS_EACH, EVENTS_EACH = 10, 7
WITHIN = 60.0


class Person:
    """One of the people whose calls are made, under names that nobody else has."""

    def __init__(self, run: str, number: int) -> None:
        self.user = f"user-{run}-{number}"
        self.email = f"person{number}.{run}@thousand.test"
        self.visitor, self.other_visitor = str(uuid.uuid4()), str(uuid.uuid4())
        self.company = f"Company {number % 10} of {run}"

    @property
    def traits(self) -> dict[str, Any]:
        return {"email": self.email, "firstName": "Ada", "title": "Head of Operations", "plan": "Team"}


def send_segment(client: Any, person: Person) -> None:
    """Ten calls as the Segment spec names them."""
    client.page(anonymous_id=person.visitor, name="Home", properties={"url": "https://us.test/"})
    client.page(anonymous_id=person.visitor, name="Pricing", properties={"url": "https://us.test/pricing"})
    client.track(anonymous_id=person.visitor, event="Newsletter Subscribed")
    client.identify(user_id=person.user, anonymous_id=person.visitor, traits=person.traits)
    client.track(user_id=person.user, event="Blog Commented", properties={"plan": "Team"})
    client.page(user_id=person.user, name="Docs")
    client.group(user_id=person.user, group_id=person.company, traits={"name": person.company, "employees": 200})
    client.track(anonymous_id=person.other_visitor, event="Asset Downloaded")
    client.alias(previous_id=person.other_visitor, user_id=person.user)
    client.track(user_id=person.user, event="Form Submitted")


def send_posthog(client: Any, person: Person) -> None:
    """The same ten as PostHog's library names them."""
    unknown = {"$process_person_profile": False}
    client.capture("$pageview", distinct_id=person.visitor, properties={**unknown, "$current_url": "https://us.test/"})
    client.capture("$pageview", distinct_id=person.visitor, properties={**unknown, "$pathname": "/pricing"})
    client.capture("Newsletter Subscribed", distinct_id=person.visitor, properties=unknown)
    known = {"$anon_distinct_id": person.visitor, "$set": person.traits}
    client.capture("$identify", distinct_id=person.user, properties=known)
    client.capture("Blog Commented", distinct_id=person.user, properties={"plan": "Team"})
    client.capture("$pageview", distinct_id=person.user)
    group = {"name": person.company, "employees": 200}
    client.group_identify("company", person.company, group, distinct_id=person.user)
    client.capture("Asset Downloaded", distinct_id=person.other_visitor)
    client.alias(previous_id=person.other_visitor, distinct_id=person.user)
    client.capture("Form Submitted", distinct_id=person.user)


def segment_client(key: str, host: str, errors: list[Any]) -> Any:
    """As a backend would make it, but for batches small enough that several are sent."""
    return segment.analytics.client.Client(
        key, host=host, gzip=True, upload_size=100, upload_interval=0.1, on_error=lambda error, _: errors.append(error)
    )


def rudder_client(key: str, host: str, errors: list[Any]) -> Any:
    """The same of RudderStack."""
    return rudderstack.analytics.client.Client(
        key, host=host, gzip=True, upload_size=100, upload_interval=0.1, on_error=lambda error, _: errors.append(error)
    )


def posthog_client(key: str, host: str, errors: list[Any]) -> Any:
    """The same of PostHog."""
    return posthog.Posthog(
        key, host=host, gzip=True, flush_at=100, flush_interval=0.1, on_error=lambda error, _: errors.append(error)
    )


SDKS: dict[str, tuple[Callable[[str, str, list[Any]], Any], Callable[[Any, Person], None]]] = {
    "segment-analytics-python": (segment_client, send_segment),
    "rudder-sdk-python": (rudder_client, send_segment),
    "posthog": (posthog_client, send_posthog),
}


@pytest.fixture(autouse=True)
def sdk_connections() -> Iterator[None]:
    """Close what the SDKs keep open in their modules, and keep their complaints to the log."""
    logging.getLogger("posthog").setLevel(logging.CRITICAL)
    yield
    segment.analytics.request._session.close()
    rudderstack.analytics.request._session.close()
    posthog.request.reset_sessions()


def count(app: RunningApp, statement: str, *values: Any) -> int:
    connection = app.connect()
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            return int(cursor.fetchone()[0])
    finally:
        connection.close()


@pytest.mark.parametrize("sdk", SDKS)
def test_a_thousand_mixed_calls_are_stored_once_and_name_the_right_people(running_app: RunningApp, sdk: str) -> None:
    run = uuid.uuid4().hex[:8]
    key = running_app.run(
        "create_source", f"thousand {sdk} {run}", "--scopes", "events:write,contacts:read"
    ).splitlines()[-1]
    program = Program(running_app.base_url, key)
    make, send = SDKS[sdk]
    people = [Person(run, number) for number in range(PEOPLE)]
    errors: list[Any] = []
    with flaky_proxy(running_app.base_url) as proxy:
        client = make(key, proxy.base_url, errors)
        try:
            for person in people:
                send(client, person)
            client.flush()
        finally:
            client.shutdown()
        assert errors == []
        assert sorted(proxy.refused) == [429, 502, 503], "each failure was met"
        assert set(proxy.answers) - {0} == {200}

    of_source = "source_id = (SELECT id FROM contacts_source WHERE name = %s)"
    name = f"thousand {sdk} {run}"
    assert count(running_app, f"SELECT count(*) FROM contacts_event WHERE {of_source}", name) == PEOPLE * EVENTS_EACH
    others = count(running_app, f"SELECT count(*) FROM contacts_message WHERE {of_source}", name)
    assert others == PEOPLE * (CALLS_EACH - EVENTS_EACH)
    assert count(running_app, f"SELECT count(*) FROM contacts_rejectedmessage WHERE {of_source}", name) == 0

    touched = f"SELECT count(DISTINCT contact_id) FROM contacts_event WHERE {of_source}"
    wait_for(lambda: count(running_app, touched, name) == PEOPLE, within=WITHIN)
    assert count(running_app, f"SELECT count(*) FROM contacts_merge WHERE {of_source}", name) == PEOPLE
    for person in people[:: PEOPLE // 5]:
        contact = program.contact(person.email)
        assert contact is not None
        assert (contact["first_name"], contact["job_title"]) == ("Ada", "Head of Operations")
        assert contact["attributes"] == {"plan": "Team"}
        assert (contact["company"]["name"], contact["company"]["employees"]) == (person.company, 200)
        values = {identity["value"] for identity in contact["identities"]}
        assert values == {person.user, person.email, person.visitor, person.other_visitor}
        events = program.get(f"/api/v1/contacts/{contact['id']}/events/")["results"]
        assert sorted(event["kind"] for event in events) == [
            "asset_downloaded", "blog_commented", "form_submitted", "newsletter_subscribed",
            "page_viewed", "page_viewed", "page_viewed",
        ]  # fmt: skip
    running_app.run("verify")

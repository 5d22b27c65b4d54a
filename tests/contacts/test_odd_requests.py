"""Whatever a caller sends, the answer is one of the documented ones: never a 500."""

import json
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts.models import Contact
from tests.contacts.test_ingest_properties import native_payloads, segment_payloads, values, words
from tests.factories import make_contact, make_source

pytestmark = pytest.mark.django_db
few = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

contact_bodies = st.dictionaries(
    st.sampled_from(
        ["email", "external_id", "anonymous_id", "first_name", "phone", "means", "details_confirmed", "company",
         "attributes", "stage", "id", "identities"]
    ),
    words | values,
    max_size=4,
)  # fmt: skip
company_bodies = st.dictionaries(
    st.sampled_from(["name", "domain", "industry", "employees", "country", "id"]),
    words | values | st.sampled_from(["acme.com", 5, -1, 2**40]),
    max_size=4,
)


def call(method: str, url: str, body: Any, key: str) -> Any:
    # A client that raises would hide the answer that the caller gets.
    client = Client(raise_request_exception=False)
    data = body if isinstance(body, str | bytes) else json.dumps(body)
    return client.generic(
        method, url, data, content_type="application/json", headers={"authorization": f"Bearer {key}"}
    )


def check(answer: Any) -> None:
    assert answer.status_code < 500, answer.content
    body = answer.json()
    if answer.status_code >= 400:
        assert {"code", "message", "fields"} <= set(body), body
        assert body["code"] == body["code"].lower()


@few
@given(st.lists(native_payloads | values, max_size=3) | values)
def test_events(payloads: Any) -> None:
    key = make_source()[1]
    check(call("POST", "/api/v1/events/", {"events": payloads}, key))


@few
@given(st.lists(segment_payloads | values, max_size=3) | values, st.sampled_from(["batch", "t", "identify", "group"]))
def test_segment(payloads: Any, address: str) -> None:
    key = make_source()[1]
    check(call("POST", f"/v1/{address}", {"batch": payloads}, key))
    check(call("POST", f"/v1/{address}", payloads, key))


@few
@given(contact_bodies | values)
def test_contacts(body: Any) -> None:
    key = make_source()[1]
    check(call("POST", "/api/v1/contacts/", body, key))
    contact = Contact.objects.first() or make_contact()
    check(call("PATCH", f"/api/v1/contacts/{contact.pk}/", body, key))
    check(call("GET", f"/api/v1/contacts/{contact.pk}/", "", key))


@few
@given(company_bodies | values)
def test_companies(body: Any) -> None:
    key = make_source()[1]
    made = call("POST", "/api/v1/companies/", body, key)
    check(made)
    if made.status_code == 201:
        check(call("PATCH", f"/api/v1/companies/{made.json()['id']}/", body, key))


@few
@given(
    st.sampled_from(["contacts", "events", "companies"]),
    st.dictionaries(
        st.sampled_from(
            ["email", "external_id", "stage", "owner", "source", "tag", "q", "updated_since", "kind", "since", "until",
             "domain", "name", "cursor", "limit", "x"]
        ),
        st.text(max_size=12) | st.sampled_from(["2026-01-01", "99999-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59",
                                                "WzFd", "W251bGxd", "WzFlOTk5XQ", "٣", "9" * 30]),
        max_size=3,
    ),
)  # fmt: skip
def test_lists(resource: str, query: dict[str, str]) -> None:
    key = make_source()[1]
    begun = transaction.savepoint()
    answer = Client(raise_request_exception=False).get(
        f"/api/v1/{resource}/", query, headers={"authorization": f"Bearer {key}"}
    )
    # What only the database refuses is a 400, too, but it spoils the transaction that the test is in.
    transaction.savepoint_rollback(begun)
    check(answer)


@pytest.mark.parametrize("name", ["%00", "..", "٣", "9" * 40, "-1", "1e3", "é", "a" * 3000])
def test_ids_that_are_none(name: str) -> None:
    key = make_source()[1]
    for resource in ("contacts", "companies"):
        answer = call("GET", f"/api/v1/{resource}/{name}/", "", key)
        assert answer.status_code == 404, answer.content
        check(answer)


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer é",
        "Bearer \udcff",
        "Basic é",
        "Basic Og==",
        "Basic /w==",
        "x" * 5000,
        "Digest a",
    ],
)
def test_keys_that_are_none(authorization: str) -> None:
    for url in ("/api/v1/events/", "/v1/batch", "/api/v1/contacts/"):
        answer = Client(raise_request_exception=False).post(
            url, b"{}", content_type="application/json", HTTP_AUTHORIZATION=authorization
        )
        assert answer.status_code == 401, answer.content
        check(answer)


def test_bodies_that_are_none() -> None:
    key = make_source()[1]
    for body in (b"", b"{", b"\xff", b"[" * 100_000, b'{"email": NaN}', b'{"email": 1e999}', b"null"):
        for method, url in (("POST", "/api/v1/contacts/"), ("PATCH", f"/api/v1/contacts/{make_contact().pk}/")):
            check(call(method, url, body, key))
    answer = Client().post(
        "/api/v1/contacts/", "<a/>", content_type="text/xml", headers={"authorization": f"Bearer {key}"}
    )
    assert answer.status_code == 415
    check(answer)

"""Reading the wire formats: whatever comes in, each message is either good or refused, and nothing breaks."""

import json
import string
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contacts.ingest import native, segment
from contacts.ingest.identifiers import normalise_company_name, normalise_domain, normalise_email, slug
from contacts.ingest.incoming import Batch, Refused, TooLarge, Unreadable, dedupe_id, name_uuid
from contacts.ingest.limits import MAX_DEPTH, check_value
from contacts.ingest.reading import read_json
from contacts.ingest.times import occurred

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
# Objects that look enough like a message to get past the first checks.
words = st.sampled_from(
    ["", "u1", "null", "a@b.com", "A@B.com ", "demo_requested", "converted", "2026-01-01", "0", "é\ud800"]
)
native_payloads = st.fixed_dictionaries(
    {},
    optional={
        "message_id": words | values,
        "kind": words | values,
        "occurred_at": words | values,
        "contact": values
        | st.dictionaries(st.sampled_from(["id", "email", "external_id", "anonymous_id"]), words | values),
        "traits": values
        | st.dictionaries(
            st.sampled_from(["first_name", "means", "company", "plan", "stage", "email"]), words | values
        ),
        "properties": values,
    },
)
segment_payloads = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["track", "identify", "page", "screen", "group", "alias"]) | values,
        "messageId": words | values,
        "userId": words | values,
        "anonymousId": words | values,
        "previousId": words | values,
        "groupId": words | values,
        "event": words | values,
        "timestamp": words | values,
        "sentAt": words | values,
        "traits": values
        | st.dictionaries(st.sampled_from(["name", "company", "address", "email", "id", "website"]), words | values),
        "properties": values,
        "context": values | st.fixed_dictionaries({"traits": values, "campaign": values, "page": values}),
    },
)


def body_of(document: Any) -> bytes:
    return json.dumps(document).encode()


def check_batch(batch: Batch, payloads: list[Any]) -> None:
    """Each payload is accounted for exactly once, and what is good can be stored."""
    seen = [event.index for event in batch.events] + [rejected.index for rejected in batch.rejected]
    assert sorted(seen) == list(range(len(payloads)))
    for event in batch.events:
        assert event.occurred_at <= NOW
        assert any((event.id, event.external_id, event.email, event.anonymous_id))
        assert 0 < len(event.message_id) <= 255
        assert -(2**63) <= event.body_digest < 2**63
        json.dumps([event.traits, event.properties, event.message_id], ensure_ascii=False, allow_nan=False).encode()
        check_value(event.properties, "")
    for rejected in batch.rejected:
        assert rejected.code
        assert rejected.message
        rejected.message_id.encode()


@given(st.binary())
@example(b'{"events": [' + b"[" * 5000)
@example(b'"' + b"\\" * 9)
def test_any_bytes_are_json_or_unreadable(body: bytes) -> None:
    try:
        read_json(body)
    except Unreadable:
        pass


@given(values)
def test_json_reads_back_as_it_was(document: Any) -> None:
    strict = True
    try:
        json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
        check_value(document, "")
    except (ValueError, Refused):
        strict = False
    read = read_json(body_of(document))
    if strict:
        assert read == document


@given(st.lists(native_payloads | values, max_size=5))
def test_any_native_batch_is_sorted_into_good_and_bad(payloads: list[Any]) -> None:
    batch = native.read_events(read_json(body_of({"events": payloads})), received_at=NOW)
    check_batch(batch, payloads)


@given(
    st.lists(segment_payloads | values, max_size=5),
    st.sampled_from(["", "track", "identify", "page", "screen", "group", "alias"]),
    values | st.sampled_from(["2026-11-22T11:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z"]),
)
def test_any_segment_batch_is_sorted_into_good_and_bad(payloads: list[Any], call: str, sent_at: Any) -> None:
    document = read_json(body_of({"batch": payloads, "sentAt": sent_at, "context": {"campaign": {"name": "x"}}}))
    batch = segment.read_body(document, call=call, received_at=NOW, kind_names={"u1": "purchased"})
    check_batch(batch, payloads)


@given(values)
def test_any_document_is_a_batch_or_unreadable(document: Any) -> None:
    read = read_json(body_of(document))
    try:
        native.read_events(read, received_at=NOW)
    except (Unreadable, TooLarge):
        pass
    try:
        segment.read_body(read, call="", received_at=NOW, kind_names={})
    except (Unreadable, TooLarge):
        pass


@given(st.permutations(["message_id", "kind", "contact", "properties"]), st.permutations(["a", "b", "c"]))
def test_the_order_of_keys_does_not_make_another_body(keys: list[str], inner: list[str]) -> None:
    event = {
        "message_id": "m", "kind": "purchased", "contact": {"email": "a@b.com"},
        "properties": {key: {"value": key} for key in inner},
    }  # fmt: skip
    ordered = read_json(body_of({key: event[key] for key in keys}))
    (read,) = native.read_events(ordered, received_at=NOW).events
    (plain,) = native.read_events(
        {**event, "properties": {key: {"value": key} for key in "abc"}}, received_at=NOW
    ).events
    assert read.body_digest == plain.body_digest


@given(
    st.one_of(st.none(), st.text(), st.datetimes().map(datetime.isoformat), st.integers()), st.none() | st.datetimes()
)
def test_nothing_happens_after_its_arrival(value: Any, sent_at: datetime | None) -> None:
    sent = sent_at.replace(tzinfo=UTC) if sent_at else None
    moment, odd = occurred(value, received_at=NOW, sent_at=sent)
    assert datetime(2000, 1, 1, tzinfo=UTC) <= moment <= NOW
    assert moment.utcoffset() == timedelta(0)
    assert odd in {"", "time_unreadable", "time_too_early", "time_in_future"}


@given(st.emails())
def test_a_normalised_address_stays_as_it_is(address: str) -> None:
    try:
        once = normalise_email(f" {address} ", "email")
    except Refused:
        return
    assert normalise_email(once, "email") == once
    assert once == once.lower().strip()


@given(st.text())
def test_normal_forms_are_stable(text: str) -> None:
    assert normalise_company_name(normalise_company_name(text)) == normalise_company_name(text)
    assert normalise_domain(normalise_domain(text)) == normalise_domain(text)
    assert set(slug(text)) <= set(string.ascii_lowercase + string.digits + "_")
    if slug(text):
        assert native.read_kind(slug(text)) == slug(text)


@given(st.integers(1, 2**31), st.integers(1, 2**31), st.text(max_size=255), st.text(max_size=255))
def test_message_ids_are_kept_apart(source: int, other: int, one: str, two: str) -> None:
    assert (dedupe_id(source, one) == dedupe_id(source, two)) == (one == two)
    if source != other:
        assert dedupe_id(source, "text") != dedupe_id(other, "text")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Demo Requested", "demo_requested"), ("demoRequested", "demo_requested"), ("  Purchased! ", "purchased"),
        ("Newsletter Subscribed", "newsletter_subscribed"), ("2 Times Seen", "times_seen"), ("Très bien", "tres_bien"),
        ("デモ", ""), ("x" * 100, "x" * 64),
    ],
)  # fmt: skip
def test_slugs(name: str, kind: str) -> None:
    assert slug(name) == kind


@pytest.mark.parametrize(
    "address",
    ["", "a", "a@", "@b.com", "a@b", "a b@c.com", "a@b..com", "a@-b.com", "a@b.c", ".a@b.com", "a..b@c.com",
     "a@b.com, c@d.com", "<a@b.com>", "a@b_c.com", "x" * 65 + "@b.com", "a@" + "b" * 250 + ".com"],
)  # fmt: skip
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(Refused, match="not an e-mail"):
        normalise_email(address, "email")


@pytest.mark.parametrize("depth", [MAX_DEPTH, MAX_DEPTH + 1])
def test_the_depth_is_counted_from_the_event(depth: int) -> None:
    document: Any = 1
    for _ in range(depth):
        document = {"a": document}
    if depth == MAX_DEPTH:
        check_value(document, "")
    else:
        with pytest.raises(Refused, match="deeper"):
            check_value(document, "")


@given(st.uuids(), st.text(st.characters(exclude_categories=["Cs"])))
def test_the_quick_uuid_is_the_standard_one(namespace: uuid.UUID, name: str) -> None:
    assert name_uuid(namespace, name) == str(uuid.uuid5(namespace, name))


ODD_VALUES: list[Any] = [None, True, False, 0, -1, 1.5, 2**63 - 1, "", " ", "x", [], ["x"], {}, {"x": [1]}]
NATIVE_PLACES = [
    *(("contact", name) for name in ("id", "email", "external_id", "anonymous_id")),
    *(
        ("traits", name)
        for name in ("first_name", "phone", "means", "details_confirmed", "company", "email", "attributes", "plan")
    ),
    *(("traits", "company", name) for name in ("name", "domain", "industry", "employees", "country")),
    *((name,) for name in ("message_id", "kind", "occurred_at", "contact", "traits", "properties")),
    *(("properties", name) for name in ("channel", "campaign")),
]
SEGMENT_PLACES = [
    *(
        (name,)
        for name in ("type", "messageId", "userId", "anonymousId", "previousId", "groupId", "event", "name", "context",
                     "timestamp", "originalTimestamp", "sentAt", "traits", "properties")
    ),
    *(("traits", name) for name in ("name", "firstName", "email", "company", "address", "website", "industry", "id")),
    *(("traits", "company", name) for name in ("name", "website", "employee_count", "address", "country")),
    *(("context", name) for name in ("traits", "campaign", "page")),
    ("context", "traits", "email"), ("context", "campaign", "name"), ("context", "page", "url"),
    ("properties", "channel"),
]  # fmt: skip


def put(document: dict[str, Any], place: tuple[str, ...], value: Any) -> dict[str, Any]:
    *path, last = place
    holder = document
    for name in path:
        holder = holder.setdefault(name, {})
    holder[last] = value
    return document


@pytest.mark.parametrize("value", ODD_VALUES, ids=repr)
def test_every_type_in_every_place(value: Any) -> None:
    for place in NATIVE_PLACES:
        event = {"message_id": "m", "kind": "purchased", "contact": {"external_id": "u"}}
        check_batch(native.read_events({"events": [put(event, place, value)]}, received_at=NOW), [event])
    for call in sorted(segment.TYPES):
        for place in SEGMENT_PLACES:
            message = {"type": call, "userId": "u", "event": "Purchased", "groupId": "g", "previousId": "p"}
            batch = segment.read_body({"batch": [put(message, place, value)]}, call="", received_at=NOW, kind_names={})
            check_batch(batch, [message])

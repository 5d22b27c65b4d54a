"""What is kept of what went wrong, for how long, and that keeping it never harms."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contacts.enums import IdentityKind, WireFormat
from contacts.ingest.incoming import IngestionWarning, Rejected
from contacts.ingest.reading import read_json, write_json
from contacts.models import Contact, ErasedName, Event, RejectedMessage, Source, SourceWarning
from contacts.services import problems
from contacts.services.erased_names import keyed_hash
from contacts.services.problems import forget_problems, keep_problems
from contacts.services.record import Receipt
from contacts.services.replaying import CannotReplay, replay_all, replay_message
from contacts.tasks import forget_rejected
from tests.factories import make_event, make_source, make_user

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def source() -> tuple[Source, str]:
    return make_source()


def push(key: str, body: Any, url: str = "/api/v1/events/") -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = Client().post(url, data, content_type="application/json", headers={"authorization": f"Bearer {key}"})
    return answer.json()


def keep(source: Source, *codes: str, payloads: list[Any] | None = None, at: datetime = NOW) -> None:
    rejected = [
        Rejected(index=place, message_id=f"m{place}", code=code, field="x", message="No.")
        for place, code in enumerate(codes)
    ]
    keep_problems(
        source=source,
        wire_format=WireFormat.NATIVE,
        payloads=payloads if payloads is not None else [{"n": place} for place in range(len(codes))],
        receipt=Receipt(rejected=rejected),
        received_at=at,
    )


def test_a_good_batch_costs_no_statement(source: tuple[Source, str]) -> None:
    with CaptureQueriesContext(connection) as captured:
        keep(source[0])
    assert len(captured) == 0


def test_a_bad_batch_costs_the_same_statements_whatever_its_size(source: tuple[Source, str]) -> None:
    def cost(number: int) -> int:
        with CaptureQueriesContext(connection) as captured:
            keep(source[0], *["required"] * number, payloads=[{"email": f"{n}@b.com"} for n in range(number)])
        return len(captured)

    assert cost(1) == cost(3)


def test_trials_keep_nothing(source: tuple[Source, str]) -> None:
    bad = {"events": [make_event(), {"message_id": "m"}]}
    push(source[1], bad, "/api/v1/events/?dry_run=1")
    push(source[1], bad, "/api/v1/events/?strict=1")
    assert not RejectedMessage.objects.exists()
    push(source[1], bad)
    assert RejectedMessage.objects.get().message_id == "m"


@pytest.mark.parametrize(
    "value",
    ["NaN", "1e999", "-Infinity", "1" * 5000, '"\\ud800"', '"\\u0000"', '{"\\u0000": 1}', "[" * 70 + "]" * 70, '"é"'],
)
def test_what_cannot_be_stored_is_kept_as_it_came(source: tuple[Source, str], value: str) -> None:
    push(source[1], f'{{"events": [{{"message_id": "m", "kind": 1, "properties": {{"x": {value}}}}}]}}'.encode())
    kept = RejectedMessage.objects.get()
    assert kept.payload.isascii()
    came = read_json(f'{{"message_id": "m", "kind": 1, "properties": {{"x": {value}}}}}'.encode())
    assert read_json(kept.payload.encode()) == came
    assert write_json(read_json(kept.payload.encode())) == kept.payload


def test_long_messages_are_cut_and_replayed_only_when_mended(source: tuple[Source, str]) -> None:
    row, key = source
    event = make_event(properties={f"k{n}": "x" * 8000 for n in range(5)})
    push(key, event)
    kept = RejectedMessage.objects.get()
    assert (kept.code, kept.is_cut, len(kept.payload)) == ("event_too_large", True, 32 * 1024)
    admin = make_user("admin")
    with pytest.raises(CannotReplay, match="too long to be kept whole"):
        replay_message(rejected_id=kept.pk, by=admin, now=NOW)
    assert replay_all(source=row, by=admin, now=NOW).recorded == 0
    mended = json.dumps({**event, "properties": {}})
    assert replay_message(rejected_id=kept.pk, payload=mended, by=admin, now=NOW).recorded == 1
    assert Event.objects.count() == 1


def test_the_latest_ten_thousand_stay_and_none_longer_than_thirty_days(
    source: tuple[Source, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(problems, "KEPT_OF_SOURCE", 3)
    other = make_source()[0]
    keep(other, "required")
    keep(source[0], *["required"] * 5)
    keep(source[0], "late")
    assert list(RejectedMessage.objects.filter(source=source[0]).order_by("id").values_list("message_id", "code")) == [
        ("m3", "required"), ("m4", "required"), ("m0", "late"),
    ]  # fmt: skip
    assert RejectedMessage.objects.filter(source=other).count() == 1
    RejectedMessage.objects.filter(code="late").update(received_at=datetime.now(UTC))
    forgotten = forget_problems(now=NOW + timedelta(days=31))
    assert forgotten >= 3
    RejectedMessage.objects.all().delete()
    keep(source[0], "required", at=datetime.now(UTC) - timedelta(days=31))
    keep(source[0], "required", at=datetime.now(UTC) - timedelta(days=29))
    forget_rejected()
    assert RejectedMessage.objects.count() == 1


def test_warnings_are_counted_by_code_and_field(source: tuple[Source, str]) -> None:
    def warn(*named: tuple[str, str], at: datetime) -> None:
        warnings = [
            IngestionWarning(index=place, message_id=f"m{place}", code=code, field=field, message=f"{code}!")
            for place, (code, field) in enumerate(named)
        ]
        receipt = Receipt(warnings=warnings)
        keep_problems(source=source[0], wire_format=WireFormat.NATIVE, payloads=[], receipt=receipt, received_at=at)

    warn(("a", "x"), ("a", "x"), ("a", "y"), ("b", "x\0\ud800" + "z" * 500), at=NOW)
    warn(("a", "x"), at=NOW + timedelta(hours=1))
    warn(("a", "x"), at=NOW - timedelta(hours=1))
    found = {(row.code, row.field[:1]): row for row in SourceWarning.objects.all()}
    assert {key: row.count for key, row in found.items()} == {("a", "x"): 4, ("a", "y"): 1, ("b", "x"): 1}
    assert found["a", "x"].last_at == NOW + timedelta(hours=1)


def test_nothing_is_kept_that_names_somebody_who_was_erased(source: tuple[Source, str]) -> None:
    husk = Contact.objects.create(erased_at=NOW)
    ErasedName.objects.create(name_hash=keyed_hash(IdentityKind.EMAIL, "canary@b.com"), husk=husk)
    push(
        source[1],
        {
            "events": [
                make_event(contact={"email": "canary@b.com"}, message_id="canary 1"),
                make_event("No kind at all", contact={"email": " Canary@b.com "}, message_id="canary 2"),
                make_event("No kind at all", properties={"deep": [{"email": "canary@b.com"}]}, message_id="canary 3"),
                make_event("No kind at all", message_id="else 4"),
            ]
        },
    )
    rows = list(RejectedMessage.objects.order_by("id").values_list("code", "message_id", "payload"))
    assert [row[0] for row in rows].count("invalid_kind") == 3
    assert "canary" not in json.dumps(rows).lower()
    assert "else 4" in {row[1] for row in rows}
    admin = make_user("admin")
    blank = RejectedMessage.objects.filter(payload="").earliest("id")
    with pytest.raises(CannotReplay, match="not kept"):
        replay_message(rejected_id=blank.pk, by=admin, now=NOW)


def test_keys_of_sources_are_not_kept_and_what_was_shared_is(source: tuple[Source, str]) -> None:
    key = source[1]
    sent = (datetime.now(UTC) - timedelta(days=400)).isoformat()
    body = {
        "writeKey": key,
        "batch": [{"type": "track", "event": "Paid", "messageId": "m", "timestamp": sent}],
        "context": {"campaign": {"name": "spring"}},
        "sentAt": sent,
    }
    push(key, body, "/v1/batch")
    push(key, {"type": "track", "event": " ", "userId": "u", "writeKey": key}, "/v1/t")
    push(key, {"event": " ", "distinct_id": "u", "api_key": key, "properties": {"token": key}}, "/capture/")
    assert key not in json.dumps(list(RejectedMessage.objects.values_list("payload", flat=True)))
    kept = RejectedMessage.objects.get(message_id="m")
    mended = {**json.loads(kept.payload), "userId": "u1"}
    now = datetime.now(UTC)
    assert replay_message(rejected_id=kept.pk, payload=json.dumps(mended), by=make_user("admin"), now=now).recorded
    event = Event.objects.select_related("contact").get()
    assert event.contact.source_campaign == "spring"
    assert abs(event.occurred_at - kept.received_at) < timedelta(seconds=2), "the clock was 400 days slow"


def test_each_format_is_read_again_as_it_was_written(source: tuple[Source, str]) -> None:
    row, key = source
    row.kind_names = {"Paid": "no such kind!"}
    row.save()
    push(key, {"event": "Paid", "userId": "u", "messageId": "s"}, "/v1/track")
    push(key, {"event": "Paid", "distinct_id": "u", "uuid": "p"}, "/capture/")
    push(key, make_event("handoff_claimed", message_id="n"))
    admin = make_user("admin")
    assert RejectedMessage.objects.count() == 3
    row.kind_names = {"Paid": "purchased"}
    row.save()
    outcome = replay_all(source=row, by=admin, now=datetime.now(UTC))
    assert outcome.refused == 1
    assert set(Event.objects.values_list("message_id", "kind__name")) == {("s", "purchased"), ("p", "purchased")}
    assert replay_all(source=row, by=admin, now=datetime.now(UTC)).recorded == 0


def test_a_database_that_fails_here_does_not_spoil_the_answer(
    source: tuple[Source, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(problems, "INSERT_REJECTED", "SELECT nonsense FROM nowhere WHERE %s %s %s %s %s")
    answer = push(source[1], {"events": [make_event(), {"message_id": "m"}]})
    assert (answer["accepted"], len(answer["rejected"])) == (1, 1)
    assert Event.objects.count() == 1

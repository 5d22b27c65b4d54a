"""Contacts and companies as resources."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contacts.models import AttributeChange, Company, Contact, Due, Standing
from contacts.services.tags import tag_contacts
from tests.factories import make_contact, make_event, make_source, make_token, make_user, record

pytestmark = pytest.mark.django_db

CONTACTS = "/api/v1/contacts/"
COMPANIES = "/api/v1/companies/"


class Api:
    def __init__(self, key: str) -> None:
        self.key = key

    def __call__(self, method: str, url: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        answer = Client().generic(
            method,
            url,
            "" if body is None else json.dumps(body),
            content_type="application/json",
            headers={"authorization": f"Bearer {self.key}", **headers},
        )
        assert answer.status_code == status, answer.content
        return answer.json() if answer.content else None


@pytest.fixture
def api() -> Api:
    return Api(make_source()[1])


def stand(contact: Contact, stage: str = "lead", **fields: Any) -> Standing:
    now = datetime.now(UTC)
    return Standing.objects.create(
        contact=contact, stage=stage, stage_since=now, furthest_stage=stage, engagement_mp=12_500, fit_mp=-15_000,
        last_activity_at=now, evaluated_at=now, **fields,
    )  # fmt: skip


def test_a_contact_in_full(api: Api) -> None:
    contact = make_contact(
        {"kind": "demo_requested", "properties": {"channel": "web", "campaign": "spring"}},
        email="ann@acme.com", first_name="Ann", plan="gold", company={"name": "Acme", "employees": 200},
    )  # fmt: skip
    owner = make_user("rep", first_name="Rob", last_name="Roy")
    stand(contact, "sales_prospect", owner=owner)
    found = api("GET", f"{CONTACTS}{contact.pk}/")
    times = {name: found.pop(name) for name in ("created_at", "updated_at")}
    assert all(datetime.fromisoformat(value).tzinfo for value in times.values())
    company = contact.company
    assert company is not None
    source, stage, scores = found.pop("source"), found.pop("stage"), found.pop("scores")
    assert found == {
        "id": str(contact.pk), "email": "ann@acme.com", "phone": "", "first_name": "Ann", "last_name": "",
        "job_title": "", "role": "", "country": "", "means": "unknown", "authority": "unknown",
        "details_confirmed": False, "attributes": {"plan": "gold"}, "consent": [],
        "company": {"id": str(company.pk), "name": "Acme", "domain": None, "industry": "", "employees": 200,
                    "country": ""},
        "identities": [{"kind": "email", "value": "ann@acme.com"}],
        "owner": {"id": str(owner.pk), "name": "Rob Roy", "email": owner.email},
    }  # fmt: skip
    assert {**source, "at": ""} == {
        "channel": "web", "direction": "inbound", "motion": "", "campaign": "spring", "at": "",
    }  # fmt: skip
    assert (stage["key"], stage["label"], stage["furthest"]) == ("sales_prospect", "Sales prospect", "sales_prospect")
    assert (scores["fit"], scores["engagement"], scores["definition_version"]) == (-15.0, 12.5, "default@1")


def test_a_contact_that_nobody_has_judged_yet(api: Api) -> None:
    found = api("GET", f"{CONTACTS}{make_contact().pk}/")
    assert (found["stage"], found["scores"], found["owner"]) == (None, None, None)


def test_the_list_costs_the_same_whatever_its_length(api: Api) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            api("GET", CONTACTS)
        return len(queries)

    stand(make_contact(), owner=make_user("rep"))
    count()
    with_one = count()
    for _ in range(2):
        stand(make_contact(company={"name": "Acme"}), owner=make_user("rep"))
    assert len(api("GET", CONTACTS)["results"]) == 3
    assert count() == with_one


def test_filters(api: Api) -> None:
    rep = make_user("rep")
    ann = make_contact(email="ann@acme.com", first_name="Ann", company="Acme")
    bob = make_contact({"kind": "page_viewed", "properties": {"channel": "Ads"}}, email="bob@globex.com")
    stand(ann, "lead", owner=rep)
    stand(bob, "audience")
    record(make_event(contact={"external_id": "U1", "email": "ann@acme.com"}))

    def ids(query: str) -> set[str]:
        return {row["id"] for row in api("GET", CONTACTS + query)["results"]}

    only_ann, only_bob = {str(ann.pk)}, {str(bob.pk)}
    assert ids("") == only_ann | only_bob
    assert ids("?email=ANN@acme.com") == only_ann
    assert ids("?external_id=U1") == only_ann
    assert ids("?external_id=u1") == set()
    assert ids("?stage=audience") == only_bob
    assert ids(f"?owner={rep.pk}") == only_ann
    assert ids("?owner=none") == only_bob
    assert ids("?owner=nobody") == set()
    assert ids("?source=Ads") == only_bob
    assert ids("?q=acme") == only_ann
    assert ids("?q=100%25") == set()
    assert ids("?q=globex&stage=audience") == only_bob
    tag_contacts(contact_ids=[bob.pk], name="Trade fair", by=make_user("marketer"), now=datetime.now(UTC))
    assert ids("?tag=trade%20FAIR") == only_bob
    assert ids("?tag=trade%20fair&stage=lead") == set()
    assert ids("?tag=trade") == set()
    assert api("GET", CONTACTS + "?tag=a%00b", status=400)["fields"].keys() == {"tag"}
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat().replace("+", "%2B")
    assert ids(f"?updated_since={later}") == set()
    assert ids("?updated_since=2020-01-01T00:00:00Z") == only_ann | only_bob
    assert api("GET", CONTACTS + "?updated_since=soon", status=400)["fields"].keys() == {"updated_since"}
    assert api("GET", CONTACTS + "?stagge=lead", status=400)["code"] == "unknown_parameter"
    assert api("GET", f"{CONTACTS}{ann.pk}/?x=1", status=400)["code"] == "unknown_parameter"


def test_following_next_shows_every_contact_once(api: Api) -> None:
    record(*[make_event() for _ in range(7)])
    Contact.objects.update(updated_at=datetime(2026, 1, 1, tzinfo=UTC))
    seen: list[str] = []
    url = CONTACTS + "?limit=3"
    while url:
        page = api("GET", url)
        seen += [row["id"] for row in page["results"]]
        url = page["next"]
    assert seen == [str(pk) for pk in Contact.objects.order_by("pk").values_list("pk", flat=True)]


def test_create_is_an_upsert(api: Api) -> None:
    made = api("POST", CONTACTS, {"email": "Ann@Acme.com", "first_name": "Ann", "attributes": {"plan": "gold"}}, 201)
    assert (made["email"], made["first_name"], made["attributes"]) == ("ann@acme.com", "Ann", {"plan": "gold"})
    again = api("POST", CONTACTS, {"email": "ann@acme.com", "last_name": "Lee", "external_id": "u1"}, 200)
    assert (again["id"], again["first_name"], again["last_name"]) == (made["id"], "Ann", "Lee")
    by_id = api("POST", CONTACTS, {"external_id": "u1", "company": {"name": "Acme", "domain": "acme.com"}}, 200)
    assert (by_id["id"], by_id["company"]["name"]) == (made["id"], "Acme")
    assert Due.objects.filter(contact_id=made["id"]).exists()


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "missing_identity", "email"),
        ({"email": "nonsense"}, "invalid_email", "email"),
        ({"email": "a@b.com", "stage": "customer"}, "read_only", "stage"),
        ({"email": "a@b.com", "owner": "1"}, "read_only", "owner"),
        ({"email": "a@b.com", "first_nmae": "Ann"}, "unknown_field", "first_nmae"),
        ({"email": "a@b.com", "means": "maybe"}, "invalid_choice", "means"),
        ({"email": "a@b.com", "company": {"name": "A", "employees": -1}}, "invalid_number", "company.employees"),
        ({"email": "a@b.com", "attributes": {"a": "\0"}}, "invalid_text", "attributes.a"),
        ({"email": "a@b.com", "attributes": 5}, "invalid_type", "attributes"),
        ({"external_id": "null"}, "illegal_identifier", "external_id"),
        ([], "invalid", ""),
    ],
)
def test_what_is_wrong_with_a_contact_is_named(api: Api, body: Any, code: str, field: str) -> None:
    answer = api("POST", CONTACTS, body, 400)
    assert (answer["code"], set(answer["fields"])) == (code, {field} if field else set())
    assert not Contact.objects.exists()


def test_patch_changes_what_is_given_and_null_clears(api: Api) -> None:
    contact = make_contact(email="ann@acme.com", first_name="Ann", job_title="CTO", plan="gold", means="yes")
    url = f"{CONTACTS}{contact.pk}/"
    changed = api("PATCH", url, {"job_title": "", "means": None, "attributes": {"plan": None, "seats": 5}})
    assert (changed["first_name"], changed["job_title"], changed["means"]) == ("Ann", "", "unknown")
    assert changed["attributes"] == {"seats": 5}
    assert api("PATCH", url, {"scores": {}}, 400)["code"] == "read_only"
    assert api("PATCH", url, {"company": None})["company"] is None
    assert api("PATCH", f"{CONTACTS}999999/", {"role": "it"}, 404)["code"] == "not_found"


def test_the_address_can_be_changed_and_changed_back(api: Api) -> None:
    contact = make_contact(email="ann@acme.com")
    url = f"{CONTACTS}{contact.pk}/"
    assert api("PATCH", url, {"email": "ann@globex.com"})["email"] == "ann@globex.com"
    assert api("PATCH", url, {"email": "ann@acme.com"})["email"] == "ann@acme.com"
    assert api("PATCH", url, {"email": None})["email"] == ""
    assert {i["value"] for i in api("GET", url)["identities"]} == {"ann@acme.com", "ann@globex.com"}


def test_nobody_takes_anothers_address(api: Api) -> None:
    make_contact(email="bob@acme.com")
    url = f"{CONTACTS}{make_contact().pk}/"
    answer = api("PATCH", url, {"email": "bob@acme.com"}, 409)
    assert (answer["code"], set(answer["fields"])) == ("identity_taken", {"email"})


def test_a_rep_changes_only_their_own() -> None:
    rep = make_user("rep")
    mine, other = make_contact(), make_contact()
    stand(mine, "sales_prospect", owner=rep)
    stand(other, "sales_prospect")
    api = Api(make_token(rep))
    assert api("PATCH", f"{CONTACTS}{mine.pk}/", {"means": "yes"})["means"] == "yes"
    assert api("PATCH", f"{CONTACTS}{other.pk}/", {"means": "yes"}, 403)["code"] == "permission_denied"
    assert api("POST", CONTACTS, {"email": "new@acme.com"}, 403)["code"] == "permission_denied"


def test_scopes() -> None:
    contact = make_contact()
    reader = Api(make_source(scopes=["contacts:read"])[1])
    reader("GET", CONTACTS)
    assert reader("PATCH", f"{CONTACTS}{contact.pk}/", {"role": "x"}, 403)["code"] == "missing_scope"
    writer = Api(make_source(scopes=["contacts:write"])[1])
    assert writer("GET", CONTACTS, None, 403)["code"] == "missing_scope"
    assert Api("wrong")("GET", CONTACTS, None, 401)["code"] == "invalid_key"
    assert Client().get(CONTACTS).status_code == 401


def test_events_of_a_contact(api: Api) -> None:
    contact = make_contact({"kind": "demo_requested"}, {"kind": "page_viewed"})
    make_contact({"kind": "demo_requested"})
    found = api("GET", f"{CONTACTS}{contact.pk}/events/")
    assert {event["kind"] for event in found["results"]} == {"demo_requested", "page_viewed"}
    assert {event["contact"] for event in found["results"]} == {str(contact.pk)}
    found = api("GET", f"{CONTACTS}{contact.pk}/events/?kind=page_viewed")
    assert [event["kind"] for event in found["results"]] == ["page_viewed"]
    api("GET", f"{CONTACTS}999999/events/", None, 404)


def test_events_of_a_contact_come_by_its_indexes() -> None:
    from contacts.selectors.facts import events_of_contact

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    # Alone: beside tables that are all but empty the planner may well begin with another of them.
    plan = events_of_contact(1).select_related(None).order_by("-occurred_at", "-id")[:100].explain()
    assert "event_judged" in plan
    assert "event_marked" in plan


def test_companies(api: Api) -> None:
    made = api("POST", COMPANIES, {"domain": "https://www.Acme.com", "name": "Acme", "employees": 200}, 201)
    assert made == {
        "id": made["id"], "name": "Acme", "domain": "acme.com", "industry": "", "employees": 200, "country": "",
    }  # fmt: skip
    again = api("POST", COMPANIES, {"domain": "acme.com", "industry": "software"}, 200)
    assert (again["id"], again["industry"], again["employees"]) == (made["id"], "software", 200)
    url = f"{COMPANIES}{made['id']}/"
    assert api("PATCH", url, {"employees": None})["employees"] is None
    assert api("PATCH", url, {"name": "Acme Holding"})["name"] == "Acme Holding"
    assert api("GET", f"{COMPANIES}?name=acme%20HOLDING")["results"][0]["id"] == made["id"]
    assert [row["id"] for row in api("GET", f"{COMPANIES}?domain=acme.com")["results"]] == [made["id"]]
    api("POST", COMPANIES, {"domain": "globex.com"}, 201)
    assert api("PATCH", url, {"domain": "globex.com"}, 409)["code"] == "company_taken"
    assert api("PATCH", url, {"domian": "globex.com"}, 400)["code"] == "unknown_field"
    assert api("POST", COMPANIES, {"industry": "software"}, 400)["code"] == "missing_identity"
    assert api("POST", COMPANIES, {"domain": "not a domain"}, 400)["code"] == "invalid_domain"


def test_people_of_a_renamed_company_are_found_and_judged_again(api: Api) -> None:
    contact = make_contact(email="ann@acme.com")
    Due.objects.all().delete()
    company = Company.objects.get()
    api("PATCH", f"{COMPANIES}{company.pk}/", {"name": "Wile E. Supplies", "industry": "software"})
    assert [row["id"] for row in api("GET", CONTACTS + "?q=wile")["results"]] == [str(contact.pk)]
    assert Due.objects.get().contact == contact


def test_the_same_request_again_gets_the_first_answer(api: Api) -> None:
    headers = {"idempotency-key": "k1"}
    first = api("POST", CONTACTS, {"email": "ann@acme.com"}, 201, **headers)
    second = api("POST", CONTACTS, {"email": "ann@acme.com"}, 201, **headers)
    assert first == second
    assert AttributeChange.objects.filter(name="email").count() == 1
    answer = api("POST", CONTACTS, {"email": "bob@acme.com"}, 422, **headers)
    assert answer["code"] == "idempotency_key_reused"
    Api(make_source()[1])("POST", CONTACTS, {"email": "bob@acme.com"}, 201, **headers)
    bad = {"idempotency-key": "k2"}
    assert api("POST", CONTACTS, {"email": "x"}, 400, **bad) == api("POST", CONTACTS, {"email": "x"}, 400, **bad)
    assert api("POST", CONTACTS, {}, 400, **{"idempotency-key": "k" * 256})["code"] == "invalid_idempotency_key"


def test_a_refused_caller_may_use_the_key_again(api: Api) -> None:
    source, key = make_source(scopes=["contacts:read"])
    headers = {"idempotency-key": "k1"}
    Api(key)("POST", CONTACTS, {"email": "ann@acme.com"}, 403, **headers)
    source.scopes = ["contacts:write"]
    source.save()
    Api(key)("POST", CONTACTS, {"email": "ann@acme.com"}, 201, **headers)

"""Definitions and runs over HTTP."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role, Scope
from contacts.models import Contact, Standing
from scoring.definition import dump_yaml
from scoring.models import Definition, Publication, Run
from scoring.selectors import definition_document
from scoring.services.evaluate import drain_due
from scoring.services.work import work_off_runs
from tests.factories import make_source, make_token, make_user
from tests.scoring.calling import Api
from tests.scoring.facts import FITTING, incoming, record

pytestmark = pytest.mark.django_db
committed = pytest.mark.django_db(transaction=True, serialized_rollback=True)

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@pytest.fixture
def mara() -> User:
    return make_user(Role.MARKETER, first_name="Mara", last_name="Marketer")


@pytest.fixture
def api(mara: User) -> Api:
    """Mara's view."""
    return Api(make_token(mara))


@pytest.fixture
def source() -> Api:
    """A program that may do everything with definitions."""
    return Api(make_source([Scope.DEFINITIONS_READ, Scope.DEFINITIONS_WRITE, Scope.CONTACTS_READ])[1])


def plain(key: str = "default", **changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = Definition.objects.get(key=key, version=1).document
    return {**document, **changes}


def eager() -> dict[str, Any]:
    """The default definition, but a newsletter is worth a marketing prospect."""
    document = plain()
    signals = [{**part, "points": 40} if part["key"] == "newsletter" else part for part in document["signals"]]
    return {**document, "signals": signals}


def draft(api: Api, document: Mapping[str, Any] | None = None) -> dict[str, Any]:
    answer = api.post("/definitions/", {"document": document or plain()})
    assert answer.status_code == 201, answer.content
    made: dict[str, Any] = answer.json()
    return made


class TestDrafts:
    def test_a_document_becomes_the_next_version_of_its_key(self, api: Api, mara: User) -> None:
        answer = api.post("/definitions/", {"document": plain(name="Ours")})
        assert answer.status_code == 201
        body = answer.json()
        assert (body["key"], body["version"], body["name"], body["state"], body["revision"], body["in_force"]) == (
            "default", 2, "Ours", "draft", 1, False,
        )  # fmt: skip
        assert body["edited_by"] == {"id": str(mara.pk), "name": "Mara Marketer"}
        assert body["approvals"] == []
        assert answer.headers["Location"].endswith(f"/api/v1/definitions/{body['id']}/")
        assert answer.headers["ETag"] == '"1"'
        assert api.get(f"/definitions/{body['id']}/").json() == body

    def test_yaml_and_a_copy_make_drafts_too(self, api: Api) -> None:
        text = dump_yaml(definition_document(Definition.objects.get(key="reaction")))
        from_yaml = api.post("/definitions/", {"yaml": text}).json()
        assert (from_yaml["key"], from_yaml["version"]) == ("reaction", 2)
        copied = api.post("/definitions/", {"copy_of": from_yaml["id"]}).json()
        assert (copied["version"], copied["document"]) == (3, from_yaml["document"])

    def test_a_change_needs_the_revision_it_was_made_from(self, api: Api, mara: User) -> None:
        made = draft(api)
        path = f"/definitions/{made['id']}/"
        missing = api.patch(path, {"document": eager()})
        assert (missing.status_code, missing.json()["code"]) == (428, "revision_required")
        changed = api.patch(path, {"document": eager(), "revision": 1})
        assert (changed.status_code, changed.json()["revision"], changed.headers["ETag"]) == (200, 2, '"2"')
        other = Api(make_token(make_user(Role.MANAGER)))
        lost = other.patch(path, {"document": plain(name="Mine"), "revision": 1})
        assert (lost.status_code, lost.json()["code"]) == (409, "conflict")
        assert "Mara Marketer saved this draft" in lost.json()["message"]
        assert other.patch(path, {"document": plain(name="Mine")}, if_match='"1"').status_code == 409
        assert other.patch(path, {"document": plain(name="Mine")}, if_match='W/"2"').status_code == 409
        assert other.patch(path, {"document": plain(name="Mine")}, if_match='"2"').json()["name"] == "Mine"
        assert api.patch(path, {"document": plain(name="Mine too")}, if_match="*").json()["name"] == "Mine too"

    def test_what_is_published_neither_changes_nor_goes(self, api: Api) -> None:
        row = Definition.objects.get(key="default")
        for answer in (
            api.patch(f"/definitions/{row.pk}/", {"document": eager(), "revision": 1}),
            api.delete(f"/definitions/{row.pk}/"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (409, "not_a_draft")
        made = draft(api)
        assert api.delete(f"/definitions/{made['id']}/").status_code == 204
        assert api.get(f"/definitions/{made['id']}/").status_code == 404

    def test_every_problem_is_named_by_its_path(self, api: Api) -> None:
        document = eager()
        document["signals"][3] = {**document["signals"][3], "half_life_days": -1}
        document["signals"][4] = {**document["signals"][4], "match": {"kinds": ["no_such_kind"]}}
        answer = api.post("/definitions/", {"document": document})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_definition")
        fields = answer.json()["fields"]
        assert "signals[3].half_life_days" in fields
        assert any(path.startswith("signals[4].match") for path in fields)
        made = draft(api)
        refused = api.patch(f"/definitions/{made['id']}/", {"document": document, "revision": 1})
        assert refused.json()["fields"] == fields
        another = api.patch(f"/definitions/{made['id']}/", {"document": plain("reaction"), "revision": 1})
        assert list(another.json()["fields"]) == ["key"]
        assert Definition.objects.get(pk=made["id"]).revision == 1


class TestPublication:
    @committed
    def test_publish_judges_everybody_and_rolling_back_restores_them(self, api: Api) -> None:
        record(incoming("newsletter_subscribed", NOW - DAY, traits=FITTING))
        drain_due(now=NOW)
        made = draft(api, eager())
        answer = api.post(f"/definitions/{made['id']}/publish/", {"quiet": True})
        assert answer.status_code == 202, answer.content
        run = answer.json()
        assert (run["kind"], run["state"], run["definition"]) == ("publish", "queued", "default@2")
        assert answer.headers["Location"].endswith(f"/api/v1/runs/{run['id']}/")
        assert api.get(f"/definitions/{made['id']}/").json()["in_force"] is True
        assert Publication.objects.latest("effective_at").quiet is True
        assert work_off_runs() == 1
        assert api.get(f"/runs/{run['id']}/").json()["state"] == "finished"
        assert Standing.objects.get().stage == "marketing_prospect"
        again = api.post(f"/definitions/{made['id']}/publish/")
        assert (again.status_code, again.json()["code"]) == (409, "not_publishable")
        assert api.post(f"/definitions/{made['id']}/rollback/").json()["kind"] == "roll_back"
        assert work_off_runs() == 1
        assert Standing.objects.get().stage == "lead"
        assert api.get(f"/definitions/{made['id']}/").json()["in_force"] is False

    def test_only_what_is_in_force_is_rolled_back(self, api: Api) -> None:
        made = draft(api, eager())
        answer = api.post(f"/definitions/{made['id']}/rollback/")
        assert (answer.status_code, answer.json()["code"]) == (409, "not_in_force")
        first = Definition.objects.get(key="default", version=1)
        answer = api.post(f"/definitions/{first.pk}/rollback/")
        assert (answer.status_code, answer.json()["code"]) == (409, "not_publishable")

    def test_both_teams_must_agree_where_the_definition_asks_for_it(self, api: Api, source: Api) -> None:
        row = Definition.objects.get(key="scored-vetted")
        path = f"/definitions/{row.pk}"
        refused = api.post(f"{path}/publish/")
        assert refused.status_code == 409
        assert "approval" in refused.json()["message"]
        assert source.post(f"{path}/approve/", {"team": "marketing"}).status_code == 403
        assert api.post(f"{path}/approve/", {"team": "sales"}).status_code == 403
        assert api.post(f"{path}/approve/", {"team": "hr"}).status_code == 400
        given = api.post(f"{path}/approve/", {"team": "marketing"}).json()["approvals"]
        assert [(word["team"], bool(word["approved_by"])) for word in given] == [("marketing", True), ("sales", False)]
        assert given[0]["approved_by"]["name"] == "Mara Marketer"
        lea = Api(make_token(make_user(Role.MANAGER)))
        assert lea.post(f"{path}/approve/", {"team": "sales"}).status_code == 200
        assert api.post(f"{path}/approve/", {"team": "marketing", "withdraw": True}).status_code == 200
        assert api.post(f"{path}/publish/").status_code == 409
        assert api.post(f"{path}/approve/", {"team": "marketing"}).status_code == 200
        assert api.post(f"{path}/publish/").status_code == 202
        unasked = Definition.objects.get(key="reaction")
        assert lea.post(f"/definitions/{unasked.pk}/approve/", {"team": "sales"}).status_code == 409


class TestRuns:
    @committed
    def test_a_what_if_is_ordered_watched_and_taken_apart(self, api: Api) -> None:
        people = [f"p{number}@acme.example" for number in range(3)]
        record(*[incoming("newsletter_subscribed", NOW - DAY, email=email, traits=FITTING) for email in people])
        drain_due(now=NOW)
        made = draft(api, eager())
        answer = api.post(f"/definitions/{made['id']}/what-if/")
        assert answer.status_code == 202, answer.content
        path = answer.headers["Location"].partition("/api/v1")[2]
        assert api.get(path).json()["state"] == "queued"
        early = api.get(f"{path}contacts/?from=lead&to=marketing_prospect")
        assert (early.status_code, early.json()["code"]) == (409, "no_contacts")
        assert work_off_runs() == 1
        run = api.get(path).json()
        assert (run["state"], run["error"]) == ("finished", "")
        assert {"from": "lead", "to": "marketing_prospect", "contacts": 3} in run["result"]["matrix"]

        first = api.get(f"{path}contacts/?from=lead&to=marketing_prospect&limit=2").json()
        rest = api.get(first["next"].partition("/api/v1")[2]).json()
        rows = first["results"] + rest["results"]
        assert (len(first["results"]), len(rest["results"]), rest["next"]) == (2, 1, None)
        assert [row["contact"]["email"] for row in rows] == people
        assert {(row["from"]["key"], row["to"]["key"]) for row in rows} == {("lead", "marketing_prospect")}
        assert all(row["from"]["sentence"] and row["to"]["sentence"] for row in rows)
        assert api.get(f"{path}contacts/?from=customer&to=lead").json() == {"results": [], "next": None}
        assert Standing.objects.filter(stage="lead").count() == 3, "nothing is written"

    @committed
    def test_what_is_behind_a_cell_costs_the_same_for_one_and_for_three(self, api: Api) -> None:
        def queries(people: int, key: str) -> int:
            record(
                *[
                    incoming("newsletter_subscribed", NOW - DAY, email=f"{key}{number}@acme.example", traits=FITTING)
                    for number in range(people)
                ]
            )
            drain_due(now=NOW)
            made = draft(api, eager())
            path = api.post(f"/definitions/{made['id']}/what-if/").headers["Location"].partition("/api/v1")[2]
            work_off_runs()
            with CaptureQueriesContext(connection) as captured:
                page = api.get(f"{path}contacts/?from=lead&to=marketing_prospect").json()
            assert len(page["results"]) >= people
            return len(captured)

        queries(1, "warm")
        one = queries(0, "one")
        assert one == queries(2, "three")

    def test_a_comparison_names_the_other(self, api: Api) -> None:
        row = Definition.objects.get(key="reaction")
        answer = api.post(f"/definitions/{row.pk}/compare/", {"with": "bona-fide@1"})
        assert (answer.status_code, answer.json()["other"]) == (202, "bona-fide@1")
        for name in ("reaction", "nobody", "bona-fide@x", "a\0b", 5, "", None):
            assert list(api.post(f"/definitions/{row.pk}/compare/", {"with": name}).json()["fields"]) == ["with"]

    def test_a_backtest_takes_its_parameters(self, api: Api) -> None:
        path = f"/definitions/{Definition.objects.get(key='reaction').pk}/backtest/"
        assert api.post(path).json()["parameters"] == {"mode": "month-ends", "horizon_days": 90}
        given = {
            "mode": "own-times",
            "horizon_days": 30,
            "since": "2026-01-01",
            "until": "2026-06-30",
            "outcome": "purchased",
        }
        assert api.post(path, given).json()["parameters"] == given
        for name, values in {
            "mode": ("daily", 5, None),
            "horizon_days": (0, "90", 1.5, True, 10**9),
            "since": ("yesterday", 5, "1999-01-01", "2026-13-01"),
            "until": ("2025-01-01",),
            "outcome": (5, "", None, "no_such_kind", "a\0b"),
            "depth": (1,),
        }.items():
            for value in values:
                answer = api.post(path, {"since": "2026-01-01", name: value})
                assert (answer.status_code, list(answer.json()["fields"])) == (400, [name]), (name, value)

    def test_runs_are_listed_cancelled_and_tried_again(self, api: Api) -> None:
        made = draft(api)
        run = api.post(f"/definitions/{made['id']}/what-if/").json()
        listed = api.get(f"/runs/?kind=what_if&state=queued&definition={made['id']}").json()["results"]
        assert [row["id"] for row in listed] == [run["id"]]
        assert api.get("/runs/?definition=x").json()["results"] == []
        assert api.get("/runs/?kind=nonsense").status_code == 400
        cancelled = api.post(f"/runs/{run['id']}/cancel/")
        assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
        assert api.post(f"/runs/{run['id']}/cancel/").json()["state"] == "cancelled"
        assert api.post(f"/runs/{run['id']}/retry/").json()["code"] == "cannot_retry"
        Run.objects.filter(pk=run["id"]).update(state="failed", error="x")
        assert (api.post(f"/runs/{run['id']}/retry/").json()["state"]) == "queued"
        published = api.post(f"/definitions/{made['id']}/publish/").json()
        assert api.post(f"/runs/{published['id']}/cancel/").json()["code"] == "cannot_cancel"

    @pytest.mark.parametrize("query", ["", "?from=lead", "?from=lead&to=lead&limit=0", "?from=lead&to=lead&limit=x",
                                       "?from=lead&to=lead&cursor=%C3%A9", "?from=lead&to=lead&cursor=x", "?frm=lead",
                                       "?from=%00&to=lead"])  # fmt: skip
    def test_a_bad_question_about_a_cell_is_refused(self, api: Api, query: str) -> None:
        run = api.post(f"/definitions/{Definition.objects.get(key='reaction').pk}/what-if/").json()
        assert api.get(f"/runs/{run['id']}/contacts/{query}").status_code == 400

    @pytest.mark.parametrize("path", ["/runs/", "/definitions/"])
    def test_lists_cost_the_same_for_one_and_for_three(self, api: Api, path: str) -> None:
        def queries(number: int) -> int:
            for _ in range(number):
                api.post(f"/definitions/{draft(api)['id']}/compare/", {"with": "reaction"})
            with CaptureQueriesContext(connection) as captured:
                assert api.get(path).status_code == 200
            return len(captured)

        queries(1)
        assert queries(1) == queries(3)


class TestWho:
    def test_scopes_and_roles(self, source: Api) -> None:
        row = Definition.objects.get(key="reaction")
        path = f"/definitions/{row.pk}"
        reader = Api(make_source([Scope.DEFINITIONS_READ])[1])
        rep = Api(make_token(make_user(Role.REP)))
        calls: list[tuple[str, str, Any]] = [
            ("POST", "/definitions/", {"document": plain()}),
            ("PATCH", f"{path}/", {"document": plain("reaction"), "revision": 1}),
            ("DELETE", f"{path}/", None),
            ("POST", f"{path}/what-if/", None),
            ("POST", f"{path}/compare/", {"with": "default"}),
            ("POST", f"{path}/backtest/", None),
            ("POST", f"{path}/publish/", None),
            ("POST", f"{path}/rollback/", None),
            ("POST", f"{path}/approve/", {"team": "marketing"}),
        ]
        for method, address, body in calls:
            assert reader.ask(method, address, body).json()["code"] == "missing_scope", address
            assert rep.ask(method, address, body).status_code == 403, address
            assert Api("nothing").ask(method, address, body).status_code == 401, address
        assert reader.get(f"{path}/").status_code == 200
        assert rep.get("/runs/").status_code == 200
        made = source.post("/definitions/", {"document": plain()})
        assert (made.status_code, made.json()["edited_by"]) == (201, None)

    def test_the_same_request_again_gets_the_same_answer(self, api: Api) -> None:
        first = api.post("/definitions/", {"document": plain()}, idempotency_key="once")
        again = api.post("/definitions/", {"document": plain()}, idempotency_key="once")
        assert first.json() == again.json()
        assert again.headers["Location"] == first.headers["Location"]
        assert Definition.objects.filter(key="default").count() == 2
        path = f"/definitions/{first.json()['id']}/what-if/"
        assert api.post(path, idempotency_key="run").json()["id"] == api.post(path, idempotency_key="run").json()["id"]

    @pytest.mark.parametrize(
        "path",
        ["/definitions/{id}/", "/definitions/{id}/what-if/", "/definitions/{id}/publish/", "/definitions/", "/runs/"],
    )
    def test_unknown_parameters_are_refused(self, api: Api, path: str) -> None:
        address = path.format(id=Definition.objects.get(key="reaction").pk) + "?colour=green"
        answers = [api.get(address), api.post(address)]
        assert {answer.json()["code"] for answer in answers} <= {"unknown_parameter", "method_not_allowed"}

    @pytest.mark.parametrize("pk", ["999999", "9" * 18, "9" * 30])
    def test_what_is_not_there_is_not_found(self, api: Api, pk: str) -> None:
        for method, address in (
            ("GET", f"/definitions/{pk}/"),
            ("PATCH", f"/definitions/{pk}/"),
            ("DELETE", f"/definitions/{pk}/"),
            *(
                ("POST", f"/definitions/{pk}/{call}/")
                for call in ("what-if", "publish", "rollback", "compare", "approve")
            ),
            ("GET", f"/runs/{pk}/"),
            ("POST", f"/runs/{pk}/cancel/"),
            ("POST", f"/runs/{pk}/retry/"),
            ("GET", f"/runs/{pk}/contacts/?from=lead&to=lead"),
        ):
            assert api.ask(method, address).status_code == 404, address


@committed
def test_a_contact_that_was_merged_away_since_is_left_out(api: Api) -> None:
    for name in ("ann", "ben"):
        record(incoming("newsletter_subscribed", NOW - DAY, email=f"{name}@acme.example", traits=FITTING))
    drain_due(now=NOW)
    made = draft(api, eager())
    path = api.post(f"/definitions/{made['id']}/what-if/").headers["Location"].partition("/api/v1")[2]
    work_off_runs()
    ann, ben = Contact.objects.order_by("id")
    Contact.objects.filter(pk=ben.pk).update(merged_into=ann)
    page = api.get(f"{path}contacts/?from=lead&to=marketing_prospect").json()
    assert [row["contact"]["id"] for row in page["results"]] == [str(ann.pk)]

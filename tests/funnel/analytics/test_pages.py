"""The page of the funnel's figures, its JSON and its CSV files: the same numbers, in the definition's labels."""

import csv
import io
import json
import re
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import strip_tags

from contacts.enums import Role
from contacts.ingest.csv_escaping import unescape
from contacts.models import Contact
from contacts.services.people import create_token
from funnel.selectors.tables import DEFAULT_PARTS, PARTS, TABLES
from scoring.models import Definition, Publication
from scoring.selectors import published_definition
from tests.funnel.analytics.lives import count_all, lived, tell_a_spring
from tests.funnel.analytics.rows import evidence, tell
from tests.funnel.conftest import World

pytestmark = pytest.mark.django_db
PERIOD = {"from": "2026-03-01", "to": "2026-05-31"}
ALL = {"audience", "lead", "marketing_prospect", "sales_prospect", "customer"}


@pytest.fixture
def client(world: World) -> Client:
    client = Client()
    client.force_login(world.person(Role.MARKETER, "Mara Marketer"))
    return client


@pytest.fixture
def api(world: World) -> Client:
    key = create_token(user=world.person(Role.REP, "Rita Rep"), name="test", by=None).key
    return Client(headers={"Authorization": f"Bearer {key}"})


@pytest.fixture
def spring(world: World) -> None:
    tell_a_spring()


def read(client: Client, path: str, status: int = 200, /, **query: str) -> str:
    answer = client.get(path, {**PERIOD, **query})
    assert answer.status_code == status
    return answer.getvalue().decode()


def asked(api: Client, *parts: str, **query: str) -> dict[str, Any]:
    answer = api.get("/api/v1/funnel/", {**PERIOD, **query, "part": list(parts)})
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def rows_of(page: str, title: str) -> list[list[str]]:
    """The cells of the table with this caption, as text."""
    table = re.search(rf"<table[^>]*>\s*<caption[^>]*>{re.escape(title)}</caption>(.*?)</table>", page, re.DOTALL)
    assert table is not None, title
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", table[1], re.DOTALL)
    return [
        [" ".join(strip_tags(cell).split()) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)]
        for row in rows
    ]


def csv_rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def test_counts_conversion_and_flows_by_hand(spring: None, api: Client) -> None:
    tables = asked(api, "counts", "conversion", "flows", "velocity")["tables"]
    stages = {row["stage"]["key"]: row for row in tables["stages"]}
    assert stages["lead"] == {
        "stage": {"key": "lead", "label": "Lead"}, "before": 0, "entries": 6, "exits": 4, "after": 2, "change": 2,
    }  # fmt: skip
    steps = {(row["origin"]["key"], row["target"]["key"]): row for row in tables["steps"]}
    lead_to_customer = steps["lead", "customer"]
    assert (lead_to_customer["reached"], lead_to_customer["strict"], lead_to_customer["loose"]) == (6, 2, 3)
    assert lead_to_customer["loose_rate"] == 0.5
    flows = {(row["origin"]["label"], row["target"]["label"]): (row["moves"], row["way"]) for row in tables["flows"]}
    assert flows["New contacts", "Audience"] == (5, "in")
    assert flows["Lead", "Audience"] == (1, "down")
    assert flows["Lead", "Customer"] == (2, "up")
    velocity = {(row["origin"]["key"], row["target"]["key"]): row for row in tables["velocities"]}
    # 10, 38 and 5 days.
    assert velocity["lead", "customer"]["median"] == 10 * 86_400


def test_a_cohort_says_what_is_not_known_yet(world: World, api: Client) -> None:
    """One that reached Lead this month has not had thirty days."""
    contact = lived(("audience", 0))
    contact.transitions.update(effective_at=world.now)
    count_all()
    lived_now = asked(api, "cohorts", origin="audience", target="lead", **{"from": "2000-01-01", "to": "2099-12-31"})
    (cohort,) = lived_now["tables"]["cohorts"]
    assert (cohort["size"], cohort["ever"], cohort["within_365"], cohort["watched_days"]) == (1, 0, None, 0)
    assert cohort["month"] == f"{world.now:%Y-%m}"


@pytest.mark.parametrize("part", list(PARTS))
def test_page_json_and_csv_say_the_same(spring: None, client: Client, api: Client, part: str, world: World) -> None:
    rep = world.person(Role.REP, "=Cmd Rep")
    for reason in ("no_want", "bad_data"):
        tell(
            ("offer", 0, None), ("claim", 1, 4), ("return", 9, None, {"reason": reason}), rep=rep,
            evidence=evidence("demo", fit=["title"], criteria=["readiness"]), contact={"source_channel": "web"},
        )  # fmt: skip
    tables = asked(api, part)["tables"]
    page = read(client, f"/funnel/part/{part}/")
    assert list(tables) == list(PARTS[part][1])
    for name, rows in tables.items():
        assert rows, name
        spec = TABLES[name]
        lines = csv_rows(read(client, f"/funnel/{name}.csv"))
        assert len(lines) == len(rows)
        for row, line in zip(rows, lines, strict=True):
            for column in spec.columns:
                value = row[column.key]
                if isinstance(value, dict):
                    assert (line[column.key], line[f"{column.key}_key"]) == (value["label"], value["key"])
                elif isinstance(value, bool):
                    assert line[column.key] == ("yes" if value else "no")
                elif isinstance(value, int | float):
                    assert float(line[column.key]) == value
                elif column.kind != "moment":
                    assert unescape(line[column.key]) == (value or "")
        numbers = [column for column in spec.columns if column.kind == "number" and column.shown]
        if name in {"cohorts", "rules"} or not numbers:
            continue
        head, *shown = rows_of(page, spec.title)
        for row, cells in zip(rows, shown, strict=True):
            for column in numbers:
                assert cells[head.index(column.label)] == f"{row[column.key]:,}"


def test_a_cell_that_begins_like_a_formula_is_no_formula(client: Client, world: World) -> None:
    tell(("offer", 0, None), ("claim", 1, 4), rep=world.person(Role.REP, "=Cmd Rep"))
    assert [row["rep"] for row in csv_rows(read(client, "/funnel/reps.csv"))] == ["'=Cmd Rep"]


def test_the_definition_s_labels_are_everywhere(spring: None, client: Client, api: Client, world: World) -> None:
    latest, _ = published_definition()
    stages = [{**stage, "label": f"Step {stage['key']}"} for stage in latest.document["stages"]]
    successor = Definition.objects.create(
        key=latest.key, version=2, name="Ours", state="published", document={**latest.document, "stages": stages}
    )
    Publication.objects.create(definition=successor, effective_at=world.now)
    assert asked(api, "counts")["tables"]["stages"][1]["stage"]["label"] == "Step lead"
    assert csv_rows(read(client, "/funnel/stages.csv"))[1]["stage"] == "Step lead"
    page = read(client, "/funnel/")
    assert "Step lead" in page
    assert "Marketing prospect" not in page


def test_the_page_shows_every_part_and_what_loads_later(spring: None, client: Client) -> None:
    page = read(client, "/funnel/")
    for title in ("Contacts by stage", "Conversion by pair of stages", "Moves between stages", "Conversion by source"):
        assert rows_of(page, title)
    assert "sankey" in page
    assert re.findall(r'hx-get="/funnel/part/(\w+)/', page) == ["handoffs", "rules"]
    for name, title in (("handoffs", "Show Handoffs"), ("rules", "Show Returned by rule")):
        link = re.search(rf'<a href="(/funnel/part/{name}/[^"]*)">{title}</a>', page)
        assert link is not None
        assert "<html" in client.get(link[1].replace("&amp;", "&")).content.decode()


def test_a_segment_that_rollups_do_not_know_is_loaded_after_the_page(spring: None, client: Client) -> None:
    page = read(client, "/funnel/", direction="inbound")
    assert re.findall(r'hx-get="/funnel/part/(\w+)/', page) == ["moves", "handoffs", "rules"]
    answer = client.get("/funnel/part/moves/", {**PERIOD, "direction": "inbound"}, headers={"HX-Request": "true"})
    part = answer.content.decode()
    assert "<html" not in part
    assert rows_of(part, "Contacts by stage")[2][:3] == ["Lead", "0", "2"]


@pytest.mark.parametrize("query", [{"country": "DE"}, {"by": "direction"}])
def test_shares_that_rollups_do_not_know_are_loaded_after_the_page(
    spring: None, client: Client, query: dict[str, str]
) -> None:
    """To count them takes longer than a page may, however little is asked."""
    page = read(client, "/funnel/", **query)
    assert rows_of(page, "Contacts by stage")
    assert "Conversion by source" not in page
    (url, *_) = re.findall(r'hx-get="(/funnel/part/sources/[^"]*)"', page)
    part = client.get(url.replace("&amp;", "&"), {**PERIOD, **query}, headers={"HX-Request": "true"}).content.decode()
    assert "Conversion by source" in part
    assert "Conversion by source" in read(client, "/funnel/", country="DE", by="country")


def test_presets_and_dates(api: Client) -> None:
    for preset in ("30d", "90d", "month", "last_month", "quarter", "year", "12m", "all"):
        period = api.get("/api/v1/funnel/", {"period": preset, "part": "counts"}).json()["period"]
        assert period["from"] <= period["to"]
    assert asked(api, "counts")["period"] == PERIOD
    only_from = api.get("/api/v1/funnel/", {"from": "2026-03-01"}).json()
    assert only_from["period"]["from"] == "2026-03-01"
    assert only_from["parts"] == list(DEFAULT_PARTS)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"part": "nothing"}, "part"), ({"from": "yesterday"}, "from"), ({"to": "2026-02-30"}, "to"),
        ({"from": "2026-02-02", "to": "2026-02-01"}, "from"), ({"period": "decade"}, "period"),
        ({"motion": "slow"}, "motion"), ({"direction": "up"}, "direction"), ({"company": "acme"}, "company"),
        ({"employees_at_least": "-1"}, "employees_at_least"), ({"by": "mood"}, "by"),
        ({"origin": "customer", "target": "lead"}, "target"), ({"origin": "nowhere"}, "origin"),
        ({"campaign": "x" * 300}, "campaign"), ({"colour": "red"}, "colour"), ({"source": "a\0b"}, "source"),
        ({"from": "1999-12-31"}, "from"), ({"company": "9" * 30}, "company"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(api: Client, client: Client, query: dict[str, str], field: str) -> None:
    answer = api.get("/api/v1/funnel/", query)
    assert answer.status_code == 400
    assert field in answer.json()["fields"]
    # People see the rest of the page.
    assert client.get("/funnel/", query).status_code == 200


def test_a_csv_of_a_question_that_cannot_be_read_is_refused(client: Client) -> None:
    answer = client.get("/funnel/stages.csv", {"from": "yesterday"})
    assert (answer.status_code, answer.json()["fields"]) == (400, {"from": "A date such as 2026-03-31."})
    assert client.get("/funnel/nothing.csv").status_code == 404
    assert client.get("/funnel/part/nothing/").status_code == 404


@pytest.mark.parametrize(
    ("query", "entries"),
    [
        ({"source": "web"}, 2), ({"motion": "lead_generation"}, 2), ({"campaign": "spring"}, 3), ({"country": "DE"}, 2),
        ({"direction": "outbound"}, 3), ({"source": "(unknown)"}, 1), ({"source": "web", "country": "DE"}, 2),
        ({"motion": "(unknown)"}, 4),
    ],
)  # fmt: skip
def test_segments(spring: None, api: Client, query: dict[str, str], entries: int) -> None:
    found = asked(api, "counts", **query)
    assert found["segment"] == query
    assert {row["stage"]["key"]: row["entries"] for row in found["tables"]["stages"]}["lead"] == entries


@pytest.mark.parametrize("path", ["/funnel/", "/funnel/part/handoffs/", "/funnel/part/rules/"])
def test_the_number_of_queries_is_fixed(client: Client, world: World, path: str) -> None:
    rep = world.person()

    def happen(times: int) -> int:
        for number in range(times):
            lived(("lead", number), ("customer", number + 1), source_channel=f"channel {number}")
            tell(
                ("offer", 0, None), ("claim", 1, 4), ("return", 9, None, {"reason": "no_want"}), rep=rep,
                evidence=evidence(f"rule {number}"),
            )  # fmt: skip
        count_all()
        read(client, path)
        with CaptureQueriesContext(connection) as captured:
            read(client, path)
        return len(captured)

    assert happen(1) == happen(3)


def test_an_empty_installation(client: Client, api: Client) -> None:
    for part in PARTS:
        read(client, f"/funnel/part/{part}/")
        asked(api, part)
        for table in PARTS[part][1]:
            read(client, f"/funnel/{table}.csv")
    assert "Nothing in this period." in read(client, "/funnel/")


def test_somebody_without_a_role_sees_no_figures() -> None:
    nobody = Client()
    nobody.force_login(User.objects.create_user("nobody"))
    for path in ("/funnel/", "/funnel/part/rules/", "/funnel/stages.csv", "/funnel/people/", "/funnel/handoffs/"):
        assert nobody.get(path).status_code == 403


def test_an_erased_person_s_handoff_is_counted_without_a_rule(client: Client, world: World) -> None:
    tell(("offer", 0, None), ("claim", 1, 4), ("accept", 5, None), rep=world.person(), evidence={})
    assert json.dumps(evidence()) != "{}"
    page = read(client, "/funnel/part/rules/")
    assert "No offer in this period has evidence of rules yet." in page
    assert Contact.objects.count() == 1


def test_a_definition_s_page_says_which_of_its_rules_send_back(client: Client, world: World) -> None:
    rep = world.person()
    for key in ("default", "reaction"):
        tell(
            ("offer", 0, None), ("claim", 1, 4), ("return", 9, None, {"reason": "no_want"}), rep=rep,
            evidence=evidence(f"{key} rule", key=key),
        )  # fmt: skip
    definition, _ = published_definition()
    page = client.get(f"/definitions/{definition.pk}/").content.decode()
    link = re.search(r'hx-get="(/funnel/part/definition/[^"]*)"', page)
    assert link is not None
    card = client.get(f"{link[1]}&{urlencode(PERIOD)}").content.decode()
    assert "Default rule" in card
    assert "1 of 1" in card
    assert "Reaction rule" not in card


def test_pages_speak_the_reader_s_language_and_files_stay_english(client: Client, api: Client, world: World) -> None:
    tell(("offer", 0, None), ("claim", 1, 4), ("return", 9, None, {"reason": "no_want"}), rep=world.person())
    german = {"Accept-Language": "de"}
    query = {**PERIOD, "source": "(unknown)", "by": "motion"}
    pages = {
        path: client.get(path, query, headers=german).content.decode()
        for path in ("/funnel/", *(f"/funnel/part/{name}/" for name in ("sources", "handoffs", "rules", "flows")))
    }
    for path, page in pages.items():
        assert '<html lang="de"' in page, path
    assert ">Quelle<" in pages["/funnel/part/sources/"]
    assert "Angeboten" in pages["/funnel/part/handoffs/"]
    assert "Does not want it" not in pages["/funnel/part/handoffs/"]
    offers = csv_rows(client.get("/funnel/offers.csv", PERIOD, headers=german).getvalue().decode())
    assert [(row["label"], row["share_of"]) for row in offers[:2]] == [("Offered", ""), ("Claimed", "offered")]
    (reason,) = csv_rows(client.get("/funnel/reasons.csv", PERIOD, headers=german).getvalue().decode())
    assert reason["label"] == "Does not want it"
    figures = api.get("/api/v1/funnel/", {**PERIOD, "part": "handoffs"}, headers=german).json()["tables"]
    assert [row["label"] for row in figures["reasons"]] == ["Does not want it"]

"""The editor of drafts as people use it without scripts: every button posts the whole form."""

import re
from datetime import UTC, datetime
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.datastructures import MultiValueDict
from django.utils.http import urlencode

from contacts.enums import Role
from contacts.models import Kind
from scoring.definition import dump_yaml, load_yaml, read_document
from scoring.models import Definition
from scoring.services.drafts import change_draft, copy_to_draft
from tests.factories import make_user

pytestmark = pytest.mark.django_db

Pairs = list[tuple[str, str]]


class _Fields(HTMLParser):
    """Collects what a browser would post of the form with the id ``editor``, its buttons aside."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pairs: Pairs = []
        self.inside = False
        self.select = self.area = ""
        self.chosen: str | None = None
        self.first: str | None = None
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.inside = said.get("id") == "editor"
        if not self.inside:
            return
        if tag == "input" and "name" in said and (said.get("type") != "checkbox" or "checked" in said):
            self.pairs.append((said["name"], said.get("value", "")))
        elif tag == "select":
            self.select, self.chosen, self.first = said["name"], None, None
        elif tag == "option" and self.select:
            self.first = said["value"] if self.first is None else self.first
            self.chosen = said["value"] if "selected" in said else self.chosen
        elif tag == "textarea":
            self.area, self.text = said["name"], ""

    def handle_data(self, data: str) -> None:
        if self.area:
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "select" and self.select:
            self.pairs.append((self.select, (self.first if self.chosen is None else self.chosen) or ""))
            self.select = ""
        elif tag == "textarea" and self.area:
            # A browser drops the line end right after the tag and posts line ends as CR LF.
            self.pairs.append((self.area, self.text.removeprefix("\n").replace("\n", "\r\n")))
            self.area = ""
        elif tag == "form":
            self.inside = False


def fields_of(page: str) -> dict[str, list[str]]:
    parser = _Fields()
    parser.feed(page)
    lists: MultiValueDict[str, str] = MultiValueDict()
    for name, value in parser.pairs:
        lists.appendlist(name, value)
    return dict(lists.lists())


@pytest.fixture
def mara() -> User:
    return make_user(Role.MARKETER, first_name="Mara", last_name="Marketer")


@pytest.fixture
def pages(mara: User) -> Client:
    client = Client()
    client.force_login(mara)
    return client


@pytest.fixture
def draft(mara: User) -> Definition:
    return copy_to_draft(definition_id=Definition.objects.get(key="default", version=1).pk, by=mara)


def url(draft: Definition) -> str:
    return f"/definitions/{draft.pk}/edit/"


def read(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status
    return answer.content.decode()


def post(client: Client, path: str, fields: dict[str, Any], *, status: int = 200, **more: Any) -> str:
    """Post as the form does; answers the page that follows, after a redirect too."""
    answer = client.post(
        path,
        urlencode({**fields, **more}, doseq=True),
        content_type="application/x-www-form-urlencoded",
        follow=True,
    )
    assert answer.status_code == status, answer.content.decode()[:2_000]
    return answer.content.decode()


def said_at(page: str, name: str) -> str:
    """What is wrong with a field, as the page says it there."""
    found = re.search(rf'id="f-{re.escape(name)}-e"( hidden)?>([^<]*)</p>', page)
    assert found is not None, f"no field {name}"
    return "" if found[1] else unescape(found[2])


class TestTheWholeJourney:
    def test_copies_changes_errs_mends_and_saves(self, pages: Client) -> None:
        first = Definition.objects.get(key="default", version=1)
        page = read(pages, f"/definitions/{first.pk}/")
        assert "Edit as a new draft" in page
        assert "Discard" not in page
        page = post(pages, f"/definitions/{first.pk}/copy/", {})
        draft = Definition.objects.get(key="default", version=2)
        fields = fields_of(page)
        fields["signals.3.points"] = ["25"]
        fields["signals.3.half_life_days"] = ["-1"]
        fields["stages.3.enter.below.1.fit.at_least"] = ["10"]

        page = post(pages, url(draft), fields, do="save")
        assert "Nothing was saved" in page
        assert said_at(page, "signals.3.half_life_days").startswith("must be > 0")
        assert 'href="#f-signals.3.half_life_days"' in page
        draft.refresh_from_db()
        assert draft.revision == 1
        assert fields_of(page)["signals.3.points"] == ["25"]

        fields = fields_of(page)
        fields["signals.3.half_life_days"] = ["10"]
        page = post(pages, url(draft), fields, do="save")
        assert "Saved as revision 2" in page
        assert "Fit of at least 10" in page
        draft.refresh_from_db()
        document = read_document(draft.document)
        assert (document.signals[3].points, document.signals[3].half_life_days) == (25, 10)
        assert first.document == Definition.objects.get(pk=first.pk).document

    def test_saving_an_untouched_form_changes_nothing(self, pages: Client, draft: Definition) -> None:
        for row in Definition.objects.filter(state="draft"):
            fields = fields_of(read(pages, url(row)))
            assert "Saved as revision" in post(pages, url(row), fields, do="save")
            assert read_document(Definition.objects.get(pk=row.pk).document) == read_document(row.document)

    def test_buttons_keep_what_was_typed_and_store_nothing(self, pages: Client, draft: Definition) -> None:
        fields = fields_of(read(pages, url(draft)))
        fields["name"] = ["Typed & kept"]
        fields["signals.0.points"] = ["not yet a number"]
        for order in ("add:signals", "remove:signals.8", "up:stages.2", "wrap:stages.3.enter.below.0", "check"):
            page = post(pages, url(draft), fields, do=order)
            fields = fields_of(page)
            assert fields["name"] == ["Typed & kept"]
            assert fields["signals.0.points"] == ["not yet a number"]
        assert fields["stages.3.enter.below.0.way"] == ["all"]
        assert "signals.8.points" not in fields
        assert "signals.9.points" in fields
        order_of_stages = [name for name in fields if re.fullmatch(r"stages\.\d\.key", name)]
        assert order_of_stages[1:3] == ["stages.2.key", "stages.1.key"]
        draft.refresh_from_db()
        assert (draft.revision, draft.name) == (1, "Ripen default")

    def test_the_focus_goes_to_what_was_added_and_back_to_what_was_pressed(
        self, pages: Client, draft: Definition
    ) -> None:
        fields = fields_of(read(pages, url(draft)))
        page = post(pages, url(draft), fields, do="add:gates")
        assert re.findall(r'id="([^"]*)"[^<>]* autofocus', page) == ["f-gates.2.label"]
        page = post(pages, url(draft), fields, do="down:gates.0")
        assert re.findall(r'id="([^"]*)"[^<>]* autofocus', page) == []
        page = post(pages, url(draft), fields, do="down:stages.1")
        assert re.findall(r'id="([^"]*)"[^<>]* autofocus', page) == ["b-down:stages.1"]

    def test_what_was_just_added_is_not_blamed_yet(self, pages: Client, draft: Definition) -> None:
        fields = fields_of(read(pages, url(draft)))
        page = post(pages, url(draft), fields, do="add:gates")
        assert said_at(page, "gates.2.label") == ""
        page = post(pages, url(draft), fields_of(page), do="save")
        assert said_at(page, "gates.2.label") == "must be filled in"


class TestEveryPart:
    def test_a_definition_can_be_built_from_nothing_but_buttons(self, pages: Client, mara: User) -> None:
        page = post(pages, "/definitions/import/", {"yaml": text_of_import(read(pages, "/definitions/import/?new=1"))})
        draft = Definition.objects.get(key="our-definition")
        typed: dict[str, str] = {}

        def press(order: str, **values: str) -> None:
            nonlocal page
            fields = fields_of(page)
            for name, value in {**typed, **values}.items():
                fields[name.replace("__", ".")] = [value]
            typed.clear()
            page = post(pages, url(draft), fields, do=order)

        press("add:evidence")
        press("check", evidence__1__of__label="a demo request", evidence__1__of__any_of__0__kinds="demo_requested")
        press("add:evidence.1.of.any_of.0.properties")
        key = "evidence.1.of.any_of.0.properties.0"
        press("change:" + key, **{f"{key}.key": "with", f"{key}.of.way": "present"})
        press("add:signals")
        press(
            "add:groups",
            **{"signals.0.label": "Demo", "signals.0.points": "40", "signals.0.match.kinds": "demo_requested",
               "signals.0.count.way": "latest"},
        )  # fmt: skip
        press("check", **{"groups.0.label": "All of it", "groups.0.cap": "50", "signals.0.count.latest": "3"})
        press("add:fit.rules", **{"signals.0.group": "all_of_it"})
        press("change:fit.rules.0.test", **{"fit.rules.0.label": "Size", "fit.rules.0.points": "10",
              "fit.rules.0.test.name": "company.employees", "fit.rules.0.test.way": "range"})  # fmt: skip
        press("add:gates", **{"fit.rules.0.test.at_least": "50"})
        press("add:qualifiers", **{"gates.0.label": "Means", "gates.0.attribute": "means", "gates.0.closed_when": "no",
              "gates.0.question": "Can they pay?"})  # fmt: skip
        press("change:qualifiers.0.test", **{"qualifiers.0.label": "Need", "qualifiers.0.question": "Do they need it?",
              "qualifiers.0.test.name": "attributes.need", "qualifiers.0.test.way": "known"})  # fmt: skip
        press("add:switches")
        press("add:stages", **{"switches.0.key": "retail", "switches.0.of": "on"})
        press("up:stages.2", **{"stages.2.key": "sales_prospect", "stages.2.label": "Ready", "stages.2.owner": "sales",
              "stages.2.handoff": "on", "stages.2.sla_hours": "4"})  # fmt: skip
        press("add:stages.2.enter")
        press("change:stages.2.enter.below.0", **{"stages.2.enter.below.0.way": "count"})
        press("add:stages.2.enter.below", **{"stages.2.enter.below.0.count.of": "a_demo_request"})
        press("change:stages.2.enter.below.1", **{"stages.2.enter.below.1.way": "gate"})
        press("add:stages.2.enter.below", **{"stages.2.enter.below.1.gate": "means"})
        press("change:stages.2.enter.below.2", **{"stages.2.enter.below.2.way": "not"})
        press("add:stages.2.enter.below.2.below")
        nested = "stages.2.enter.below.2.below.0"
        press("change:" + nested, **{f"{nested}.way": "switch"})
        press("save", **{f"{nested}.switch": "retail", "cool_down.lifted_by": "a_demo_request",
              "approval": "sales"})  # fmt: skip

        assert "Saved as revision" in page, re.findall(r"data-says>([^<]*)", page)
        draft.refresh_from_db()
        assert dump_yaml(read_document(draft.document)) == dump_yaml(load_yaml(BUILT))

    def test_yaml_and_form_are_the_same_draft(self, pages: Client, draft: Definition) -> None:
        fields = fields_of(read(pages, url(draft)))
        fields["signals.3.points"] = ["17.5"]
        page = post(pages, url(draft), fields, do="view:yaml")
        as_yaml = fields_of(page)
        assert "points: 17.5" in as_yaml["yaml"][0]
        as_yaml["yaml"] = [as_yaml["yaml"][0].replace("points: 17.5", "points: 18.5")]
        page = post(pages, url(draft), as_yaml, do="view:form")
        assert fields_of(page)["signals.3.points"] == ["18.5"]
        assert "Saved as revision 2" in post(pages, url(draft), as_yaml, do="save")
        draft.refresh_from_db()
        assert read_document(draft.document).signals[3].points == 18.5

    def test_yaml_that_cannot_be_read_stays_as_typed(self, pages: Client, draft: Definition) -> None:
        typed = {"revision": "1", "view": "yaml", "yaml": "key: default\nstages: [\n"}
        for order in ("save", "view:form", "check"):
            page = post(pages, url(draft), typed, do=order)
            assert "is no readable YAML" in page
            assert fields_of(page)["yaml"] == ["key: default\r\nstages: [\r\n"]

    def test_the_key_stays(self, pages: Client, draft: Definition) -> None:
        text = dump_yaml(read_document(draft.document)).replace("key: default", "key: other")
        page = post(pages, url(draft), {"revision": "1", "view": "yaml", "yaml": text}, do="save")
        assert "another key is another definition" in unescape(page)
        fields = fields_of(read(pages, url(draft)))
        fields["key"] = ["other"]
        post(pages, url(draft), fields, do="save")
        draft.refresh_from_db()
        assert (draft.key, draft.document["key"]) == ("default", "default")


class TestLiveCheck:
    def test_lists_problems_and_previews_without_storing(self, pages: Client, draft: Definition) -> None:
        fields = fields_of(read(pages, url(draft)))
        fields["stages.3.enter.below.0.below.1.count.of"] = ["gone"]
        fields["stages.2.label"] = ["Nurture"]
        page = unescape(post(pages, f"{url(draft)}check/", fields))
        assert 'data-at="stages.3.enter.below.0.below.1.count.of"' in page
        assert "'gone' is no evidence" in page
        assert "Stages, Sales prospect" in page
        assert "Nurture" in page
        assert page.count("Solve its problems to read what it says") == 1
        draft.refresh_from_db()
        assert draft.revision == 1

    def test_number_of_queries_does_not_grow(self, pages: Client, draft: Definition) -> None:
        small = post_import(pages, BUILT)
        counts = []
        for row in (small, draft):
            fields = fields_of(read(pages, url(row)))
            with CaptureQueriesContext(connection) as shown:
                read(pages, url(row))
            with CaptureQueriesContext(connection) as checked:
                post(pages, f"{url(row)}check/", fields)
            counts.append((len(shown), len(checked)))
        assert counts[0] == counts[1]


class TestTwoPeople:
    def test_who_saves_second_is_told_and_keeps_what_was_typed(self, pages: Client, draft: Definition) -> None:
        fields = fields_of(read(pages, url(draft)))
        max_ = make_user(Role.MANAGER, first_name="Max", last_name="Manager")
        theirs = draft.document | {"description": "Theirs."}
        change_draft(definition_id=draft.pk, document=theirs, by=max_, revision=1, now=datetime.now(UTC))
        fields["description"] = ["Mine."]
        page = post(pages, url(draft), fields, do="save")
        assert "Max Manager saved this draft" in page
        assert "See the other version" in page
        assert fields_of(page)["description"] == ["Mine."]
        draft.refresh_from_db()
        assert draft.document["description"] == "Theirs."
        # To save again by itself does not help; to overwrite is a choice of its own.
        assert "Max Manager saved this draft" in post(pages, url(draft), fields_of(page), do="save")
        assert "Saved as revision 3" in post(pages, url(draft), fields_of(page), do="overwrite:2")
        draft.refresh_from_db()
        assert draft.document["description"] == "Mine."

    def test_overwriting_what_nobody_has_seen_is_refused(self, pages: Client, draft: Definition) -> None:
        fields = fields_of(read(pages, url(draft)))
        for words in ("One.", "Two."):
            draft.refresh_from_db()
            change_draft(
                definition_id=draft.pk,
                document=draft.document | {"description": words},
                by=None,
                revision=None,
                now=datetime.now(UTC),
            )
        page = post(pages, url(draft), fields, do="overwrite:2")
        assert "after you opened it" in page
        draft.refresh_from_db()
        assert draft.document["description"] == "Two."


class TestDraftsComeAndGo:
    def test_published_versions_lead_back_to_their_page(self, pages: Client) -> None:
        answer = pages.get("/definitions/1/edit/")
        assert answer.status_code == 302
        assert answer["Location"] == "/definitions/1/"
        assert "published and never changes" in read(pages, "/definitions/1/")

    def test_discarding_asks_first(self, pages: Client, draft: Definition) -> None:
        page = read(pages, f"/definitions/{draft.pk}/discard/")
        assert "cannot be undone" in page
        assert Definition.objects.filter(pk=draft.pk).exists()
        page = post(pages, f"/definitions/{draft.pk}/discard/", {})
        assert "is gone" in page
        assert not Definition.objects.filter(pk=draft.pk).exists()

    def test_a_published_version_cannot_be_discarded(self, pages: Client) -> None:
        assert "never changes" in post(pages, "/definitions/1/discard/", {})
        assert Definition.objects.filter(pk=1).exists()

    def test_imports_a_file_and_says_what_is_wrong_with_another(self, pages: Client) -> None:
        file = SimpleUploadedFile("ours.yaml", BUILT.encode())
        answer = pages.post("/definitions/import/", {"file": file}, follow=True)
        assert "Imported as Our definition v1, a draft." in answer.content.decode()
        bad = SimpleUploadedFile("ours.yaml", BUILT.replace("of: purchase", "of: nothing").encode())
        page = unescape(pages.post("/definitions/import/", {"file": bad}).content.decode())
        assert "'nothing' is no evidence of this definition" in page
        assert "of: nothing" in page
        assert Definition.objects.filter(key="our-definition").count() == 1

    @pytest.mark.parametrize("content", [b"\xff\xfe\x00bad", b"", b"- 1\n- 2", b"a: &a [1]\nb: *a", b"[" * 5_000])
    def test_a_file_that_is_no_definition_is_no_error_of_ours(self, pages: Client, content: bytes) -> None:
        answer = pages.post("/definitions/import/", {"file": SimpleUploadedFile("x.yaml", content)})
        assert answer.status_code == 200
        assert Definition.objects.count() == 6

    def test_reps_read_and_find_no_button(self) -> None:
        client = Client()
        client.force_login(make_user(Role.REP))
        page = read(client, "/definitions/2/")
        assert "New draft" not in page
        assert "Discard" not in page
        assert "Import YAML" not in read(client, "/definitions/")
        read(client, "/definitions/2/edit/", status=403)


class TestHostilePosts:
    @pytest.mark.parametrize(
        ("more", "says"),
        [
            ({"bogus": "1"}, "no field"),
            ({"signals.0.bogus": "1"}, "no field"),
            ({".".join(["stages", "0", "enter", *["below", "0"] * 200]): "all"}, "nested too deeply"),
            ({"revision": "-1"}, "which revision"),
            ({"revision": "9" * 50}, "which revision"),
            ({"do": "overwrite:x"}, "which revision"),
        ],
    )
    def test_a_form_that_is_none_of_ours_gets_a_clear_answer(
        self, pages: Client, draft: Definition, more: dict[str, str], says: str
    ) -> None:
        fields = fields_of(read(pages, url(draft)))
        page = post(pages, url(draft), {**fields, **{name: [value] for name, value in more.items()}}, status=400)
        assert says in page
        post(pages, f"{url(draft)}check/", {**fields, "bogus": ["1"]}, status=400)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("signals.0.points", "1e999"),
            ("signals.0.points", "9" * 400),
            ("signals.0.points", "NaN"),
            ("signals.0.points", "\u0663"),
            ("signals.0.label", "\x00"),
            ("name", "x" * 100_000),
            ("signals.0.match.kinds", "no_such_kind"),
            ("stages.1.owner", "nobody"),
            ("stages.1.enter.way", "perhaps"),
            ("gates.0.closed_when", '"\\ud800"'),
            ("gates.0.closed_when", '"open'),
            ("learned.intercept", "[" * 3_000),
            ("approval", "finance"),
            ("stages.1.key", "prospect"),
        ],
    )
    def test_values_that_make_no_sense_are_said_at_once(
        self, pages: Client, draft: Definition, name: str, value: str
    ) -> None:
        fields = fields_of(read(pages, url(draft)))
        page = post(pages, url(draft), {**fields, name: [value]}, do="save")
        assert "Nothing was saved" in page
        draft.refresh_from_db()
        assert draft.revision == 1

    def test_too_many_fields_are_refused(self, pages: Client, draft: Definition) -> None:
        many = {f"signals.{number}.label": ["x"] for number in range(10_000)}
        post(pages, url(draft), {"revision": "1", **many}, status=400)

    def test_a_definition_too_large_for_the_form_opens_as_yaml(self, pages: Client, draft: Definition) -> None:
        test = {"name": "country", "equals": "DE"}
        match = {"kinds": list(Kind.objects.values_list("name", flat=True)[:20])}
        many = range(200)
        document = draft.document | {
            "fit": {"rules": [{"key": f"r{n}", "label": "x", "test": test, "points": 1} for n in many]},
            "signals": [{"key": f"s{n}", "label": "x", "match": match, "points": 1} for n in many],
        }
        change_draft(definition_id=draft.pk, document=document, by=None, revision=None, now=datetime.now(UTC))
        page = read(pages, url(draft))
        assert "more parts than a form can show" in page
        assert "Saved as revision 2" in post(pages, url(draft), fields_of(page), do="save")


def text_of_import(page: str) -> str:
    found = re.search(r"<textarea[^>]*>\n?(.*?)</textarea>", page, re.DOTALL)
    assert found is not None
    return unescape(found[1])


def post_import(client: Client, text: str) -> Definition:
    post(client, "/definitions/import/", {"yaml": text})
    return Definition.objects.latest("pk")


BUILT = """\
key: our-definition
name: Our definition
description: What we call lead and customer.
stages:
- key: lead
  label: Lead
  owner: marketing
  description: Everybody we know.
  communication: One-to-many.
- key: sales_prospect
  label: Ready
  owner: sales
  description: ''
  communication: ''
  handoff: true
  sla_hours: 4
  enter:
    all:
    - count: {of: a_demo_request}
    - gate: means
    - not: {switch: retail}
- key: customer
  label: Customer
  owner: sales
  description: Bought something.
  communication: Success and referral.
  enter:
    count: {of: purchase}
evidence:
  purchase:
    label: a purchase
    any_of:
    - kinds: [purchased]
  a_demo_request:
    label: a demo request
    any_of:
    - kinds: [demo_requested]
      properties:
        with: {present: true}
signals:
- key: demo
  label: Demo
  match: {kinds: [demo_requested]}
  points: 40
  count: {latest: 3}
  group: all_of_it
groups:
- key: all_of_it
  label: All of it
  cap: 50
fit:
  rules:
  - key: size
    label: Size
    test: {name: company.employees, at_least: 50}
    points: 10
gates:
- key: means
  label: Means
  attribute: means
  closed_when: 'no'
  question: Can they pay?
qualifiers:
- key: need
  label: Need
  test: {name: attributes.need, known: true}
  question: Do they need it?
switches:
  retail: true
approval: [sales]
cool_down:
  lifted_by: a_demo_request
"""

"""The editor of drafts as people use it without scripts: every button posts the whole form."""

import re
from datetime import UTC, datetime
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from contacts.enums import Role
from scoring.definition import dump_yaml, load_yaml, read_document
from scoring.models import Definition
from scoring.services.drafts import change_draft, copy_to_draft
from tests.factories import make_user
from tests.scoring.editing import BUILT, fields_of, post, read, said_at, url

pytestmark = pytest.mark.django_db


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


def text_of_import(page: str) -> str:
    found = re.search(r"<textarea[^>]*>\n?(.*?)</textarea>", page, re.DOTALL)
    assert found is not None
    return unescape(found[1])

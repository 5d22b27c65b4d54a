"""What the editor says to what it does not store: unsound drafts while they are typed, and hostile posts."""

from datetime import UTC, datetime
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role
from contacts.models import Kind
from scoring.models import Definition
from scoring.services.drafts import change_draft, copy_to_draft
from tests.factories import make_user
from tests.scoring.editing import BUILT, fields_of, post, post_import, read, url

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

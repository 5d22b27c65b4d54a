"""The pages on which administrators make and change lead-capture forms."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role
from contacts.models import Form, FormSubmission, Source
from contacts.services.forms import create_form
from tests.factories import SourceFactory, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(make_user(Role.ADMIN))
    return client


@pytest.fixture
def source() -> Source:
    return SourceFactory.create(name="Website")


@pytest.fixture
def form(source: Source) -> Form:
    return create_form(source=source, name="Newsletter", by=make_user(Role.ADMIN))


def posted(form: Form, rows: list[dict[str, Any]] | None = None, **changes: Any) -> dict[str, Any]:
    """What a browser sends when the editor is saved."""
    data: dict[str, Any] = {
        "name": form.name, "title": form.title, "introduction": "", "kind": form.kind, "button": "Send",
        "thanks": "Thank you.", "redirect_url": "", "allowed_origins": "", "purpose": "", "consent_text": "",
        "double_opt_in": "on", "is_open": "on", "do": "save", **changes,
    }  # fmt: skip
    asked = rows if rows is not None else [{**row, "options": "\n".join(row["options"])} for row in form.fields]
    data |= {"form-TOTAL_FORMS": len(asked) + 2, "form-INITIAL_FORMS": len(asked)}
    for number, row in enumerate(asked):
        data |= {f"form-{number}-{name}": value for name, value in row.items() if value is not False}
    return {name: value for name, value in data.items() if value is not None}


def save(admin: Client, form: Form, *args: Any, **changes: Any) -> Any:
    answer = admin.post(f"/forms/{form.pk}/", posted(form, *args, **changes))
    form.refresh_from_db()
    return answer


def test_a_form_is_made_and_leads_to_its_editor(admin: Client, source: Source) -> None:
    answer = admin.post(f"/sources/{source.pk}/forms/", {"name": "Newsletter"}, follow=True)
    text = answer.content.decode()
    form = Form.objects.get(name="Newsletter")
    assert f"/f/{form.token}/" in text
    assert "&lt;form method=&quot;post&quot;" in text
    again = admin.post(f"/sources/{source.pk}/forms/", {"name": "Newsletter"})
    assert (again.status_code, "already exists" in again.content.decode()) == (422, True)


def test_questions_keep_the_order_of_their_places(admin: Client, form: Form) -> None:
    rows = [
        {"label": "Team", "type": "select", "options": "small\nlarge\n\nsmall", "place": "9", "required": "on"},
        {"label": "First name", "name": "first_name", "type": "text", "place": "1"},
        {"label": "Gone", "name": "gone", "type": "text", "remove": "on"},
        {"label": "", "name": "job_title", "type": "text"},
    ]
    assert save(admin, form, rows).status_code == 302
    assert [(row["name"], row["label"], row["required"]) for row in form.fields] == [
        ("first_name", "First name", False),
        ("team", "Team", True),
        ("job_title", "Job title", False),
    ]
    assert form.fields[1]["options"] == ["small", "large"]


def test_another_text_is_another_version_and_a_preview_changes_nothing(admin: Client, form: Form) -> None:
    save(admin, form, purpose="newsletter", consent_text="Yes.")
    assert form.consent_version == 1
    page = save(admin, form, purpose="newsletter", consent_text="Yes, please.", do="preview")
    assert ("Nothing is saved yet" in page.content.decode(), form.consent_text) == (True, "Yes.")
    save(admin, form, purpose="newsletter", consent_text="Yes, please.")
    assert (form.consent_version, form.consent_text) == (2, "Yes, please.")
    save(admin, form, purpose="newsletter", consent_text="Yes, please.", title="Other title")
    assert form.consent_version == 2


@pytest.mark.parametrize(
    ("rows", "changes", "remark"),
    [
        (None, {"title": ""}, "This field is required"),
        (None, {"purpose": "newsletter"}, "Write what people agree to"),
        (None, {"consent_text": "Yes."}, "Choose what the consent is for"),
        (None, {"allowed_origins": "www.acme.example"}, "is no site"),
        (None, {"redirect_url": "javascript:alert(1)"}, "Enter a valid URL"),
        (None, {"kind": "purchased"}, "Select a valid choice"),
        ([{"label": "Money", "name": "means", "type": "text"}], {}, "cannot be asked for"),
        ([{"label": "Team", "type": "select", "options": ""}], {}, "1 to 100 answers"),
        ([{"label": "A", "name": "x", "type": "text"}, {"label": "B", "name": "x", "type": "text"}], {}, "asked twice"),
        ([{"label": "", "name": "9lives", "type": "text"}], {}, "beginning with a letter"),
        ([{"label": "Team", "name": "team", "type": "slider"}], {}, "Select a valid choice"),
    ],
)
def test_what_cannot_be_saved_says_why_where_it_is(
    admin: Client, form: Form, rows: list[dict[str, Any]] | None, changes: dict[str, str], remark: str
) -> None:
    before = Form.objects.values().get()
    answer = save(admin, form, rows, **changes)
    assert answer.status_code == 422
    assert remark in answer.content.decode()
    assert "Nothing was changed yet" in answer.content.decode()
    assert Form.objects.values().get() == before


def test_rows_that_nobody_sent_are_an_error_and_no_crash(admin: Client, form: Form) -> None:
    assert admin.post(f"/forms/{form.pk}/", {"do": "save"}).status_code == 422
    assert admin.post(f"/forms/{form.pk}/", {**posted(form), "form-TOTAL_FORMS": "many"}).status_code == 422
    assert admin.get("/forms/999999/").status_code == 404
    assert admin.get(f"/forms/{10**25}/").status_code == 404


def test_what_is_pasted_elsewhere_works_as_it_is(admin: Client, form: Form) -> None:
    save(admin, form, purpose="newsletter", consent_text="Yes.")
    answer = Client().post(f"/f/{form.token}/", {"email": "ann@acme.example", "first_name": "Ann", "consent": "on"})
    assert answer.status_code == 303
    assert FormSubmission.objects.get().consent_text == "Yes."
    listed = admin.get(f"/sources/{form.source_id}/forms/").content.decode()
    assert "Newsletter" in listed


def test_the_list_costs_the_same_for_one_form_and_for_three(admin: Client, form: Form) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            admin.get(f"/sources/{form.source_id}/forms/")
        return len(captured)

    queries()
    one = queries()
    for name in ("Second", "Third"):
        create_form(source=form.source, name=name, by=make_user(Role.ADMIN))
    assert queries() == one


def test_the_internal_source_has_no_forms(admin: Client) -> None:
    internal = Source.objects.get(kind="internal")
    assert admin.post(f"/sources/{internal.pk}/forms/", {"name": "Mine"}).status_code == 404

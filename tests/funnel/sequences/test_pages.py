"""The pages of sequences, as people use them without scripts."""

import html
import re
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from contacts.enums import Role
from funnel.models import Enrolment, Sequence, SequenceStep
from funnel.services.sequences.drafting import StepPlan, create_sequence, plan_of, steps_of
from tests.funnel.conftest import FITTING
from tests.funnel.sequences.conftest import Garden, mail_step, tool_step


@pytest.fixture
def mira(garden: Garden) -> Client:
    client = Client()
    client.force_login(garden.person(Role.MARKETER, "Mira Marketer"))
    return client


def text_of(response: Any) -> str:
    """What somebody reads: without tags, one space between words."""
    body = re.sub(r"<(script|style|svg)\b.*?</\1>", "", response.content.decode(), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def editor(*steps: dict[str, Any], **said: Any) -> dict[str, Any]:
    """What the editor posts."""
    data = {"name": "Welcome", "stage": "lead", "purpose": "newsletter", "description": "", "do": "save", **said}
    data |= {"form-TOTAL_FORMS": len(steps), "form-INITIAL_FORMS": len(steps)}
    for number, step in enumerate(steps):
        given = {"wait_days": 0, "wait_hours": 0, "channel": "email", **step}
        data |= {f"form-{number}-{name}": value for name, value in given.items()}
    return data


HELLO = {"subject": "Hello", "body": "Good day"}


def test_somebody_writes_a_sequence_previews_it_and_activates_it(garden: Garden, mira: Client) -> None:
    ann = garden.lead(first_name="Ann", **FITTING)
    assert "No sequence yet" in text_of(mira.get("/sequences/"))
    made = mira.post("/sequences/new/", {"name": "Welcome", "stage": "lead", "purpose": "newsletter"})
    sequence = Sequence.objects.get()
    assert made["Location"] == f"/sequences/{sequence.pk}/edit/"
    guide = {"channel": "webhook", "wait_days": 2, "call_to_action": "Download the guide"}
    steps = ({**HELLO, "subject": "Hello {first_name|you}", "in_business_hours": "on"}, guide)

    saved = mira.post(made["Location"], editor(*steps, version=1), follow=True)

    assert "Saved." in text_of(saved)
    assert [step.subject or step.call_to_action for step in steps_of(Sequence.objects.get())] == [
        "Hello {first_name|you}", "Download the guide"
    ]  # fmt: skip
    shown = text_of(mira.get(f"/sequences/{sequence.pk}/preview/?contact=ann@acme.example"))
    assert "Subject Hello Ann" in shown
    assert "2 days later" in shown
    assert "May we write now? yes Newsletter: agreed on" in shown
    dialog = text_of(mira.get(f"/sequences/{sequence.pk}/activate/"))
    assert "Enrol the 1 contact who stands there already, too" in dialog
    done = text_of(mira.post(f"/sequences/{sequence.pk}/activate/", {"backfill": "yes"}, follow=True))
    assert "Those who stand there already are being enrolled" in done
    assert "Pause" in done
    assert not Enrolment.objects.filter(contact=ann).exists(), "in the background"


def test_steps_are_added_moved_and_removed_without_scripts_and_unsaved(garden: Garden, mira: Client) -> None:
    sequence = garden.draft(mail_step(subject="One"), mail_step(subject="Two"))
    url = f"/sequences/{sequence.pk}/edit/"
    one, two = ({**HELLO, "subject": name} for name in ("One", "Two"))

    def subjects(order: str) -> list[str]:
        page = mira.post(url, editor(one, two, version=1, do=order)).content.decode()
        assert "Not saved yet" in page
        return re.findall(r'name="form-\d-subject" value="([^"]*)"', page) + (["+"] * page.count("Step 3</h2>"))

    assert subjects("down-0") == ["Two", "One"]
    assert subjects("up-1") == ["Two", "One"]
    assert subjects("up-0") == ["One", "Two"]
    assert subjects("remove-0") == ["Two"]
    assert subjects("add") == ["One", "Two", "+"]
    assert [step.subject for step in steps_of(sequence)] == ["One", "Two"], "nothing was saved"


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"subject": "", "body": "x"}, "Write it: this mail is sent as it stands."),
        ({"subject": "Hi {firstname}", "body": "x"}, "There is no placeholder {firstname}"),
        ({"subject": "Hi {first_name", "body": "x"}, "A brace has no partner"),
        (
            {**HELLO, "call_to_action": "Send a quote"},
            "Lead does not take “Send a quote”; it takes: Download the guide",
        ),
        ({"channel": "webhook"}, "Say what the tool is to send"),
        ({**HELLO, "wait_days": "400"}, "less than or equal to 365"),
        ({**HELLO, "wait_days": "soon"}, "Enter a whole number"),
        ({**HELLO, "channel": "pigeon"}, "pigeon is not one of the available choices"),
    ],
)
def test_what_is_wrong_with_a_step_is_said_at_the_step(
    garden: Garden, mira: Client, step: dict[str, str], said: str
) -> None:
    sequence = garden.draft()

    page = mira.post(f"/sequences/{sequence.pk}/edit/", editor(HELLO, step, version=1))

    assert page.status_code == 422
    assert said in text_of(page)
    assert Sequence.objects.get().version == 1


def test_two_people_who_edit_at_once_do_not_overwrite_each_other(garden: Garden, mira: Client) -> None:
    sequence = garden.draft()
    assert mira.post(f"/sequences/{sequence.pk}/edit/", editor(HELLO, version=1)).status_code == 302

    late = mira.post(f"/sequences/{sequence.pk}/edit/", editor({**HELLO, "subject": "Other"}, version=1))

    assert "Somebody saved this sequence since you opened it" in text_of(late)
    assert [step.subject for step in steps_of(Sequence.objects.get())] == ["Hello"]


def test_the_report_says_what_became_of_each_step_and_why(garden: Garden, mira: Client) -> None:
    sequence = garden.active(mail_step(subject="First"), tool_step(1), mail_step(1, subject="Last"))
    ann, bob, eve = garden.lead(), garden.lead("bob@acme.example"), garden.lead("eve@acme.example", **FITTING)
    cy = garden.happens("cy@acme.example", "form_submitted", at=garden.later(minutes=1))
    garden.settle()
    garden.sweep()
    garden.happens("bob@acme.example", "unsubscribed", at=garden.later(hours=1))
    garden.happens("eve@acme.example", "social_question", at=garden.later(hours=1))
    garden.settle()
    garden.later(days=2)
    garden.sweep()

    page = text_of(mira.get(f"/sequences/{sequence.pk}/"))

    assert "4 enrolled 2 under way 0 completed (0 %) 2 stopped 1 moved on (25 %)" in page
    assert "1. First At once 1 waiting: no consent 1 3 0 0" in page
    assert "2. Download the guide 1 day later 1 stopped: left the stage 1 stopped: unsubscribed 0 1 0 2" in page
    assert "3 of the others were enrolled less than 30 days ago and may yet" in page
    assert "Left the stage 1 Unsubscribed 1" in page
    only = text_of(mira.get(f"/sequences/{sequence.pk}/?state=stopped"))
    assert ("bob@acme.example stopped unsubscribed" in only, ann.email in only) == (True, False)
    assert {garden.way(one).state for one in (bob, eve)} == {"stopped"}
    assert "sequence" in text_of(mira.get(f"/contacts/{cy.pk}/journey/")).lower()


def test_a_contacts_journey_shows_its_sequences_and_lets_it_in_and_out(garden: Garden, mira: Client) -> None:
    sequence = garden.active(mail_step(1))
    ann = garden.lead()
    url = f"/contacts/{ann.pk}/journey/"
    assert "Welcome 0 sent, step 1" in text_of(mira.get(url))
    stopped = mira.post(f"/sequences/enrolments/{garden.way(ann).pk}/stop/", {"next": url}, follow=True)
    assert "ann@acme.example gets nothing more of Welcome." in text_of(stopped)
    assert "Stopped by a person; 0 sent" in text_of(stopped)
    assert "Enrol in Welcome" in text_of(stopped)
    again = mira.post(f"/contacts/{ann.pk}/enrol/", {"sequence": sequence.pk, "next": url}, follow=True)
    assert "Enrolled in Welcome." in text_of(again)
    rep = Client()
    rep.force_login(garden.person())
    assert "Enrol in" not in text_of(rep.get(url))


def test_somebody_is_enrolled_by_address_on_the_sequences_page(garden: Garden, mira: Client) -> None:
    ann = garden.lead()
    garden.later(minutes=5)
    sequence = garden.active(mail_step(1))
    url = f"/sequences/{sequence.pk}/"
    assert "Nobody has this address" in text_of(mira.post(url, {"contact": "nobody@acme.example"}))
    assert "ann@acme.example is enrolled." in text_of(mira.post(url, {"contact": "ANN@acme.example"}, follow=True))
    refused = mira.post(url, {"contact": str(ann.pk)})
    assert (refused.status_code, "is in Welcome already" in text_of(refused)) == (422, True)


def test_a_draft_can_be_deleted_and_what_somebody_went_through_cannot(garden: Garden, mira: Client) -> None:
    draft = garden.draft(name="Draft")
    assert "cannot be undone" in text_of(mira.get(f"/sequences/{draft.pk}/delete/"))
    mira.post(f"/sequences/{draft.pk}/delete/")
    assert not Sequence.objects.exists()
    used = garden.active(mail_step(1))
    garden.lead()
    mira.post(f"/sequences/{used.pk}/pause/")
    page = text_of(mira.post(f"/sequences/{used.pk}/delete/", follow=True))
    assert "it stays, for what they were sent" in page
    assert Sequence.objects.get() == used


def test_the_stage_of_a_sequence_that_was_active_stays(garden: Garden, mira: Client) -> None:
    sequence = garden.active()
    page = mira.post(f"/sequences/{sequence.pk}/edit/", editor(HELLO, version=1, stage="marketing_prospect"))
    assert (page.status_code, Sequence.objects.get().stage) == (422, "lead")


@pytest.mark.parametrize("path", ["/sequences/999/", f"/sequences/{10**30}/", "/sequences/1/preview/?contact=x"])
def test_what_is_not_there_is_not_found(garden: Garden, mira: Client, path: str) -> None:
    assert mira.get(path).status_code == 404


def test_texts_are_escaped_and_placeholders_filled_with_plain_words(garden: Garden, mira: Client) -> None:
    sequence = garden.draft(mail_step(subject="Hi {first_name}", body="<b>{company|friends}</b>"))
    garden.lead(first_name="<i>{last_name}\nBcc: x", last_name="Leak")
    page = mira.get(f"/sequences/{sequence.pk}/preview/?contact=ann@acme.example").content.decode()
    assert "Hi &lt;i&gt;{last_name} Bcc: x" in page
    assert "&lt;b&gt;friends&lt;/b&gt;" in page
    assert "Leak" not in page.split("letter-head", 1)[1].split("letter-foot", 1)[0]


@pytest.mark.parametrize("path", ["/sequences/", "/sequences/{}/", "/sequences/{}/preview/", "/sequences/{}/edit/"])
def test_a_page_costs_as_many_queries_for_three_as_for_one(
    garden: Garden, mira: Client, path: str, django_assert_num_queries: Any, django_assert_max_num_queries: Any
) -> None:
    sequence = garden.active(mail_step(), mail_step(3))
    url = path.format(sequence.pk)
    garden.lead()
    garden.sweep()
    mira.get(url)
    with django_assert_max_num_queries(40) as one:
        assert mira.get(url).status_code == 200
    for number in range(2):
        garden.lead(f"more{number}@acme.example")
        plan = plan_of(sequence, steps_of(sequence))
        more = [*plan.steps, StepPlan(channel="email", subject="More", body="x")]
        create_sequence(plan=type(plan)(f"Other {number}", "lead", "newsletter", "", tuple(more)), by=None,
                        now=garden.now)  # fmt: skip
        SequenceStep.objects.create(
            sequence=sequence, version=1, position=3 + number, channel="email", subject="x", body="x"
        )
    garden.sweep()
    with django_assert_num_queries(len(one)):
        assert mira.get(url).status_code == 200


def test_verify_holds_while_contacts_are_under_way(garden: Garden) -> None:
    garden.active()
    garden.lead()
    garden.sweep()
    call_command("verify")

"""explain, rebuild and definition on the shell."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from contacts.models import Contact, Standing
from scoring.definition import load_yaml
from scoring.models import Definition, Transition
from scoring.selectors import find_definition, published_definition
from scoring.services.evaluate import drain_due
from tests.factories import make_event, record

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
FITTING = {"job_title": "Head of Operations", "company": {"domain": "a.test", "industry": "software", "employees": 200}}


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def contact() -> Contact:
    """Subscribed to the newsletter 40 days ago, asked for a demo yesterday."""
    ann = {"email": "ann@a.test"}
    for days, kind in ((40, "newsletter_subscribed"), (1, "demo_requested")):
        event = make_event(kind, contact=ann, traits=FITTING, occurred_at=(NOW - timedelta(days=days)).isoformat())
        record(event, received_at=NOW)
    drain_due(now=NOW)
    return Contact.objects.get()


def test_explain_tells_the_why_in_words(contact: Contact) -> None:
    told = run("explain", "ANN@a.test", "--at", NOW.isoformat())
    lines = told.splitlines()
    assert lines[0] == f"ann@a.test (contact {contact.pk}), at 2026-11-20 12:00:00Z under default@1"
    assert lines[1].startswith("Sales prospect since 19 Nov: asked for a demo on 19 Nov")
    assert "Engagement 43.055" in lines
    (demo,) = [line for line in lines if "[demo_requested, event" in line]
    assert demo.split()[-4:] == ["40", "x", "0.9772", "+39.086"]
    assert "Fit 30 (threshold 20)" in lines
    assert "Sales prospect  <- stands here" in lines
    assert "  ✓ enter: all of these" in lines
    assert any(line.startswith("  ✗ enter: a purchase") for line in lines)
    assert "To ask: Do they have the means to buy?" in lines
    assert lines[-1] == "If nothing happens: Lead at 2027-01-18 12:00:00Z"


def test_explain_takes_an_id_a_moment_and_a_definition(contact: Contact) -> None:
    then = json.loads(run("explain", str(contact.pk), "--at", "2026-10-12", "--json"))
    assert (then["stage"]["key"], then["at"]) == ("lead", "2026-10-12T00:00:00+00:00")
    under = json.loads(run("explain", str(contact.pk), "--definition", "default@1", "--json"))
    assert under["definition"] == "default@1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nobody@a.test"], "There is no contact 'nobody@a.test'."),
        (["999999999"], "There is no contact '999999999'."),
        (["ann@a.test", "--definition", "mine"], "There is no definition 'mine'."),
        (["ann@a.test", "--definition", "default@7"], "There is no definition 'default@7'."),
        (["ann@a.test", "--definition", "default@x"], "There is no definition 'default@x'."),
        (["ann@a.test", "--at", "soon"], "Error: argument --at: 'soon' is no ISO 8601 time"),
    ],
)
def test_explain_fails_with_one_line(contact: Contact, arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError) as failed:
        run("explain", *arguments)
    assert str(failed.value) == message


def test_rebuild_puts_derived_rows_right_and_leaves_right_ones_alone(contact: Contact) -> None:
    other = record(make_event("form_submitted", occurred_at=NOW.isoformat()), received_at=NOW).contact_ids[0]
    drain_due(now=NOW)
    truth = {row.pk: row for row in Standing.objects.all()}
    chain = list(Transition.objects.order_by("pk").values())
    Standing.objects.update(stage="customer", engagement_mp=1)
    assert run("rebuild", "--contact", "ann@a.test") == "1 contacts rebuilt\n"
    assert Standing.objects.get(pk=contact.pk).stage == "sales_prospect"
    assert Standing.objects.get(pk=other).stage == "customer"
    assert run("rebuild") == "2 contacts rebuilt\n"
    for row in Standing.objects.all():
        assert (row.stage, row.stage_since) == (truth[row.pk].stage, truth[row.pk].stage_since)
    assert list(Transition.objects.order_by("pk").values()) == chain
    with pytest.raises(CommandError, match="There is no contact 'x'"):
        run("rebuild", "--contact", "x")


def test_definition_lists_shows_and_exports(tmp_path: Path) -> None:
    row, document = published_definition()
    Definition.objects.create(key="default", version=2, name="A draft", document=row.document)
    listed = run("definition", "list").splitlines()
    assert [line for line in listed if "default" in line] == [
        "* default@1  published  Ripen default",
        "  default@2  draft  A draft",
    ]
    assert len(listed) == 7
    shown = run("definition", "show", "default")
    assert shown.startswith("default@1 (published): Ripen default\n")
    assert "Sales prospect (sales_prospect; sales, handed to Sales)" in shown
    assert load_yaml(run("definition", "export", "default")) == document
    run("definition", "export", "default@2", "--output", str(tmp_path / "d.yaml"))
    assert load_yaml((tmp_path / "d.yaml").read_text()) == document
    with pytest.raises(CommandError, match="There is no definition 'other'"):
        run("definition", "show", "other")
    with pytest.raises(CommandError):
        run("definition", "export", "default", "--output", str(tmp_path / "missing" / "d.yaml"))


def test_a_key_alone_means_its_latest_version_that_is_no_draft() -> None:
    row = find_definition("default")
    newer = Definition.objects.create(key="default", version=2, name="x", state="published", document=row.document)
    Definition.objects.create(key="default", version=3, name="x", document=row.document)
    Definition.objects.create(key="own", version=1, name="x", document={**row.document, "key": "own"})
    assert find_definition("default") == newer
    assert find_definition("default@1") == row
    assert find_definition("own").key == "own"

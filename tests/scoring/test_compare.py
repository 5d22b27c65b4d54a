"""Two definitions side by side: the same contacts, each definition as if it had always been in force."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from contacts.enums import WorkState
from contacts.models import Contact
from scoring.definition import STAGE_KEYS
from scoring.enums import RunKind
from scoring.models import Definition
from scoring.selectors import definition_document
from scoring.selectors.runs import cell_contacts
from scoring.services.cells import Matrix
from scoring.services.compare import Comparison, compare
from scoring.services.explain import explain_contact
from scoring.services.runs import start_run
from scoring.services.work import work_off_runs
from tests.scoring.facts import FITTING, incoming, record

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
KINDS = [
    "list_imported", "email_sent", "newsletter_subscribed", "form_submitted", "social_liked", "email_clicked",
    "social_question", "trade_show_conversation", "demo_requested", "purchased",
]  # fmt: skip
SCHOOLS = ("demand-gen", "reaction", "prospective-leads", "bona-fide", "scored-vetted", "default")


def populate() -> None:
    """Contacts with one or two events each; nobody was judged, for a comparison replays by itself."""
    for number in range(24):
        email = f"p{number}@x{number}.example"
        traits = FITTING if number % 4 else {"job_title": "Student"}
        at = NOW - (5 + 6 * (number % 7)) * DAY
        record(incoming(KINDS[number % len(KINDS)], at, email=email, traits=traits))
        if number % 3 == 0:
            record(incoming(KINDS[(number * 7 + 3) % len(KINDS)], at - 40 * DAY, email=email))


def version(key: str) -> Definition:
    return Definition.objects.get(key=key, version=1)


@pytest.mark.django_db
@pytest.mark.parametrize("pair", [("default", "reaction"), ("bona-fide", "demand-gen"), ("scored-vetted", "default")])
def test_each_contact_stands_where_its_why_under_each_definition_says(pair: tuple[str, str]) -> None:
    populate()
    rows = [version(key) for key in pair]
    kept: Counter[tuple[int, str, str]] = Counter()
    found = compare(
        definition_document(rows[0]),
        definition_document(rows[1]),
        now=NOW,
        chunk=5,
        keep=lambda cells: kept.update((pk, one, other) for one, other, ids in cells for pk in ids.tolist()),
    )
    expected = Counter(
        (pk, *(explain_contact(contact_id=pk, at=NOW, definition=row)["stage"]["key"] for row in rows))
        for pk in Contact.objects.values_list("pk", flat=True)
    )
    assert kept == expected
    assert found.contacts == 24
    assert found.agree == sum(one == other for _, one, other in expected) < 24
    assert found.cells.contacts == Counter((one, other) for _, one, other in expected)


@pytest.mark.django_db
@pytest.mark.parametrize("key", SCHOOLS)
def test_a_definition_agrees_with_itself(key: str) -> None:
    populate()
    document = definition_document(version(key))
    found = compare(document, document, now=NOW)
    assert (found.agree, found.agreement, found.kappa) == (24, 1.0, 1.0)


def test_kappa_of_a_worked_example() -> None:
    # Cohen's measure by hand: 50 proposals, 20 and 15 agreed, 35 / 50 = 0.7 against 0.5 by chance.
    found = Comparison(NOW, "a", "b", [], [], contacts=50, agree=35)
    found.cells.contacts.update(
        {("lead", "lead"): 20, ("lead", "customer"): 5, ("customer", "lead"): 10, ("customer", "customer"): 15}
    )
    assert found.kappa == pytest.approx(0.4)
    assert found.agreement == 0.7


def test_kappa_is_not_defined_where_chance_alone_would_agree() -> None:
    assert Comparison(NOW, "a", "b", [], []).kappa is None
    found = Comparison(NOW, "a", "b", [], [], contacts=3, agree=3)
    found.cells.contacts["lead", "lead"] = 3
    assert found.kappa is None
    assert found.as_json()["kappa"] is None


CELLS = st.dictionaries(
    st.tuples(st.sampled_from(STAGE_KEYS), st.sampled_from(STAGE_KEYS)), st.integers(1, 10**7), min_size=1
)


@given(CELLS)
def test_kappa_is_the_same_the_other_way_round_and_never_above_agreement(cells: dict[tuple[str, str], int]) -> None:
    def comparison(numbers: dict[tuple[str, str], int]) -> Comparison:
        agree = sum(number for (one, other), number in numbers.items() if one == other)
        return Comparison(
            NOW, "a", "b", [], [], contacts=sum(numbers.values()), agree=agree, cells=Matrix(Counter(numbers))
        )

    found = comparison(cells)
    turned = comparison({(other, one): number for (one, other), number in cells.items()})
    assert found.kappa == turned.kappa
    if found.kappa is not None:
        assert -1 <= found.kappa <= found.agreement <= 1


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_worker_compares_and_keeps_who_disagrees() -> None:
    populate()
    first, second = version("default"), version("reaction")
    run = start_run(kind=RunKind.COMPARE, definition=first, other=second, by=None)
    assert work_off_runs() == 1
    run.refresh_from_db()
    assert run.state == WorkState.FINISHED, run.error
    result = run.result
    assert result is not None
    assert (result["first"], result["second"], result["contacts"]) == ("default@1", "reaction@1", 24)
    assert [stage["label"] for stage in result["stages"]["to"]] == ["Lead", "Prospect", "Customer"]
    for cell in result["matrix"]:
        members = cell_contacts(run.pk, origin=cell["from"], target=cell["to"])
        assert len(members) == cell["contacts"]
        for pk in members[:2]:
            seen = [
                explain_contact(contact_id=pk, at=datetime.fromisoformat(result["at"]), definition=row)["stage"]["key"]
                for row in (first, second)
            ]
            assert seen == [cell["from"], cell["to"]]


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_comparison_with_nothing_fails_in_words() -> None:
    run = start_run(kind=RunKind.COMPARE, definition=version("default"), by=None)
    assert work_off_runs() == 1
    run.refresh_from_db()
    assert (run.state, run.error) == (WorkState.FAILED, "A comparison needs a second definition.")


@pytest.mark.django_db
def test_from_the_shell() -> None:
    def run(*arguments: str) -> str:
        out = StringIO()
        call_command("definition", "compare", *arguments, stdout=out)
        return out.getvalue().strip()

    populate()
    with time_machine.travel(NOW, tick=False):
        told = json.loads(run("default", "bona-fide@1", "--json"))
        assert (told["first"], told["second"], told["contacts"]) == ("default@1", "bona-fide@1", 24)
        assert all(cell["examples"] for cell in told["matrix"])
        text = run("default", "bona-fide")
        assert text.startswith(f"default@1 and bona-fide@1 agree on {told['agree']} of 24 contacts")
        assert "Cohen's kappa" in text
    with pytest.raises(CommandError, match="There is no definition 'nobody'"):
        run("default", "nobody")

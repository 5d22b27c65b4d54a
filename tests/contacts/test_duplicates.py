"""The duplicate finder on an invented set of people: how much of what it suggests is right, and how much it misses."""

import random
from dataclasses import dataclass, field

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from contacts.enums import JobKind, MergeDecision, SuggestedBy, WorkState
from contacts.models import Company, Contact, Job, MergeSuggestion
from contacts.services import duplicates
from contacts.services.duplicate_orders import order_search
from contacts.services.duplicates import find_duplicates
from contacts.services.jobs import work_off_jobs
from contacts.services.work import Unwatched
from tests.factories import CompanyFactory, make_user

pytestmark = pytest.mark.django_db

FIRST = [
    *("Ann", "Robert", "William", "Elizabeth", "Katherine", "Michael", "Jonathan", "Alexander", "Thomas", "Margaret"),
    *("Björn", "Zoë", "Mehmet", "Priya", "Chidi", "Ingrid", "Marek", "Sofia", "Hiroshi", "Fatima", "Declan", "Aroha"),
    *("Lucía", "Noor", "Viktor", "Amélie", "Kwame", "Yusuf", "Tereza", "Giulia"),
]
LAST = [
    *("Smith", "Müller", "Okafor", "Lindqvist", "Nakamura", "Fernández", "Kowalski", "Rossi", "Haddad", "Novak"),
    *("Petersen", "Dubois", "Ivanova", "Tanaka", "Osei", "Byrne", "Jansen", "Schneider", "Almeida", "Horvath"),
    *("Sorensen", "Papadopoulos", "Marchetti", "Vandenberg", "Whitfield", "Castellanos", "Bergström", "Oyelaran"),
]
SHORT = {
    "Robert": "Bob",
    "William": "Bill",
    "Elizabeth": "Liz",
    "Katherine": "Kate",
    "Michael": "Mike",
    "Thomas": "Tom",
}
PLAIN = str.maketrans("äöüéíèëñ", "aoueieen")


@dataclass
class Crowd:
    """Invented people; ``same`` are the pairs of contacts that are one person."""

    chance: random.Random
    companies: list[Company]
    same: set[tuple[int, int]] = field(default_factory=set)

    def add(self, first: str, last: str, email: str, **fields: object) -> Contact:
        return Contact.objects.create(first_name=first, last_name=last, email=email, **fields)

    def twice(self, one: Contact, **changes: object) -> Contact:
        """The same person once more, with these differences."""
        told = {name: getattr(one, name) for name in ("first_name", "last_name", "phone", "company", "job_title")}
        other = Contact.objects.create(**{**told, **changes})
        self.same.add((one.pk, other.pk))
        return other


def slip(chance: random.Random, word: str) -> str:
    """A word with two letters exchanged, or one left out, somewhere within."""
    at = chance.randrange(1, len(word) - 2)
    if word[at] != word[at + 1] and chance.random() < 0.5:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return word[:at] + word[at + 1 :]


def repeat(made: Crowd, one: Contact, number: int, local: str) -> None:
    """Some come in a second time, each in one of the ways in which that happens."""
    chance, company, first, last = made.chance, one.company, one.first_name, one.last_name
    assert company is not None
    if number < 40:
        made.twice(one, email=f"{slip(chance, local)}@{company.domain}")
    elif number < 80:
        made.twice(one, email=f"{local.replace('.', '')[:9]}{number}@gmail.com", company=None)
    elif number < 110:
        made.twice(one, email=f"{local}@gmail.com", company=None, phone="", job_title="")
    elif number < 140:
        made.twice(one, email=f"{first[0]}{last}@{company.domain}".lower(), first_name=first[0] + ".", phone="")
    elif number < 160:
        made.twice(one, email=f"{local}+news@{company.domain}", first_name="", last_name="", company=None, phone="")
    elif number < 190:
        made.twice(one, email="", last_name=slip(chance, last) if len(last) > 4 else last)
    elif number < 210:
        made.twice(one, email="", first_name=last, last_name=first, phone="")
    elif number < 240:
        short = SHORT.get(first, first)
        made.twice(one, email=f"{short}.{last}@{company.domain}".lower(), first_name=short)


def surround(made: Crowd, one: Contact, number: int) -> None:
    """Some have relatives, colleagues or namesakes."""
    chance, company, first, last = made.chance, one.company, one.first_name, one.last_name
    assert company is not None
    if 240 <= number < 300:
        # Relatives and colleagues: the same surname at the same company with the same phone.
        kin = chance.choice([name for name in FIRST if name not in (first, SHORT.get(first))])
        made.add(kin, last, f"{kin}.{last}@{company.domain}".lower(), company=company, phone=one.phone)
    elif number < 360:
        # Namesakes elsewhere.
        there = chance.choice([firm for firm in made.companies if firm != company])
        made.add(first, last, f"{first[0]}{last}{number}@{there.domain}".lower(), company=there)


def crowd(seed: int) -> Crowd:
    """840 distinct people, a good part of them near each other, and 240 second contacts of some of them."""
    chance = random.Random(seed)
    made = Crowd(chance, [CompanyFactory.create(domain=f"firm{number}.example") for number in range(120)])
    names = [(first, last) for first in FIRST for last in LAST]
    chance.shuffle(names)
    for number, (first, last) in enumerate(names):
        company = chance.choice(made.companies)
        local = f"{first}.{last}".lower().translate(PLAIN).replace("ø", "o")
        one = made.add(
            first,
            last,
            f"{local}@{company.domain}",
            company=company,
            # A company's switchboard is everybody's number there.
            phone=f"+49 30 55{company.pk % 1000:05d}" if number % 5 == 0 else f"+49 171 {chance.randrange(10**7):07d}",
            job_title=chance.choice(["Buyer", "Head of IT", "Engineer", "CEO", "Analyst"]),
        )
        repeat(made, one, number, local)
        surround(made, one, number)
    for first, other, last in (("Jan", "Jana", "Meyer"), ("Andrea", "Andreas", "Koch"), ("Daniel", "Daniela", "Wolf")):
        firm = made.companies[0]
        for name in (first, other):
            made.add(name, last, f"{name}.{last}@{firm.domain}".lower(), company=firm, phone="+49 30 5550000")
    for number in range(30):
        made.add("", "", f"visitor{number}@gmail.com")
        made.add("", "", f"info@firm{number}.example", company=made.companies[number])
    return made


def search() -> dict[str, object]:
    job = Job.objects.create(kind=JobKind.FIND_DUPLICATES)
    return dict(find_duplicates(job, Unwatched()))


def suggested() -> set[tuple[int, int]]:
    return set(MergeSuggestion.objects.filter(decision=MergeDecision.OPEN).values_list("contact_id", "other_id"))


@pytest.mark.parametrize("seed", [1, 2])
def test_precision_and_recall_on_an_invented_crowd(seed: int) -> None:
    made = crowd(seed)

    search()

    found = suggested()
    right = found & made.same
    precision, recall = len(right) / len(found), len(right) / len(made.same)
    measured = f"{len(found)} suggested, precision {precision:.3f}, recall {recall:.3f}"
    assert precision >= 0.95, measured
    assert recall >= 0.9, measured


def two(**changes: object) -> tuple[Contact, Contact]:
    """Two contacts that are surely one person."""
    told: dict[str, object] = {"first_name": "Ann", "last_name": "Smith", "phone": "+49 30 1234567"}
    one = Contact.objects.create(email="ann.smith@acme.example", **told)
    return one, Contact.objects.create(**{**told, "email": "ann.smith@other.example", **changes})


def test_a_suggestion_says_how_sure_it_is_and_why() -> None:
    one, other = two()

    assert search() == {"compared": 1, "suggested": 1, "capped": False, "withdrawn": 0}

    suggestion = MergeSuggestion.objects.get()
    assert (suggestion.contact, suggestion.other, suggestion.suggested_by) == (one, other, SuggestedBy.FINDER)
    assert suggestion.score == 100
    assert suggestion.evidence == [
        {"text": "Same name", "points": 40},
        {"text": "Same phone number", "points": 35},
        {"text": "Same name before the @", "points": 25},
    ]


def test_different_people_are_never_suggested_again() -> None:
    one, other = two()
    search()
    MergeSuggestion.objects.update(decision=MergeDecision.DISMISSED, decided_at=timezone.now())

    assert search()["suggested"] == 0

    assert suggested() == set()
    Contact.objects.filter(pk=one.pk).update(job_title="CEO")
    Contact.objects.filter(pk=other.pk).update(job_title="CEO")
    search()
    assert suggested() == set()


def test_searching_again_changes_nothing_and_takes_back_what_no_longer_holds() -> None:
    _, other = two()
    search()
    before = list(MergeSuggestion.objects.values())

    search()
    assert list(MergeSuggestion.objects.values()) == before

    Contact.objects.filter(pk=other.pk).update(first_name="Carl", last_name="Jones", phone="")
    assert search()["withdrawn"] == 1
    assert suggested() == set()


def test_what_a_message_said_stays_as_it_was_said() -> None:
    one, other = two()
    MergeSuggestion.objects.create(contact=one, other=other, reason="A message named both")

    search()

    suggestion = MergeSuggestion.objects.get()
    assert (suggestion.suggested_by, suggestion.score, suggestion.reason) == (
        SuggestedBy.MESSAGE,
        None,
        "A message named both",
    )


def test_who_is_gone_is_not_compared() -> None:
    one, _ = two(erased_at=timezone.now())
    third = Contact.objects.create(first_name="Ann", last_name="Smith", phone="0301234567", merged_into=one)

    search()

    assert suggested() == set()
    assert third.merged_into == one


def test_only_the_likeliest_are_suggested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "MOST_SUGGESTIONS", 1)
    surest = two()
    for number in range(2):
        for domain in ("acme.example", "gmail.com"):
            Contact.objects.create(first_name=f"Bo{number}", last_name="Lund", email=f"bo{number}.lund@{domain}")

    assert search()["capped"] is True

    assert suggested() == {(surest[0].pk, surest[1].pk)}


def test_the_number_of_statements_does_not_grow_with_the_pairs() -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            search()
        return len(queries)

    two()
    one = statements()
    for number in range(3):
        two(first_name=f"Ann{number}")
    assert statements() == one


def test_the_search_is_ordered_once_and_done_by_the_worker() -> None:
    two()
    person = make_user()

    job = order_search(by=person)
    assert order_search(by=person) == job
    work_off_jobs()

    job.refresh_from_db()
    assert (job.state, job.done, job.total, job.unit) == (WorkState.FINISHED, 1, 1, "pairs")
    assert len(suggested()) == 1

"""Companies: found by name and domain, shown with their people, and what is said of them counts for all of these."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role
from contacts.ingest.free_mail import is_free_mail
from contacts.ingest.identifiers import company_domain, normalise_domain
from contacts.models import Company, CompanyChange, Contact, Standing
from contacts.selectors.companies import browse_companies, people_of, stages_of
from scoring.services.evaluate import drain_due
from tests.factories import CompanyFactory, make_contact, make_event, make_user, record

pytestmark = pytest.mark.django_db


@pytest.fixture
def editor() -> User:
    return make_user(Role.MARKETER, first_name="Mira", last_name="Marketer")


@pytest.fixture
def client(editor: User) -> Client:
    client = Client()
    client.force_login(editor)
    return client


def judge() -> None:
    while drain_due(now=datetime.now(UTC) + timedelta(seconds=1)):
        pass


def staff(number: int, **company: Any) -> Company:
    """A company with so many people, judged."""
    for place in range(number):
        email = f"person{place}@{company['domain']}"
        make_contact({"kind": "form_submitted"}, email=email, job_title="Head of Sales", company=company)
    judge()
    return Company.objects.get(domain=company["domain"])


def fit_of(company: Company) -> set[float]:
    return {row.fit for row in Standing.objects.filter(contact__company=company)}


def test_what_is_said_on_the_page_counts_for_everybody_who_is_with_the_company(client: Client, editor: User) -> None:
    acme = staff(3, name="Acme", domain="acme.test", industry="software", employees=200)
    assert fit_of(acme) == {30.0}
    said = {"company-name": "Acme", "company-domain": "acme.test", "company-industry": "software",
            "company-employees": "9000", "company-country": ""}  # fmt: skip

    answer = client.post(f"/companies/{acme.pk}/", said)
    judge()

    assert answer.status_code == 302
    assert fit_of(acme) == {20.0}, "9,000 people are not the size that the target profile asks for"
    change = CompanyChange.objects.get(company=acme, value=9000)
    assert (change.name, change.by) == ("employees", editor)
    assert CompanyChange.objects.filter(company=acme, by=editor).count() == 1, "what was not changed is not said again"
    page = client.get(f"/companies/{acme.pk}/").content.decode()
    assert "Employees: 9,000" in page
    assert "Mira Marketer" in page


def test_another_companys_domain_and_nonsense_are_refused_on_the_form(client: Client) -> None:
    acme = staff(1, name="Acme", domain="acme.test")
    staff(1, name="Globex", domain="globex.test")

    taken = client.post(f"/companies/{acme.pk}/", {"company-name": "Acme", "company-domain": "globex.test"})
    free = client.post(f"/companies/{acme.pk}/", {"company-name": "Acme", "company-domain": "gmail.com"})
    nameless = client.post(f"/companies/{acme.pk}/", {"company-name": "", "company-domain": "acme.test"})

    assert [answer.status_code for answer in (taken, free, nameless)] == [422, 422, 422]
    assert "Another company has this domain." in taken.content.decode()
    assert "This is not the domain of a company." in free.content.decode()
    assert "It cannot be taken away, only changed." in nameless.content.decode()
    acme.refresh_from_db()
    assert (acme.name, acme.domain) == ("Acme", "acme.test")


def test_a_rep_looks_and_does_not_write(client: Client) -> None:
    acme = staff(1, name="Acme", domain="acme.test")
    rep = Client()
    rep.force_login(make_user(Role.REP))

    assert "company-employees" not in rep.get(f"/companies/{acme.pk}/").content.decode()
    assert rep.post(f"/companies/{acme.pk}/", {"company-name": "Evil"}).status_code == 403


def test_the_page_shows_people_by_stage_and_what_they_did(client: Client) -> None:
    acme = staff(2, name="Acme", domain="acme.test")
    record(make_event("demo_requested", contact={"email": "person0@acme.test"}))
    record(make_event("page_viewed", contact={"email": "stranger@elsewhere.test"}))
    judge()

    page = client.get(f"/companies/{acme.pk}/")

    assert stages_of([acme.pk]) == {acme.pk: {"lead": 1, "marketing_prospect": 1}}
    assert page.context["events"][0].title == "Asked for a demo"
    assert {event.name for event in page.context["events"]} == {"person0@acme.test", "person1@acme.test"}
    only = client.get(f"/companies/{acme.pk}/?stage=lead")
    assert {row.stage for row in only.context["people"]} <= {"lead"}


def test_the_list_finds_counts_and_pages(client: Client) -> None:
    staff(2, name="Zeta Works", domain="zeta.test")
    for number in range(55):
        CompanyFactory.create(name=f"Company {number:02}", normalised_name=f"company {number:02}")
    nameless = Company.objects.create(domain="aaa.test")

    first = browse_companies()
    second = browse_companies(after=first.next)

    assert first.rows[0].company == nameless, "without a name it stands under its domain"
    labels = [row.company.label for row in (*first.rows, *second.rows)]
    assert labels == sorted(labels)
    assert (len(first.rows), len(second.rows), second.next) == (50, 7, "")
    assert [row.people for row in browse_companies(text="works ZETA").rows] == [2]
    assert [row.company.domain for row in browse_companies(text="zeta.te").rows] == ["zeta.test"]
    assert len(browse_companies(after="nonsense").rows) == 50
    assert "Zeta Works" in client.get("/companies/?q=zeta").content.decode()
    assert "No company matches" in client.get("/companies/?q=%00nobody").content.decode()


def test_people_of_a_company_are_paged_by_score() -> None:
    acme = staff(5, name="Acme", domain="acme.test")
    record(make_event("call_connected", contact={"email": "person3@acme.test"}, properties={"with": "Rhea"}))
    judge()

    first = people_of(acme.pk, limit=3)
    second = people_of(acme.pk, after=first.next, limit=3)

    assert first.rows[0].contact.email == "person3@acme.test"
    ids = [row.contact_id for row in (*first.rows, *second.rows)]
    assert sorted(ids) == sorted(Contact.objects.filter(company=acme).values_list("pk", flat=True))
    assert second.next == ""


def test_the_pages_cost_the_same_whatever_they_show(client: Client) -> None:
    def queries(path: str) -> int:
        with CaptureQueriesContext(connection) as spent:
            assert client.get(path).status_code == 200
        return len(spent)

    acme = staff(1, name="Acme", domain="acme.test")
    # The first page of a session also writes down where it is.
    queries("/companies/")
    first = queries("/companies/"), queries(f"/companies/{acme.pk}/")
    staff(3, name="Acme", domain="acme.test")
    staff(1, name="Globex", domain="globex.test")
    staff(1, name="Initech", domain="initech.test")

    assert (queries("/companies/"), queries(f"/companies/{acme.pk}/")) == first


@pytest.mark.parametrize(
    "domain",
    ["gmail.com", "yahoo.co.jp", "hotmail.com.br", "outlook.de", "gmx.at", "seznam.cz", "naver.com", "mailinator.com",
     "privaterelay.appleid.com", "t-online.de", "uol.com.br", "bigpond.com", "yandex.kz", "live.com.mx"],
)  # fmt: skip
def test_mail_that_anybody_can_have_names_no_employer(domain: str) -> None:
    assert is_free_mail(domain)
    assert company_domain(f"ann@{domain}") == ""
    assert normalise_domain(domain) == ""


@pytest.mark.parametrize(
    "domain", ["acme.com", "yahoo-inc.com", "outlook.example.com", "gmail.acme.com", "hotmail.xyz", "notgmail.com"]
)
def test_a_companys_own_domain_is_its_own(domain: str) -> None:
    assert company_domain(f"ann@{domain}") == domain


def test_a_department_is_not_taken_for_the_whole() -> None:
    """Where one organisation ends and another begins is not written in a name: shops.example, gov.uk, co.jp."""
    one, other = make_contact(email="ann@mail.acme.test"), make_contact(email="bob@acme.test")

    assert {one.company, other.company} == {
        Company.objects.get(domain="mail.acme.test"),
        Company.objects.get(domain="acme.test"),
    }

"""How long a search for duplicates takes, by rule: so many people, a tenth of them in the list a second time.

Contacts are written straight into their table (the finder reads no other), with the demo's names, so that many share a
first name, a surname or both. The second ones have a slip in the address or a private one.

    python benchmarks/bench_duplicates.py [--contacts 100000]
"""

import argparse
import random
import time

from measuring import execute, throw_away_services

PEOPLE_PER_COMPANY = 12


def main() -> None:
    """Fill, search twice, and print seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=100_000)
    options = parser.parse_args()
    with throw_away_services():
        fill(options.contacts)
        measure()


def fill(contacts: int) -> None:
    """Write the contacts and their companies."""
    from contacts.models import Company, Contact
    from funnel.demo import vocabulary as words

    draw = random.Random(1)
    firms = max(contacts // PEOPLE_PER_COMPANY, 1)
    Company.objects.bulk_create(
        [Company(name=f"Firm {n}", normalised_name=f"firm {n}", domain=f"firm{n}.example") for n in range(firms)]
    )
    companies = list(Company.objects.values_list("id", "domain"))
    people: list[Contact] = []
    for number in range(contacts):
        if number % 10 == 9:
            twin = people[-draw.randrange(1, 9)]
            local, _, domain = twin.email.partition("@")
            email = f"{local[:4]}{local[5:]}@{domain}" if draw.random() < 0.5 else f"{local}@gmail.com"
            people.append(
                Contact(first_name=twin.first_name, last_name=twin.last_name, email=email, company_id=twin.company_id)
            )
            continue
        first, last = draw.choice(words.FIRST_NAMES), draw.choice(words.LAST_NAMES)
        company, firm = draw.choice(companies)
        email = f"{first}.{last}{draw.randrange(1000)}@{firm}".lower()
        phone = f"+49 {draw.randrange(10**9, 10**10)}"
        people.append(Contact(first_name=first, last_name=last, email=email, phone=phone, company_id=company))
    Contact.objects.bulk_create(people, batch_size=5_000)
    execute("VACUUM ANALYZE contacts_contact")


def measure() -> None:
    """Search, and search again: the second time everything is known already."""
    from contacts.enums import JobKind
    from contacts.models import Job
    from contacts.selectors.duplicates import RULES, candidate_pairs
    from contacts.services.duplicates import find_duplicates
    from contacts.services.work import Unwatched

    for rule in RULES:
        began = time.perf_counter()
        pairs = len(candidate_pairs(rule))
        print(f"{rule}: {pairs:,} pairs in {time.perf_counter() - began:.1f} s")
    for which in ("first", "second"):
        began = time.perf_counter()
        result = find_duplicates(Job.objects.create(kind=JobKind.FIND_DUPLICATES), Unwatched())
        print(f"{which} search: {time.perf_counter() - began:.1f} s, {result}")


if __name__ == "__main__":
    main()

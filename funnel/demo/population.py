"""Companies and the people in them, drawn in chunks: arrays in, arrays and lists out. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from funnel.demo import vocabulary as words

# People per company that send us anything at all.
PEOPLE_PER_COMPANY = 3.2
SHARE_WITHOUT_COMPANY = 0.05
# The shipped target profile (PRODUCT.md): 10 points each, from 20 on a contact fits.
TARGET_INDUSTRIES = ("software", "manufacturing", "finance", "healthcare", "logistics", "education")
TARGET_EMPLOYEES = (50, 5_000)
LEADING_WORDS = frozenset(("head", "director", "manager", "vp", "chief", "founder", "owner"))
LEARNING_WORDS = frozenset(("student", "intern"))
_MEDIAN_EMPLOYEES = 190
_EMPLOYEES_SPREAD = 1.5
_FITS_FROM = 20
_CROWDING = 1.3

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Companies:
    """Companies of one chunk, side by side; ``country`` indexes vocabulary.COUNTRIES, likewise ``industry``."""

    names: list[str]
    domains: list[str]
    industry: Integers
    country: Integers
    employees: Integers


@dataclass(frozen=True, slots=True)
class People:
    """People of one chunk. ``company`` is the place in Companies or -1; ``fit`` is the shipped profile's points."""

    first_names: list[str]
    last_names: list[str]
    emails: list[str]
    phones: list[str]
    titles: list[str]
    countries: list[str]
    company: Integers
    fit: Integers

    @property
    def fits(self) -> Flags:
        """Who reaches the shipped fit threshold."""
        return self.fit >= _FITS_FROM


def draw_companies(rng: np.random.Generator, *, first: int, count: int) -> Companies:
    """Draw ``count`` companies; ``first`` is how many the chunks before drew, so that no name comes twice."""
    industry = rng.choice(len(words.INDUSTRIES), size=count, p=_shares([share for _, share, _ in words.INDUSTRIES]))
    country = rng.choice(len(words.COUNTRIES), size=count, p=_shares([share for _, share, _, _ in words.COUNTRIES]))
    employees = np.exp(rng.normal(math.log(_MEDIAN_EMPLOYEES), _EMPLOYEES_SPREAD, count)).astype(np.int64)
    names = [_company_name(first + place, int(kind)) for place, kind in enumerate(industry)]
    return Companies(
        names=names,
        domains=[f"{name.lower().replace(' ', '-')}.example" for name in names],
        industry=industry,
        country=country,
        employees=np.clip(employees, 2, 40_000),
    )


def _company_name(number: int, industry: int) -> str:
    """The name of the ``number``-th company: a walk through all combinations that starts without a place."""
    businesses = words.INDUSTRIES[industry][2]
    stems = words.COMPANY_STEMS
    business = businesses[number // len(stems) % len(businesses)]
    # A step that shares no factor with the number of stems visits each of them once a round.
    stem = stems[number * _step(len(stems)) % len(stems)]
    rounds = number // (len(stems) * len(businesses))
    if rounds == 0:
        return f"{stem} {business}"
    place = words.PLACES[(rounds - 1) % len(words.PLACES)]
    again = (rounds - 1) // len(words.PLACES)
    return f"{stem} {business} {place}" + (f" {again + 1}" if again else "")


def _step(size: int) -> int:
    step = int(size * 0.618) | 1
    while math.gcd(step, size) != 1:
        step += 2
    return step


def draw_people(rng: np.random.Generator, companies: Companies, *, first: int, count: int) -> People:
    """Draw ``count`` people of these companies; ``first`` is how many the chunks before drew."""
    # A few companies send many people, most send one or two.
    company = (rng.random(count) ** _CROWDING * len(companies.names)).astype(np.int64)
    company[rng.random(count) < SHARE_WITHOUT_COMPANY] = -1
    given = rng.integers(len(words.FIRST_NAMES), size=count)
    family = rng.integers(len(words.LAST_NAMES), size=count)
    title = rng.choice(len(words.TITLES), size=count, p=_shares([share for _, share in words.TITLES]))
    country = np.where(company >= 0, companies.country[company], rng.integers(len(words.COUNTRIES), size=count))
    titles = [words.TITLES[place][0] for place in title.tolist()]
    first_names = [words.FIRST_NAMES[place] for place in given.tolist()]
    last_names = [words.LAST_NAMES[place] for place in family.tolist()]
    digits = rng.integers(10**4, size=count).tolist()
    return People(
        first_names=first_names,
        last_names=last_names,
        emails=_emails(first_names, last_names, company.tolist(), companies.domains, first=first),
        phones=[_phone(place, number) for place, number in zip(country.tolist(), digits, strict=True)],
        titles=titles,
        countries=[words.COUNTRIES[place][0] for place in country.tolist()],
        company=company,
        fit=_fit(titles, company, companies),
    )


def _phone(country: int, number: int) -> str:
    _, _, prefix, width = words.COUNTRIES[country]
    return f"{prefix}{number % 10**width:0{width}d}"


def _emails(
    first_names: Sequence[str], last_names: Sequence[str], company: Sequence[int], domains: Sequence[str], *, first: int
) -> list[str]:
    taken: set[str] = set()
    emails = []
    for place, (given, family, employer) in enumerate(zip(first_names, last_names, company, strict=True)):
        if employer < 0:
            email = f"{given}.{family}{first + place}@freepost.example".lower()
        else:
            email = f"{given}.{family}@{domains[employer]}".lower()
            if email in taken:
                email = f"{given}.{family}{first + place}@{domains[employer]}".lower()
        taken.add(email)
        emails.append(email)
    return emails


def _fit(titles: Sequence[str], company: Integers, companies: Companies) -> Integers:
    targets = np.array([name in TARGET_INDUSTRIES for name, _, _ in words.INDUSTRIES])
    employed = company >= 0
    employees = np.where(employed, companies.employees[company], 0)
    said = [frozenset(title.lower().split()) for title in titles]
    fit = 10 * (employed & targets[companies.industry[company]])
    fit += 10 * ((employees >= TARGET_EMPLOYEES[0]) & (employees <= TARGET_EMPLOYEES[1]))
    fit += 10 * np.array([bool(LEADING_WORDS & title) for title in said])
    fit -= 15 * np.array([bool(LEARNING_WORDS & title) for title in said])
    fit -= 15 * (employed & (employees <= 4))
    return np.asarray(fit, dtype=np.int64)


def _shares(shares: Sequence[float]) -> NDArray[np.float64]:
    weights = np.array(shares, dtype=np.float64)
    return np.asarray(weights / weights.sum(), dtype=np.float64)

"""A made world in which some things tell who will buy and others do not, and a definition that looks at both."""

from datetime import UTC, datetime, timedelta

import numpy as np

from contacts.ingest.incoming import IncomingEvent
from scoring.definition import DefinitionDocument, load_yaml
from tests.scoring.facts import FITTING, incoming, record

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)

PLANTED = """
key: planted
name: One signal that tells, one that does not
description: For tests.
evidence:
  purchase:
    label: a purchase
    any_of: [{kinds: [purchased]}]
signals:
  - {key: telling, label: Asked for a demo, match: {kinds: [demo_requested]}, points: 30}
  - {key: idle, label: Liked a post, match: {kinds: [social_liked]}, points: 30}
  - {key: opened, label: Opened, match: {kinds: [email_opened]}, points: 0}
fit:
  rules:
    - {key: large, label: A large company, test: {name: company.employees, at_least: 1000}, points: 5}
    - {key: german, label: In Germany, test: {name: country, equals: DE}, points: 5}
stages:
  - {key: audience, label: Everybody, owner: marketing, description: All., communication: None.}
  - key: lead
    label: Promising
    owner: marketing
    description: Asked.
    communication: Some.
    enter: {engagement: {at_least: 25}}
    keep: {engagement: {at_least: 5}}
  - key: customer
    label: Bought
    owner: sales
    description: Bought.
    communication: Much.
    enter: {count: {of: purchase}}
"""


def planted() -> DefinitionDocument:
    """The definition."""
    return load_yaml(PLANTED)


def record_many(events: list[IncomingEvent]) -> None:
    """Record any number of messages, in batches."""
    for start in range(0, len(events), 500):
        record(*events[start : start + 500], at=NOW)


def populate(contacts: int, days: int = 420, seed: int = 7) -> list[tuple[str, datetime]]:
    """A world in which demos and large companies tell who will buy, likes and Germany nothing. Returns the buyers.

    Whatever happens comes at the same rate on every day, but for purchases: more after a demo, more by the large.
    """
    rng = np.random.default_rng(seed)
    large, german = rng.random(contacts) < 0.3, rng.random(contacts) < 0.5
    daily = rng.random((3, contacts, days)) < np.array([0.003, 0.004, 0.015])[:, None, None]
    demos, likes, visits = daily
    chances, moments = rng.random((contacts, days)), rng.random((contacts, days, 4))
    events: list[IncomingEvent] = []
    buyers: list[tuple[str, datetime]] = []
    begin = NOW - (days + 1) * DAY
    for number in range(contacts):
        email = f"p{number}@x{number}.example"
        company = {"name": f"X{number}", "domain": f"x{number}.example", "employees": 5000 if large[number] else 50}
        traits = {"country": "DE" if german[number] else "FR", "company": company}
        events.append(incoming("page_viewed", begin, email=email, traits=traits))
        last_demo, bought = -days, False
        for day in range(days):
            when = [begin + (day + float(moment)) * DAY for moment in moments[number, day]]
            chance = 0.0002 * (12 if day - last_demo < 90 else 1) * (4 if large[number] else 1)
            if not bought and chances[number, day] < chance:
                bought = True
                events.append(incoming("purchased", when[0], email=email))
                buyers.append((email, when[0]))
            if demos[number, day]:
                last_demo = day
                events.append(incoming("demo_requested", when[1], email=email))
            if likes[number, day]:
                events.append(incoming("social_liked", when[2], email=email))
            if visits[number, day]:
                events.append(incoming("page_viewed", when[3], email=email))
    record_many(events)
    return buyers


def add_what_came_later(buyers: list[tuple[str, datetime]]) -> None:
    """After each purchase: much engagement, another purchase, a refund, and attributes that fit to perfection."""
    events = []
    for email, bought in buyers:
        company = {"domain": email.partition("@")[2], "employees": 9_000, "industry": "software"}
        for step, kind in enumerate(["demo_requested", "call_connected", "purchased", "social_liked", "refunded"]):
            when = bought + (1 + step * 11) * timedelta(hours=1)
            traits = {**FITTING, "country": "DE", "company": company} if step == 1 else {}
            events.append(incoming(kind, when, email=email, traits=traits, **{"with": "Sam"}))
    record_many(events)

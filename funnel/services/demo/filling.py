"""Filling a new installation with the demo: facts by COPY in chunks, then judgement, then consequences."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec
import numpy as np
from django.contrib.auth.models import Group, User
from django.db import transaction

from contacts.enums import Role
from contacts.models import Source
from contacts.services.bulk import (
    allocate_ids,
    claim_empty_installation,
    copy_rows,
    give_back_ids,
    references_checked_at_once,
    refresh_statistics,
)
from contacts.services.record import internal_source
from funnel.demo import vocabulary as words
from funnel.demo.content import Content
from funnel.demo.journeys import CHANNELS
from funnel.demo.population import PEOPLE_PER_COMPANY, draw_companies, draw_people
from funnel.demo.timeline import draw_timeline
from funnel.selectors.people import name_of
from funnel.services.counting import recount_all
from funnel.services.demo.following import draw_all_consequences, judge_all
from funnel.services.demo.handing import hand_over
from funnel.services.demo.lines import Places, write_lines

# People of a chunk share one draw of random numbers, so this is part of what a seed means.
CHUNK: Final = 5_000
_TABLES: Final = ("company", "contact", "companychange", "identity", "attributechange", "event")


class DemoSummary(msgspec.Struct):
    """What was written."""

    contacts: int = 0
    companies: int = 0
    events: int = 0
    handoffs: int = 0


def seed_demo(*, contacts: int, events: int, seed: int, now: datetime, report: Callable[[str], None]) -> DemoSummary:
    """Fill an empty installation; the same seed, numbers and ``now`` give the same history.

    The facts are written in one transaction, which keeps other writers of contacts away. Judging and the consequences
    follow in transactions of their own; a worker that runs meanwhile does no harm. ``report`` gets a line a step.

    Raises:
        contacts.services.bulk.NotEmpty: there are contacts already.
    """
    report("writing facts")
    with transaction.atomic():
        claim_empty_installation()
        with references_checked_at_once():
            summary = _write_facts(contacts=contacts, events=events, seed=seed, now=now, report=report)
    refresh_statistics()
    report("judging")
    judge_all(now=now, report=report)
    report("drawing consequences")
    draw_all_consequences(now=now)
    report("counting")
    recount_all(now=now)
    return summary


def _write_facts(*, contacts: int, events: int, seed: int, now: datetime, report: Callable[[str], None]) -> DemoSummary:
    reps = ensure_reps()
    content = Content([name_of(rep) for rep in reps])
    sources = _make_sources()
    total_companies = max(1, round(contacts / PEOPLE_PER_COMPANY))
    first_contact = allocate_ids("contacts_contact", contacts)
    first_company = allocate_ids("contacts_company", total_companies)
    first_handoff = allocate_ids("funnel_handoff", contacts * 2)
    summary = DemoSummary()
    for chunk, start in enumerate(range(0, contacts, CHUNK)):
        rng = np.random.default_rng([seed, chunk])
        end = min(start + CHUNK, contacts)
        before, after = (round(place / contacts * total_companies) for place in (start, end))
        companies = draw_companies(rng, first=before, count=max(after - before, 1))
        people = draw_people(rng, companies, first=start, count=end - start)
        share = round(events * end / contacts) - round(events * start / contacts)
        timeline = draw_timeline(rng, people, content, now=int(now.timestamp()), events=share, reps=len(reps))
        places = Places(
            chunk=chunk,
            first_contact=first_contact + start,
            first_company=first_company + before,
            first_handoff=first_handoff + summary.handoffs,
            sources=sources,
            reps=[rep.pk for rep in reps],
        )
        lines = write_lines(rng, companies=companies, people=people, timeline=timeline, content=content, places=places)
        for table in _TABLES:
            copy_rows(table, getattr(lines, table))
        hand_over(timeline.handoffs, content, places=places, reps=reps, now=now)
        summary.contacts += len(lines.contact)
        summary.companies += len(lines.company)
        summary.events += len(lines.event)
        summary.handoffs += len(timeline.handoffs.person)
        report(f"{summary.contacts:,} contacts, {summary.events:,} events")
    give_back_ids("funnel_handoff", first_handoff + summary.handoffs)
    return summary


def ensure_reps() -> list[User]:
    """The people of Sales; where there are none yet, two who cannot sign in until somebody gives them a password."""
    reps = list(User.objects.filter(groups__name=Role.REP, is_active=True).order_by("id"))
    if reps:
        return reps
    group = Group.objects.get(name=Role.REP)
    for first_name, last_name in words.STAND_IN_REPS:
        email = f"{first_name}.{last_name}@tidewell.example".lower()
        # Without a password: unusable.
        person = User.objects.create_user(username=email, email=email, first_name=first_name, last_name=last_name)
        person.groups.add(group)
        reps.append(person)
    return reps


def _make_sources() -> list[int]:
    """The ids of the demo's sources in the order of timeline.SOURCES, the internal one last. None has a key."""
    ids = []
    for channel in CHANNELS:
        source, _ = Source.objects.get_or_create(
            name=channel.name,
            defaults={"channel": channel.channel, "direction": channel.direction, "motion": channel.motion},
        )
        ids.append(source.pk)
    return [*ids, internal_source().pk]

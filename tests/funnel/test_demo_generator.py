"""The demo's generator: pure, seeded, and harmless."""

from datetime import UTC, datetime

import numpy as np

from contacts.enums import SHIPPED_KINDS
from funnel.demo import vocabulary as words
from funnel.demo.content import Content, variants_of
from funnel.demo.journeys import CHANNELS, JOURNEYS
from funnel.demo.population import draw_companies, draw_people
from funnel.demo.timeline import KIND_IDS, SOURCES, draw_timeline, to_office_hours
from funnel.enums import ReturnReason

NOW = datetime(2026, 6, 17, 14, tzinfo=UTC)


def test_nothing_in_the_vocabulary_reaches_a_real_person_or_breaks_a_copy() -> None:
    rng = np.random.default_rng(1)
    companies = draw_companies(rng, first=0, count=30_000)
    people = draw_people(rng, companies, first=0, count=20_000)
    assert len(set(companies.domains)) == len(companies.domains) == len(set(companies.names))
    assert len(set(people.emails)) == len(people.emails)
    assert all(one.endswith(".example") for one in (*companies.domains, *people.emails))
    content = Content(["Rhea Rep"])
    for text in (*content.texts, *companies.names, *people.titles, *words.SCANNER_REASONS):
        assert not set(text) & set("\\\t\n\r")
    notes = [note for notes in words.RETURN_NOTES.values() for note in notes]
    assert not any(set(note) & set('"\\\t\n') for note in (*notes, *words.WIN_NOTES))


def test_the_generator_uses_only_what_ripen_knows() -> None:
    kinds = {kind.name for kind in SHIPPED_KINDS}
    used = {step.kind for journey in JOURNEYS for step in journey.steps}
    assert used <= kinds & variants_of(["x"]).keys()
    assert {step.source for journey in JOURNEYS for step in journey.steps} - {"entry"} <= set(SOURCES)
    assert words.RETURN_NOTES.keys() <= set(ReturnReason.values)
    assert len({channel.name for channel in CHANNELS}) == len(CHANNELS)


def test_office_hours_keep_the_day_and_skip_the_weekend() -> None:
    friday = int(datetime(2026, 6, 19, 22, tzinfo=UTC).timestamp())
    moments = np.array([friday, friday + 86_400, friday + 2 * 86_400, friday + 3 * 86_400], dtype=np.int64)
    moved = [datetime.fromtimestamp(int(at), UTC) for at in to_office_hours(moments)]
    assert [at.strftime("%a") for at in moved] == ["Fri", "Mon", "Mon", "Mon"]
    assert all(8 <= at.hour < 18 for at in moved)


def test_claims_follow_offers_and_answers_follow_claims() -> None:
    rng = np.random.default_rng(5)
    companies = draw_companies(rng, first=0, count=300)
    people = draw_people(rng, companies, first=0, count=1_000)
    now = int(NOW.timestamp())
    made = draw_timeline(rng, people, Content(["a", "b"]), now=now, events=10_000, reps=2)
    handoffs = made.handoffs
    for offered, claimed, accepted, closed in zip(
        handoffs.offered_at, handoffs.claimed_at, handoffs.accepted_at, handoffs.closed_at, strict=True
    ):
        moments = [moment for moment in (offered, claimed, accepted, closed) if moment]
        assert moments == sorted(moments)
        assert moments[-1] < now
        assert not accepted or claimed
    events = made.events
    assert (np.diff(events.person) >= 0).all()
    assert (events.at >= made.began[events.person]).all()
    assert (events.at[events.kind != KIND_IDS["page_viewed"]] < now).all()

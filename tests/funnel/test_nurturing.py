"""The rules of sequences, for any wait, calendar, text and answer."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as tried
from hypothesis import strategies as st

from funnel.enums import StopReason
from funnel.nurturing import (
    ASK_AGAIN,
    PATIENCE,
    PLACEHOLDERS,
    RULES,
    STOPS_AS,
    Act,
    Decision,
    decide,
    due_after,
    faults_of,
    fill_in,
    next_opening,
)
from funnel.working_time import WorkingHours, WorkingTime, working_time

NOW = datetime(2026, 11, 16, 10, tzinfo=UTC)
NINE_TO_FIVE = ((9 * 60, 17 * 60),)


@dataclass(frozen=True)
class Wait:
    wait_days: int
    wait_hours: int
    in_business_hours: bool


@dataclass(frozen=True)
class Reason:
    code: str
    again_at: datetime | None = None


def team(zone: str = "UTC", days: int = 5) -> WorkingTime:
    """Nine to five on the first days of the week."""
    return working_time(WorkingHours(zone, tuple(NINE_TO_FIVE if day < days else () for day in range(7))))


waits = st.builds(Wait, st.integers(0, 365), st.integers(0, 200), st.booleans())
moments = st.timedeltas(timedelta(days=-2_000), timedelta(days=1_500)).map(lambda away: NOW + away)
calendars = st.builds(
    team, st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]), st.integers(1, 7)
)


@tried(max_examples=50)
@given(waits, moments, calendars)
def test_a_step_is_never_early_and_in_business_hours_only_then(
    wait: Wait, since: datetime, calendar: WorkingTime
) -> None:
    due = due_after(wait, since, calendar)

    assert due >= since + timedelta(days=wait.wait_days)
    if wait.in_business_hours:
        assert calendar.is_working(due)
        assert calendar.between(since + timedelta(days=wait.wait_days), due) >= timedelta(hours=wait.wait_hours)
    else:
        assert due == since + timedelta(days=wait.wait_days, hours=wait.wait_hours)
    assert next_opening(wait, due, calendar) == due, "what is due may be done"


@tried(max_examples=50)
@given(waits, moments, st.timedeltas(timedelta(), timedelta(days=40)), calendars)
def test_whoever_comes_later_is_never_sent_it_earlier(
    wait: Wait, since: datetime, later: timedelta, calendar: WorkingTime
) -> None:
    assert due_after(wait, since, calendar) <= due_after(wait, since + later, calendar)


@tried(max_examples=50)
@given(st.lists(waits, min_size=1, max_size=8), moments, calendars)
def test_a_whole_sequence_takes_at_least_its_waits_and_its_steps_stay_in_order(
    steps: list[Wait], since: datetime, calendar: WorkingTime
) -> None:
    moments = [since]
    for step in steps:
        moments.append(due_after(step, moments[-1], calendar))

    assert moments == sorted(moments)
    assert moments[-1] - since >= timedelta(days=sum(step.wait_days for step in steps))


@tried(max_examples=50)
@given(waits, moments, calendars)
def test_what_is_put_off_to_the_next_opening_is_put_off_once(wait: Wait, at: datetime, calendar: WorkingTime) -> None:
    opening = next_opening(wait, at, calendar)

    assert opening >= at
    assert next_opening(wait, opening, calendar) == opening


def test_a_calendar_that_never_works_holds_nothing_back_for_ever() -> None:
    never = working_time(WorkingHours("UTC", ((),) * 7))
    assert due_after(Wait(1, 2, in_business_hours=True), NOW, never) == NOW + timedelta(days=1, hours=2)
    assert next_opening(Wait(1, 2, in_business_hours=True), NOW, never) == NOW


@pytest.mark.parametrize(
    ("wait", "due"),
    [
        # Monday 16 November 2026, 10:00; nine to five from Monday to Friday.
        (Wait(0, 0, in_business_hours=True), "2026-11-16T10:00"),
        (Wait(0, 7, in_business_hours=True), "2026-11-17T09:00"),
        (Wait(0, 8, in_business_hours=True), "2026-11-17T10:00"),
        (Wait(5, 0, in_business_hours=True), "2026-11-23T09:00"),
        (Wait(4, 8, in_business_hours=True), "2026-11-23T10:00"),
        (Wait(5, 3, in_business_hours=False), "2026-11-21T13:00"),
    ],
)
def test_waits_end_when_a_calendar_on_the_wall_says_so(wait: Wait, due: str) -> None:
    assert due_after(wait, NOW, team()) == datetime.fromisoformat(due).replace(tzinfo=UTC)


reasons = st.lists(
    st.builds(Reason, st.sampled_from([*RULES, "something new"]), st.none() | moments), min_size=1, max_size=4
)


@tried(max_examples=50)
@given(reasons, moments, st.timedeltas(timedelta(), timedelta(days=30)))
def test_nothing_is_sent_against_a_reason_and_no_step_waits_for_ever(
    against: list[Reason], first_due_at: datetime, waited: timedelta
) -> None:
    now = first_due_at + waited
    decision = decide(against, first_due_at=first_due_at, now=now)

    acts = {RULES.get(reason.code, Act.WAIT) for reason in against}
    assert decision.act is not Act.SEND
    assert (decision.act is Act.STOP) == (Act.STOP in acts)
    assert (decision.reason is not None) == (decision.act is Act.STOP)
    if decision.act is Act.WAIT:
        assert decision.again_at is not None
        assert now < decision.again_at <= max(first_due_at + PATIENCE, now + timedelta(minutes=1))


def test_without_a_reason_against_it_a_step_is_sent() -> None:
    assert decide([], first_due_at=NOW, now=NOW) == Decision(Act.SEND)


def test_a_step_is_asked_about_again_tomorrow_or_when_the_answer_says_so() -> None:
    week = NOW + timedelta(days=7)
    missing, often = Reason("consent_missing"), Reason("too_often", week)
    assert decide([missing], first_due_at=NOW, now=NOW).again_at == NOW + ASK_AGAIN
    assert decide([often], first_due_at=NOW, now=NOW).again_at == week
    assert decide([missing, often], first_due_at=NOW, now=NOW).again_at == week
    assert decide([Reason("too_often", NOW + timedelta(days=20))], first_due_at=NOW, now=NOW).act is Act.SKIP


def test_every_stop_has_its_reason_and_every_rule_is_documented() -> None:
    assert {code for code, act in RULES.items() if act is Act.STOP} == set(STOPS_AS)
    text = (Path(__file__).parents[2] / "docs" / "sequences.md").read_text()
    assert [code for code in RULES if f"`{code}`" not in text] == []
    assert [reason.value for reason in StopReason if f"`{reason.value}`" not in text] == []
    assert [name for name in PLACEHOLDERS if f"`{{{name}}}`" not in text] == []


words = st.text(st.characters(exclude_characters="{}", exclude_categories=["Cs"]), max_size=40)


@tried(max_examples=50)
@given(words, words, st.sampled_from(sorted(PLACEHOLDERS)), st.text(max_size=150))
def test_a_filled_in_text_keeps_its_words_and_takes_a_value_as_plain_words(
    before: str, after: str, name: str, value: str
) -> None:
    text = f"{before}{{{name}|friend}}{after}"
    assert faults_of(text) == []

    filled = fill_in(text, {name: value})

    assert filled.startswith(before)
    assert filled.endswith(after)
    inner = filled[len(before) : len(filled) - len(after)]
    assert inner == (" ".join(value.split())[:100] or "friend")
    assert "\n" not in inner


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{firstname}", "There is no placeholder {firstname}"),
        ("{}", "There is no placeholder {}"),
        ("{first_name.__class__}", "There is no placeholder"),
        ("{first_name", "A brace has no partner"),
        ("first_name}", "A brace has no partner"),
        ("{{first_name}}", "A brace has no partner"),
        ("{first_name\n}", "A brace has no partner"),
    ],
)
def test_what_would_be_sent_as_it_stands_is_found(text: str, fault: str) -> None:
    (found,) = faults_of(text)
    assert fault in found


@pytest.mark.parametrize(
    ("text", "filled"),
    [("Hi {first_name}!", "Hi !"), ("Hi {first_name|there}!", "Hi there!"), ("{ company | you }", "Acme"), ("", "")],
)
def test_what_is_not_known_is_left_out_or_named_otherwise(text: str, filled: str) -> None:
    assert fill_in(text, {"company": "Acme"}) == filled

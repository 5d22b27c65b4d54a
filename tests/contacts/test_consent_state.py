"""The fold of the consent ledger: a function of what was said and of the merges, conservative where two become one."""

import random
from datetime import UTC, datetime, timedelta

import hypothesis.strategies as st
from hypothesis import given, settings

from contacts.ingest.consent import Joined, Said, consent_state

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(day: int) -> datetime:
    return START + timedelta(days=day)


def said(origin: int, action: str, day: int, purpose: str = "newsletter") -> Said:
    return Said(origin, purpose, action, "consent", at(day))


def states(entries: list[Said], merges: list[Joined] | None = None) -> dict[str, str]:
    return {purpose: state.action for purpose, state in consent_state(entries, merges or []).items()}


def test_the_last_word_holds() -> None:
    assert states([said(1, "granted", 1), said(1, "withdrawn", 2)]) == {"newsletter": "withdrawn"}
    assert states([said(1, "withdrawn", 1), said(1, "granted", 2)]) == {"newsletter": "granted"}
    assert states([said(1, "granted", 1), said(1, "withdrawn", 1)]) == {"newsletter": "withdrawn"}


def test_a_withdrawal_of_either_survives_a_merge_even_where_the_other_granted_later() -> None:
    entries = [said(2, "withdrawn", 1), said(1, "granted", 5)]
    assert states(entries, [Joined(1, 2, at(9))]) == {"newsletter": "withdrawn"}
    assert states(entries, [Joined(2, 1, at(9))]) == {"newsletter": "withdrawn"}


def test_what_is_said_after_the_merge_applies_to_both() -> None:
    entries = [said(2, "withdrawn", 1), said(1, "granted", 5), said(2, "granted", 12)]
    assert states(entries, [Joined(1, 2, at(9))]) == {"newsletter": "granted"}
    # A third who said nothing takes nothing away.
    assert states(entries, [Joined(1, 2, at(9)), Joined(1, 3, at(20))]) == {"newsletter": "granted"}


def test_silence_of_one_is_no_withdrawal() -> None:
    assert states([said(1, "granted", 1)], [Joined(1, 2, at(9))]) == {"newsletter": "granted"}


ENTRIES = st.lists(
    st.builds(
        said,
        st.integers(1, 4),
        st.sampled_from(["granted", "withdrawn"]),
        st.integers(0, 10),
        st.sampled_from(["newsletter", "marketing"]),
    ),
    max_size=12,
)
MERGES = st.permutations([2, 3, 4]).flatmap(
    lambda losers: st.lists(st.integers(0, 10), max_size=3).map(
        lambda days: [Joined(1, loser, at(day)) for loser, day in zip(losers, days, strict=False)]
    )
)


@settings(max_examples=60)
@given(entries=ENTRIES, merges=MERGES, seed=st.integers(0, 99))
def test_the_order_of_arrival_does_not_matter(entries: list[Said], merges: list[Joined], seed: int) -> None:
    shuffled, mixed = list(entries), list(merges)
    random.Random(seed).shuffle(shuffled)
    random.Random(seed + 1).shuffle(mixed)
    assert consent_state(shuffled, mixed) == consent_state(entries, merges)


@settings(max_examples=60)
@given(entries=ENTRIES, merges=MERGES, day=st.integers(0, 12))
def test_a_merge_never_makes_consent_of_what_either_had_withdrawn(
    entries: list[Said], merges: list[Joined], day: int
) -> None:
    """Merging at the end, of two whole histories: granted afterwards means granted by one and withdrawn by neither."""
    one = [entry for entry in entries if entry.origin in {1, 2}]
    other = [entry for entry in entries if entry.origin in {3, 4}]
    before = [Joined(1, 2, at(day)), Joined(3, 4, at(day))]
    united = states([*one, *other], [*before, Joined(1, 3, at(99))])
    left, right = states(one, before[:1]), states(other, before[1:])
    for purpose, action in united.items():
        sides = {left.get(purpose, ""), right.get(purpose, "")}
        assert (action == "granted") == ("withdrawn" not in sides)

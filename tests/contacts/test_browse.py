"""The contact list: order, paging, search and filters, at a fixed number of queries."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role
from contacts.models import Contact, Standing
from contacts.selectors.browse import NOBODY, Query, Sort, browse_contacts, possible_owners, source_channels
from tests.factories import make_user

pytestmark = pytest.mark.django_db

STAGES = ("audience", "lead", "customer")
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def stand(
    name: str, stage: str = "lead", score: int = 0, seen_days_ago: float = 0, owner: User | None = None, **fields: Any
) -> Contact:
    """A contact and where it stands, written as the services would have."""
    contact = Contact.objects.create(first_name=name, search_text=f" {name.lower()} ", **fields)
    at = NOW - timedelta(days=seen_days_ago)
    Standing.objects.create(
        contact=contact,
        stage=stage,
        furthest_stage=stage,
        stage_since=at,
        engagement_mp=score,
        fit_mp=0,
        last_activity_at=at,
        evaluated_at=at,
        owner=owner,
    )
    return contact


def names(query: Query, limit: int = 50) -> list[str]:
    return [row.name for row in browse_contacts(query, stages=STAGES, limit=limit).rows]


def test_sorts_by_score_or_recency_across_stages_and_within_one() -> None:
    stand("A", "lead", 10, 3)
    stand("B", "customer", 30, 2)
    stand("C", "lead", 20, 1)
    assert names(Query()) == ["B", "C", "A"]
    assert names(Query(sort=Sort.RECENT)) == ["C", "B", "A"]
    assert names(Query(stage="lead")) == ["C", "A"]
    assert names(Query(stage="lead", sort=Sort.RECENT)) == ["C", "A"]


@pytest.mark.parametrize("sort", list(Sort))
@pytest.mark.parametrize("stage", ["", "lead"])
def test_pages_show_everybody_once_even_where_scores_tie(sort: Sort, stage: str) -> None:
    for index in range(11):
        stand(f"N{index}", STAGES[index % 2], score=(index // 4) * 1_000, seen_days_ago=index // 3)
    seen: list[str] = []
    query = Query(stage=stage, sort=sort)
    for _ in range(12):
        page = browse_contacts(query, stages=STAGES, limit=3)
        seen += [row.name for row in page.rows]
        if not page.next:
            break
        query = Query(stage=stage, sort=sort, after=page.next)
    assert seen == names(Query(stage=stage, sort=sort))
    assert len(seen) == len(set(seen)) == (5 if stage else 11)


@pytest.mark.parametrize("after", ["nonsense", "_", "1_x", "9" * 40 + "_1", "12.5_3", ""])
def test_an_unreadable_place_gives_the_first_page(after: str) -> None:
    stand("A")
    assert names(Query(sort=Sort.RECENT, after=after)) == ["A"]


def test_counts_each_stage_of_what_was_found() -> None:
    for name, stage in (("Ann", "lead"), ("Anna", "customer"), ("Bob", "lead")):
        stand(name, stage)
    counts = {item.key: item.count for item in browse_contacts(Query(), stages=STAGES).counts}
    assert counts == {"audience": 0, "lead": 2, "customer": 1}
    found = browse_contacts(Query(text="ann", stage="lead"), stages=STAGES)
    assert {item.key: item.count for item in found.counts} == {"audience": 0, "lead": 1, "customer": 1}
    assert [row.name for row in found.rows] == ["Ann"]
    assert found.total.count == 2


def test_every_word_of_a_search_must_occur() -> None:
    stand("Ann Acme")
    stand("Ann Other")
    assert names(Query(text="  ANN acme ")) == ["Ann Acme"]
    assert names(Query(text="a%n")) == []
    assert names(Query(text="an\0n")) == ["Ann Other", "Ann Acme"]


def test_filters_by_owner_nobody_and_source() -> None:
    rita = make_user(Role.REP)
    stand("Hers", owner=rita, source_channel="website")
    stand("Marketing's", source_channel="trade show")
    assert names(Query(owner=str(rita.pk))) == ["Hers"]
    assert names(Query(owner=NOBODY)) == ["Marketing's"]
    assert names(Query(source="trade show")) == ["Marketing's"]
    assert names(Query(owner="9" * 30)) == []
    assert source_channels() == ["trade show", "website"]
    assert possible_owners() == [rita]


@pytest.mark.parametrize("query", [Query(), Query(stage="lead"), Query(text="n", sort=Sort.RECENT)])
def test_the_number_of_queries_does_not_grow_with_the_rows(query: Query) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            for row in browse_contacts(query, stages=STAGES).rows:
                assert row.company == ""
                assert row.owner == ""
        return len(captured)

    stand("N1")
    one = queries()
    stand("N2")
    stand("N3", "customer")
    assert queries() == one

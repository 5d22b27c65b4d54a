"""A funnel whose figures are known: imported as users would, told as published."""

import csv
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from contacts.models import Contact
from contacts.services.imports import import_events
from funnel.analytics import AGES, Cohort, Period, Segment, Share, Step
from funnel.selectors.figures import Behind, Number, cohorts, people_behind, report, shares
from funnel.services.consequences import draw_consequences
from funnel.services.counting import count_due, verify_rollups
from scoring.services.evaluate import drain_due

pytestmark = pytest.mark.django_db

OLIST = Path(__file__).parents[3] / "shared" / "data" / "olist_funnel"
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = 86_400
ALL = Period(date(2017, 1, 1), date(2018, 12, 31))


def import_file(path: Path, mapping: dict[str, Any], errors: Path) -> int:
    """Import a log of events as the command does; how many were stored."""
    with path.open("rb") as stream:
        summary = import_events(stream=stream, file_name=path.name, errors_dir=errors, now=NOW, mapping=mapping)
    assert summary.rejected == 0
    return summary.created


def settle() -> None:
    while drain_due(now=NOW) or draw_consequences(now=NOW) or count_due(now=NOW):
        pass


@pytest.mark.skipif(not OLIST.exists(), reason="no Olist funnel beside the repository")
def test_the_published_figures_of_a_real_funnel(tmp_path: Path) -> None:
    """Whoever is in the file was in contact: `audience`, which needs no address to write to, as `lead` would."""
    known = json.loads((OLIST / "expected.json").read_text())
    for name, mapping, rows in (
        ("olist_marketing_qualified_leads_dataset.csv", "olist-leads.yaml", 8000),
        ("olist_closed_deals_cleaned.csv", "olist-deals.yaml", 842),
    ):
        assert import_file(OLIST / name, yaml.safe_load((EXAMPLES / mapping).read_text()), tmp_path) == rows
    settle()
    everybody = Segment()
    won = {"origin": "audience", "target": "customer"}
    found = report(period=ALL, segment=everybody)

    # One was won before the first contact: it reached both stages at once, and skipped what lies between.
    (step,) = [step for step in found.steps if (step.origin, step.target) == ("audience", "customer")]
    assert step == Step("audience", "customer", reached=8000, strict=841, loose=842, skipped=1)
    assert round(100 * step.loose / step.reached, 3) == 10.525
    assert dict(found.entered_at)["customer"] == 1
    early = people_behind(period=ALL, segment=everybody, behind=Behind(Number.SKIPPED, **won))
    ((contact_id, names),) = [(pk, Contact.objects.get(pk=pk).identities.get().value) for pk in early.contact_ids]
    assert names == "b91cf8812365f50ff4bda4bcd6206b05"
    arrived = Behind(Number.MOVES, "", "customer")
    assert people_behind(period=ALL, segment=everybody, behind=arrived).contact_ids == (contact_id,)

    (velocity,) = [one for one in found.velocities if (one.origin, one.target) == ("audience", "customer")]
    assert (velocity.moves, velocity.exact) == (842, True)
    told = {"10%": velocity.p10, "50%": velocity.median, "90%": velocity.p90}
    assert {name: round((seconds or 0) / DAY, 2) for name, seconds in told.items()} == {
        name: known["days_to_close"][name] for name in told
    }

    months = cohorts(period=ALL, segment=everybody, now=NOW, **won)
    assert {f"{month.month:%Y-%m}": [month.size, month.ever] for month in months} == {
        month: row[:2] for month, row in known["by_cohort_month"].items()
    }
    within = {str(days): sum(month.within[place][1] for month in months) for place, days in enumerate(AGES)}
    assert within == known["won_within_days_of_first_contact"]

    by_origin = {
        row.label: [row.reached, row.converted] for row in shares(period=ALL, segment=everybody, facet="source", **won)
    }
    expected = {"NaN" if origin == "(blank)" else origin: row[:2] for origin, row in known["by_origin"].items()}
    # An original source is that of the earliest fact: of the one that was won first, the file of deals.
    expected["organic_search"] = [row - 1 for row in expected["organic_search"]]
    assert by_origin == {**expected, "CSV import": [1, 1]}
    assert list(verify_rollups(now=NOW)) == []


# Days from the first contact to the deal, None: not won; one was won before the first contact.
WON_AFTER = (0.4, 3, 6.9, 8, 13, 21.5, 29, 44, 75, 170, 260, -1.2, *[None] * 36)
ORIGINS = ("organic_search", "paid_search", "social")


def write(path: Path, header: str, rows: Sequence[tuple[str, ...]]) -> Path:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header.split(","))
        writer.writerows(rows)
    return path


def test_the_same_figures_of_a_small_made_up_funnel(tmp_path: Path) -> None:
    """Of leads that can be written to; what is expected is worked out from the days themselves."""
    first = datetime(2026, 1, 5, 9, tzinfo=UTC)
    met = [first + timedelta(days=3 * number) for number in range(len(WON_AFTER))]
    leads = [(f"lead{n}@firm{n}.example", at.isoformat(), ORIGINS[n % 3]) for n, at in enumerate(met)]
    deals = [
        (f"lead{n}@firm{n}.example", (met[n] + timedelta(days=days)).isoformat())
        for n, days in enumerate(WON_AFTER)
        if days is not None
    ]
    columns = {"email": "email", "at": "occurred_at"}
    for path, mapping in (
        (
            write(tmp_path / "leads.csv", "email,at,origin", leads),
            {"columns": {**columns, "origin": "properties.channel"}, "event": "form_submitted"},
        ),
        (write(tmp_path / "deals.csv", "email,at", deals), {"columns": columns, "event": "purchased"}),
    ):
        import_file(path, mapping, tmp_path)
    settle()
    period = Period(date(2025, 12, 1), date(2026, 11, 22))
    won = {"origin": "lead", "target": "customer"}
    days = [max(after, 0) for after in WON_AFTER if after is not None]

    found = report(period=period, segment=Segment())
    (step,) = [step for step in found.steps if (step.origin, step.target) == ("lead", "customer")]
    assert step == Step("lead", "customer", reached=48, strict=11, loose=12, skipped=1)
    (velocity,) = [one for one in found.velocities if (one.origin, one.target) == ("lead", "customer")]
    assert [velocity.p10, velocity.median, velocity.p90] == pytest.approx(np.percentile(days, [10, 50, 90]) * DAY)
    assert dict(found.entered_at)["customer"] == 1

    months = {month.month: month for month in cohorts(period=period, segment=Segment(), now=NOW, **won)}
    january = [max(after, 0) for at, after in zip(met, WON_AFTER, strict=True) if after is not None and at.month == 1]
    within = tuple((age, sum(after <= age for after in january), age <= 294) for age in AGES)
    assert months[date(2026, 1, 1)] == Cohort(date(2026, 1, 1), 9, len(january), within)
    told = shares(period=period, segment=Segment(), facet="source", **won)
    assert told == (
        Share("organic_search", 16, 4),
        Share("paid_search", 16, 4),
        Share("social", 15, 3),
        Share("CSV import", 1, 1),
    )
    paid = report(period=period, segment=Segment(source="paid_search"))
    assert [step.loose for step in paid.steps if (step.origin, step.target) == ("lead", "customer")] == [4]

"""Made-up histories in which it is known what makes people buy."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np

from contacts.models import Source
from scoring.definition import DefinitionDocument, read_document
from tests.factories import SourceFactory, make_event, record

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
HORIZON_DAYS = 30
LOOK_BACK = {"mode": "own-times", "horizon_days": HORIZON_DAYS}

# The truth: a demo says much, a good tier something, a download nothing.
INTERCEPT, DEMO, GOLD = -2.0, 2.5, 1.0


def planted_document(**changes: Any) -> DefinitionDocument:
    """A definition whose points are wrong about that: a download weighs most."""
    data: dict[str, Any] = {
        "key": "planted",
        "name": "Planted",
        "description": "Downloads are taken for interest.",
        "evidence": {
            "interest": {
                "label": "interest",
                "any_of": [{"kinds": ["demo_requested", "asset_downloaded", "page_viewed"]}],
            },
            "purchase": {"label": "a purchase", "any_of": [{"kinds": ["purchased"]}]},
        },
        "signals": [
            _signal("demo", "Asked for a demo", "demo_requested", 10),
            _signal("download", "Downloaded", "asset_downloaded", 40),
            {**_signal("page_view", "Page view", "page_viewed", 1), "group": "browsing"},
        ],
        "groups": [{"key": "browsing", "label": "Browsing", "cap": 3}],
        "fit": {
            "rules": [
                {"key": "gold", "label": "Gold", "test": {"name": "attributes.tier", "equals": "gold"}, "points": 5},
            ]
        },
        "stages": [
            _stage("audience", "marketing"),
            _stage("lead", "marketing", enter={"count": {"of": "interest"}}),
            _stage("customer", "sales", enter={"count": {"of": "purchase"}}),
        ],
    }
    return read_document({**data, **changes})


def with_criterion(document: DefinitionDocument, **changes: Any) -> dict[str, Any]:
    """The document as plain data, with a stage that is entered by likelihood."""
    data: dict[str, Any] = json.loads(msgspec.json.encode(document))
    by_likelihood = {"all": [{"count": {"of": "interest"}}, {"likelihood": {"at_least": 0.3}}]}
    data["stages"].insert(2, _stage("marketing_prospect", "marketing", enter=by_likelihood))
    return {**data, **changes}


def _signal(key: str, label: str, kind: str, points: float) -> dict[str, Any]:
    return {"key": key, "label": label, "match": {"kinds": [kind]}, "points": points, "half_life_days": 0}


def _stage(key: str, owner: str, **more: Any) -> dict[str, Any]:
    label = key.replace("_", " ").capitalize()
    return {"key": key, "label": label, "owner": owner, "description": label, "communication": label, **more}


class Town:
    """Contacts who each do something on one day; some buy 20 days later. The same for the same seed."""

    def __init__(self, seed: int = 5) -> None:
        self._chance = np.random.default_rng(seed)
        self._source: Source = SourceFactory.create()
        self._people = 0

    def settle(
        self,
        people: int,
        first: datetime,
        span: timedelta,
        *,
        demo_share: float = 0.4,
        gold_share: float = 0.5,
        demo: float = DEMO,
        intercept: float = INTERCEPT,
    ) -> list[tuple[dict[str, Any], datetime]]:
        """Let people come, evenly over ``span``; returns who bought (as ``contact`` of further events) and when."""
        events, buyers = [], []
        for place in range(people):
            self._people += 1
            at = first + span * place / people
            contact = {"external_id": f"person-{self._people}"}
            asked, gold = self._chance.random() < demo_share, self._chance.random() < gold_share
            kinds = ["page_viewed"] * int(self._chance.integers(1, 5)) + ["demo_requested"] * asked
            kinds += ["asset_downloaded"] * bool(self._chance.random() < 0.5)
            traits = {"tier": "gold" if gold else "tin"}
            events += [make_event(kind, contact=contact, occurred_at=at.isoformat(), traits=traits) for kind in kinds]
            if self._chance.random() < 1 / (1 + np.exp(-(intercept + demo * asked + GOLD * gold))):
                events.append(make_event("purchased", contact=contact, occurred_at=(at + 20 * DAY).isoformat()))
                buyers.append((contact, at + 20 * DAY))
        self.tell(events, received_at=first + span + 60 * DAY)
        return buyers

    def tell(self, events: list[dict[str, Any]], *, received_at: datetime) -> None:
        """Record events."""
        for start in range(0, len(events), 1000):
            receipt = record(*events[start : start + 1000], source=self._source, received_at=received_at)
            assert not receipt.rejected, receipt.rejected[:3]

"""What all pages of one definition share: its name, its state, its tabs."""

from typing import Any

from django.urls import reverse

from config.web.ui import Tab
from scoring.models import Definition, Publication
from scoring.selectors.learned import open_notices

_TABS = (
    ("Definition", "definition"),
    ("What-if", "definition-what-if"),
    ("Compare", "definition-compare"),
    ("Backtest", "definition-backtest"),
    ("Learned score", "definition-learn"),
    ("Publish", "definition-publish"),
)


def head_of(row: Definition, *, tab: str) -> dict[str, Any]:
    """The context of ``scoring/definition_base.html`` for the page with the URL name ``tab``."""
    return {
        "row": row,
        "in_force": row.pk == in_force_id(),
        "notices": [notice for notice in open_notices() if notice.definition.key == row.key],
        "tabs": [Tab(label, reverse(name, args=[row.pk]), name == tab) for label, name in _TABS],
    }


def in_force_id() -> int | None:
    """Id of the definition that judges now."""
    latest = Publication.objects.filter(retracted_at=None).order_by("-effective_at")
    return latest.values_list("definition_id", flat=True).first()

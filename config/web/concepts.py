"""What the words of the product mean: each concept has its place in docs/, which the application serves."""

from typing import Final

# key -> (page of docs/ without its ending, anchor of a heading, "" for its top)
CONCEPTS: Final[dict[str, tuple[str, str]]] = {
    "stage": ("definitions", ""),
    "definition": ("definitions", ""),
    "engagement": ("explaining", ""),
    "fit": ("explaining", ""),
    "ledger": ("explaining", ""),
    "criteria": ("definitions", ""),
    "pin": ("correcting", ""),
    "handoff": ("handoffs", ""),
    "sla": ("working-time", ""),
    "routing": ("routing", ""),
    "what-if": ("what-if", ""),
    "backtest": ("backtesting", ""),
    "publishing": ("publishing", ""),
    "likelihood": ("learning", ""),
    "consent": ("consent", ""),
    "may-contact": ("consent", ""),
    "suppression": ("consent", ""),
    "duplicate": ("duplicates", ""),
    "merge": ("merging", ""),
    "bot": ("correcting", ""),
    "import": ("importing", ""),
    "source": ("sending-facts", ""),
    "original-source": ("sending-facts", ""),
    "webhook": ("webhooks", ""),
    "sequence": ("sequences", ""),
    "conversion": ("analytics", ""),
    "cohort": ("analytics", ""),
    "velocity": ("analytics", ""),
    "freshness": ("explaining", ""),
    "erasure": ("privacy", ""),
    "notification": ("notifications", ""),
}


def concept_url(key: str) -> str:
    """Return where the concept is explained. Raises ``KeyError`` for a key that is not above."""
    page, anchor = CONCEPTS[key]
    return f"/docs/{page}/" + (f"#{anchor}" if anchor else "")

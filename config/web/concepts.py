"""What the words of the product mean: each concept has its place in docs/, which the application serves."""

from typing import Final

# key -> (page of docs/ without its ending, anchor of a heading, "" for its top)
CONCEPTS: Final[dict[str, tuple[str, str]]] = {
    "stage": ("definitions", "stages-and-their-criteria"),
    "definition": ("definitions", ""),
    "engagement": ("definitions", "engagement-signals-and-groups"),
    "fit": ("definitions", "who-it-is-fit-gates-qualifiers"),
    "ledger": ("explaining", "how-a-score-is-made"),
    "criteria": ("definitions", "stages-and-their-criteria"),
    "pin": ("pinning", ""),
    "handoff": ("handoffs", ""),
    "sla": ("handoffs", "the-two-clocks"),
    "routing": ("routing", ""),
    "what-if": ("what-if", "reading-a-what-if"),
    "backtest": ("backtesting", "how-to-read-it"),
    "publishing": ("publishing", "publishing"),
    "likelihood": ("learning", ""),
    "consent": ("consent", "the-ledger"),
    "may-contact": ("consent", "may-we-write-to-them-now"),
    "suppression": ("consent", "refusals"),
    "duplicate": ("duplicates", ""),
    "merge": ("merging", "what-a-merge-does"),
    "bot": ("email", "machines"),
    "import": ("importing", ""),
    "source": ("sending-facts", ""),
    "original-source": ("sending-facts", ""),
    "webhook": ("webhooks", "what-a-message-is"),
    "sequence": ("sequences", ""),
    "conversion": ("analytics", "conversion-strict-and-loose"),
    "cohort": ("analytics", "cohorts"),
    "velocity": ("analytics", "velocity"),
    "freshness": ("analytics", "how-fast-and-how-current"),
    "erasure": ("privacy", "what-an-erasure-does"),
    "notification": ("notifications", "who-is-told-what"),
    "signal": ("definitions", "engagement-signals-and-groups"),
    "gate": ("definitions", "who-it-is-fit-gates-qualifiers"),
    "history": ("explaining", "history-is-event-time"),
    "contrast": ("explaining", "two-contacts-side-by-side"),
    "outcome": ("conversations", "interim-results"),
    "returning": ("handoffs", "returning"),
    "working-time": ("working-time", ""),
    "comparison": ("what-if", "reading-a-comparison"),
    "draft": ("publishing", "drafts"),
    "approval": ("publishing", "approval"),
    "rolling-back": ("publishing", "rolling-back"),
    "purpose": ("consent", "purposes"),
    "mapping": ("importing", "the-mapping-file"),
    "form": ("forms", ""),
    "kind": ("sending-facts", "names-and-kinds"),
    "feedback": ("feedback", ""),
    "second-factor": ("accounts", "second-factors"),
    "token": ("accounts", "personal-tokens"),
    "role": ("accounts", "roles"),
    "invitation": ("accounts", "inviting"),
}


def concept_url(key: str) -> str:
    """Return where the concept is explained. Raises ``KeyError`` for a key that is not above."""
    page, anchor = CONCEPTS[key]
    return f"/docs/{page}/" + (f"#{anchor}" if anchor else "")

"""What the demo's events say: ready-made JSON properties by kind, some of them naming a rep. Pure."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from funnel.demo import vocabulary as words
from funnel.demo.journeys import ACCEPTED, ATTEMPTED, CLAIMED, RETURNED

_MAIL_KINDS = ("email_sent", "email_delivered", "email_opened", "email_clicked")
_STEADY_KINDS = ("event_registered", "trade_show_conversation", "webinar_subscribed", "event_attended")
# Why Sales hands contacts back, with shares; after the first ones the contact may be ready again another day.
COMING_BACK = 2
RETURN_REASONS = (
    ("no_response", 0.3),
    ("cannot_buy_now", 0.2),
    ("no_authority", 0.17),
    ("no_means", 0.12),
    ("no_want", 0.11),
    ("bad_data", 0.04),
    ("other", 0.06),
)


def variants_of(reps: Sequence[str]) -> dict[str, list[list[dict[str, Any]]]]:
    """Properties by kind: a list of variants, each a list by rep (one entry where no rep is named)."""
    site = "https://tidewell.example"
    plain: dict[str, list[dict[str, Any]]] = {
        "page_viewed": [{"path": path, "url": f"{site}{path}"} for path in words.PAGES],
        "newsletter_subscribed": [{"list": "Monthly planner"}, {"list": "Product news"}],
        "form_submitted": [{"form": "Contact us"}, {"form": "Savings calculator"}],
        "asset_downloaded": [{"asset": title} for title in words.ASSETS],
        "webinar_subscribed": [{"webinar": title} for title in words.WEBINARS],
        "event_registered": [{"event": name, "campaign": name} for name in words.FAIRS],
        "event_attended": [{"webinar": title} for title in words.WEBINARS],
        "blog_commented": [{"post": title} for title in words.POSTS],
        "social_liked": [{"post": title, "network": "LinkedIn"} for title in words.POSTS],
        "social_shared": [{"post": title, "network": "LinkedIn"} for title in words.POSTS],
        "social_question": [{"question": text, "network": "LinkedIn"} for text in words.QUESTIONS],
        "list_imported": [{"list": name, "campaign": name} for name in words.OUTREACH],
        "ad_shown": [{"campaign": name} for name in words.CAMPAIGNS],
        "email_bounced": [{"reason": "mailbox unavailable"}],
        "unsubscribed": [{"list": "all"}],
        "details_confirmed": [{"form": "Preferences"}],
        "demo_requested": [
            {"product": words.PRODUCT, "page": "/product"},
            {"product": words.PRODUCT, "page": "/pricing"},
        ],
        "pricing_requested": [{"plan": plan} for plan, _ in words.PLANS],
        "meeting_requested": [{"topic": "Planning at our sites"}, {"topic": "Replacing spreadsheets"}],
        "trial_started": [{"plan": "Trial"}],
        "referred": [{"partner": "Quayline Consulting"}, {"partner": "Plannerhaus"}],
        "purchased": [{"plan": plan, "amount": amount, "currency": "EUR"} for plan, amount in words.PLANS],
        "churned": [{"reason": reason} for reason in words.CHURN_REASONS],
        "refunded": [{"reason": "Not what we expected"}, {"reason": "Bought twice"}],
        "converted": [{"note": note} for note in words.WIN_NOTES],
        CLAIMED: [{}],
        ACCEPTED: [{}],
        RETURNED: [{}],
    }
    mails = [{"campaign": name, "subject": f"{name}: plan with less guessing"} for name in words.CAMPAIGNS]
    for kind in _MAIL_KINDS:
        plain[kind] = [mail | {"url": f"{site}/product"} for mail in mails] if kind == "email_clicked" else mails
    named: dict[str, list[dict[str, Any]]] = {
        "call_connected": [{"note": note, "minutes": 8 + 7 * place} for place, note in enumerate(words.CALL_NOTES)],
        ATTEMPTED: [{"direction": "outbound", "result": result} for result in ("no_answer", "left_message")],
        "meeting_held": [{"note": note} for note in words.MEETING_NOTES],
        "trade_show_conversation": [{"event": name} for name in words.FAIRS],
        "email_replied": [{"subject": "Re: planning"}, {"subject": "Re: 15 minutes this week?"}],
    }
    return {
        **{kind: [[one] for one in variants] for kind, variants in plain.items()},
        **{kind: [[one | {"with": rep} for rep in reps] for one in variants] for kind, variants in named.items()},
    }


class Content:
    """The texts where these are the reps: ``texts[i]`` is properties as JSON, ``campaigns[i]`` the campaign in them."""

    def __init__(self, reps: Sequence[str]) -> None:
        self.texts: list[str] = []
        self.campaigns: list[str] = []
        self._places: dict[str, tuple[int, int, int]] = {}
        for kind, variants in variants_of(reps).items():
            self._places[kind] = (len(self.texts), len(variants), len(variants[0]))
            for by_rep in variants:
                self.texts += [json.dumps(one, ensure_ascii=False) for one in by_rep]
                self.campaigns += [str(one.get("campaign", "")) for one in by_rep]
        self.reasons = [reason for reason, _ in RETURN_REASONS]
        self._reason_shares = np.array([share for _, share in RETURN_REASONS])
        self.suspicions = len(words.SCANNER_REASONS)

    def draw(
        self, rng: np.random.Generator, kind: str, *, reps: NDArray[np.int64], tastes: NDArray[np.int64]
    ) -> NDArray[np.int32]:
        """A text for each event of one kind.

        ``reps`` says which rep it names, where its kind names one; ``tastes`` is a number for each contact: who
        registers for a fair is met at that fair.
        """
        first, variants, by_rep = self._places[kind]
        variant = tastes % variants if kind in _STEADY_KINDS else rng.integers(variants, size=len(reps))
        chosen = variant * by_rep
        return (first + chosen + (reps if by_rep > 1 else 0)).astype(np.int32)

    def draw_reason(self, rng: np.random.Generator, *, for_now: bool) -> int:
        """Why a handoff would be returned; ``for_now``: only reasons after which the contact may be ready again."""
        shares = self._reason_shares[: COMING_BACK if for_now else None]
        return int(rng.choice(len(shares), p=shares / shares.sum()))

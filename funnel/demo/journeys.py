"""The journeys of the demo as data: who comes how, does what in which order, and how it ends. Pure."""

from dataclasses import dataclass

CLAIMED, ACCEPTED, RETURNED, CONVERTED = "handoff_claimed", "handoff_accepted", "handoff_returned", "converted"
ATTEMPTED = "call_attempted"
HOUR = 1 / 24


@dataclass(frozen=True, slots=True)
class Channel:
    """An integration of the imaginary vendor: a Source row."""

    key: str
    name: str
    channel: str
    direction: str = ""
    motion: str = ""


CHANNELS = (
    Channel("website", "Website", "Website", "inbound", "demand_generation"),
    Channel("search", "Search landing pages", "Paid search", "inbound", "lead_generation"),
    Channel("social", "LinkedIn", "LinkedIn", "inbound", "demand_generation"),
    Channel("mail", "E-mail platform", "Newsletter", "", "demand_generation"),
    Channel("webinars", "Webinar platform", "Webinar", "inbound", "demand_generation"),
    Channel("fairs", "Trade fairs", "Trade fair", "inbound", "lead_generation"),
    Channel("lists", "Purchased lists", "Purchased list", "outbound", "lead_generation"),
    Channel("partners", "Partner referrals", "Referral", "inbound", "demand_generation"),
    Channel("ads", "Ad network", "Display ads", "outbound", "lead_generation"),
    Channel("billing", "Billing", "Billing", "inbound", ""),
)
# Facts that people enter, and those of handoffs, come from the installation's internal source.
INTERNAL = "ripen"


@dataclass(frozen=True, slots=True)
class Step:
    """One event of a journey, ``after`` (from, to) days since the step before that happened; with a ``chance``.

    ``sales`` steps happen only to contacts that Sales gets to see: those that fit, while no gate is closed.
    ``offers``: the step makes such a contact ready for Sales, so that it is offered.
    ``source`` is a channel's key; "entry" is where the contact came from. ``by_rep``: entered by the rep.
    ``office`` steps happen during working hours only.
    """

    kind: str
    after: tuple[float, float]
    source: str = "entry"
    chance: float = 1.0
    sales: bool = False
    offers: bool = False
    by_rep: bool = False
    office: bool = False
    suspect: bool = False


@dataclass(frozen=True, slots=True)
class Journey:
    """A kind of contact: its share of all, when it began (days ago, from and to), its steps.

    ``ends``: the days are those of the last step instead.
    ``sought``: people who fit are put here first. ``noise`` weighs how much of the background activity (page views,
    newsletters sent and opened) falls on it; ``active_days`` is for how long after its beginning it reads us at all.
    ``closed_gate`` names an attribute that is "no" from the start. ``comes_back``: no return is for good.
    """

    key: str
    share: float
    began: tuple[float, float]
    steps: tuple[Step, ...]
    sought: bool = False
    noise: float = 1.0
    active_days: float = 400.0
    anonymous: bool = False
    ends: bool = False
    closed_gate: str = ""
    comes_back: bool = False


def _web(kind: str, after: tuple[float, float], chance: float = 1.0) -> Step:
    return Step(kind, after, chance=chance)


def _ready(kind: str, after: tuple[float, float], source: str = "entry", *, office: bool = True) -> Step:
    return Step(kind, after, source=source, offers=True, office=office)


def _mail(kind: str, after: tuple[float, float], chance: float = 1.0, *, suspect: bool = False) -> Step:
    return Step(kind, after, source="mail", chance=chance, suspect=suspect)


def _rep(kind: str, after: tuple[float, float], chance: float = 1.0) -> Step:
    return Step(kind, after, source=INTERNAL, chance=chance, sales=True, by_rep=True, office=True)


_CLAIM = _rep(CLAIMED, (0.2 * HOUR, 3.5 * HOUR))
_TRY = _rep(ATTEMPTED, (0.2 * HOUR, 5 * HOUR))
_ACCEPT = _rep(ACCEPTED, (0.2 * HOUR, 20 * HOUR))
_WARMING = (
    _web("newsletter_subscribed", (0, 0)),
    _web("asset_downloaded", (3, 20)),
    _mail("email_clicked", (2, 15), 0.7),
    _web("asset_downloaded", (2, 20), 0.4),
)
_DEMO = _ready("demo_requested", (2, 18))
# Whoever was not tried yet has a clock that runs.
_UNSURE = _rep(ATTEMPTED, (0.5 * HOUR, 7 * HOUR), 0.5)
_SELLING = (
    _CLAIM,
    _TRY,
    _ACCEPT,
    _rep("call_connected", (0.5, 3)),
    _rep("meeting_held", (3, 9)),
    _web("pricing_requested", (2, 8), 0.6),
    _rep("call_connected", (3, 9), 0.5),
)
_BUYING = (*_WARMING, _DEMO, *_SELLING)
_PURCHASE = Step("purchased", (4, 20), source="billing", office=True)

JOURNEYS = (
    Journey(
        "cold_list",
        0.25,
        (12, 260),
        (
            Step("list_imported", (0, 0), source="lists"),
            _mail("email_sent", (1, 6)),
            _mail("email_clicked", (0.0001, 0.0003), 0.06, suspect=True),
            _mail("email_opened", (0.1, 3), 0.3),
            _mail("email_sent", (6, 10), 0.7),
            _mail("email_bounced", (0.001, 0.002), 0.07),
            _mail("unsubscribed", (0.1, 5), 0.04),
        ),
        noise=0.25,
    ),
    Journey(
        "cold_warmed",
        0.04,
        (20, 240),
        (
            Step("list_imported", (0, 0), source="lists"),
            _mail("email_sent", (1, 6)),
            _mail("email_clicked", (0.1, 3)),
            _web("details_confirmed", (0.01, 0.02)),
            _web("asset_downloaded", (1, 20), 0.5),
        ),
    ),
    Journey(
        "cold_replied",
        0.02,
        (15, 200),
        (
            Step("list_imported", (0, 0), source="lists"),
            _mail("email_sent", (1, 6)),
            _ready("email_replied", (0.2, 4), "mail"),
            _CLAIM,
            _TRY,
            _ACCEPT,
            _rep("call_connected", (0.5, 4)),
            _rep(RETURNED, (8, 30), 0.95),
        ),
        sought=True,
    ),
    Journey(
        "anonymous", 0.03, (1, 120), (_web("page_viewed", (0, 0)), _web("page_viewed", (0.001, 0.01))), anonymous=True
    ),
    Journey(
        "subscriber",
        0.17,
        (2, 265),
        (
            _web("newsletter_subscribed", (0, 0)),
            _mail("email_opened", (4, 20), 0.6),
            _mail("email_clicked", (0.001, 0.01), 0.35),
            _mail("email_clicked", (0.0001, 0.0002), 0.05, suspect=True),
            _web("blog_commented", (10, 60), 0.08),
        ),
        noise=1.6,
    ),
    Journey(
        "reader",
        0.1,
        (3, 240),
        (
            _web("asset_downloaded", (0, 0)),
            _web("asset_downloaded", (1, 12), 0.75),
            _web("form_submitted", (2, 25), 0.35),
            _mail("email_clicked", (2, 25), 0.5),
            _web("asset_downloaded", (10, 60), 0.3),
        ),
        noise=1.4,
        active_days=90,
    ),
    Journey(
        "fresh_reader",
        0.05,
        (1, 24),
        (
            _web("asset_downloaded", (0, 0)),
            _mail("email_clicked", (0.5, 6), 0.6),
            _web("webinar_subscribed", (0.5, 8), 0.7),
            _web("trial_started", (0.2, 4), 0.2),
        ),
        noise=1.5,
    ),
    Journey(
        "webinar",
        0.06,
        (4, 230),
        (
            Step("webinar_subscribed", (0, 0), source="webinars"),
            Step("event_attended", (3, 14), source="webinars", chance=0.6),
            _web("asset_downloaded", (0.1, 4), 0.35),
        ),
        active_days=120,
    ),
    Journey(
        "social",
        0.03,
        (1, 200),
        (
            Step("social_liked", (0, 0), source="social"),
            Step("social_shared", (1, 30), source="social", chance=0.4),
            Step("social_question", (1, 30), source="social", chance=0.35),
        ),
    ),
    Journey(
        "dormant",
        0.08,
        (150, 262),
        (
            _web("newsletter_subscribed", (0, 0)),
            _web("asset_downloaded", (1, 8)),
            Step("webinar_subscribed", (1, 8), source="webinars", chance=0.7),
            _web("asset_downloaded", (1, 8), 0.8),
            Step("social_question", (1, 5), source="social", chance=0.2),
        ),
        noise=0.4,
        active_days=45,
    ),
    Journey(
        "fair",
        0.035,
        (6, 230),
        (
            Step("event_registered", (0, 0), source="fairs"),
            _ready("trade_show_conversation", (4, 15), "fairs"),
            _CLAIM,
            _TRY,
            _ACCEPT,
            _rep("call_connected", (1, 6)),
            _rep(RETURNED, (10, 35), 0.92),
        ),
        sought=True,
    ),
    Journey(
        "evaluating",
        0.022,
        (0.02, 1.6),
        (*_WARMING, _ready("demo_requested", (2, 18), office=False)),
        sought=True,
        noise=2,
        ends=True,
    ),
    Journey(
        "just_asked",
        0.018,
        (0.02, 2.2),
        (_web("asset_downloaded", (0, 0)), _ready("pricing_requested", (0.02, 3), office=False)),
        sought=True,
        noise=0.6,
        ends=True,
    ),
    Journey(
        "just_claimed",
        0.016,
        (0.5, 3.5),
        (_ready("demo_requested", (0, 0)), _CLAIM, _UNSURE),
        sought=True,
        noise=0.6,
    ),
    Journey("in_conversation", 0.03, (10, 34), (_ready("meeting_requested", (0, 0)), *_SELLING[:-1]), sought=True),
    Journey(
        "returned",
        0.04,
        (55, 260),
        (*_WARMING, _DEMO, *_SELLING[:4], _rep(RETURNED, (3, 20))),
        sought=True,
        active_days=120,
    ),
    Journey(
        "second_chance",
        0.012,
        (125, 260),
        (
            *_WARMING[:2],
            _DEMO,
            *_SELLING[:4],
            _rep(RETURNED, (4, 15)),
            _web("asset_downloaded", (35, 50)),
            _ready("demo_requested", (2, 20)),
            *_SELLING[:5],
            Step("purchased", (5, 20), source="billing", chance=0.5, office=True, sales=True),
        ),
        sought=True,
        comes_back=True,
    ),
    Journey("won", 0.045, (80, 265), (*_BUYING, _PURCHASE), sought=True, noise=1.5),
    Journey("signed", 0.015, (80, 265), (*_BUYING, _rep(CONVERTED, (3, 15))), sought=True, noise=1.2),
    Journey(
        "self_service", 0.02, (30, 260), (_web("trial_started", (0, 0)), Step("purchased", (3, 20), source="billing"))
    ),
    Journey(
        "churned",
        0.014,
        (150, 265),
        (*_BUYING, _PURCHASE, Step("churned", (30, 70), source="billing")),
        sought=True,
        active_days=150,
    ),
    Journey(
        "refunded",
        0.006,
        (90, 265),
        (
            _web("trial_started", (0, 0)),
            Step("purchased", (5, 15), source="billing"),
            Step("refunded", (5, 20), source="billing"),
        ),
    ),
    Journey(
        "no_budget",
        0.014,
        (3, 150),
        (_web("form_submitted", (0, 0)), _ready("pricing_requested", (0.1, 5))),
        closed_gate="means",
    ),
    Journey(
        "no_say",
        0.012,
        (3, 150),
        (_web("asset_downloaded", (0, 0)), _ready("demo_requested", (0.1, 8))),
        closed_gate="authority",
    ),
    Journey(
        "referral",
        0.02,
        (5, 200),
        (
            Step("referred", (0, 0), source="partners"),
            Step("form_submitted", (0.5, 6)),
            _ready("meeting_requested", (0.1, 4)),
            *_SELLING[:5],
            Step("purchased", (5, 25), source="billing", chance=0.4, sales=True, office=True),
            _rep(RETURNED, (5, 20), 0.9),
        ),
        sought=True,
    ),
)

# Background activity, by weight. None of it may decide a stage: sends and opens weigh nothing, page views are capped.
NOISE: tuple[tuple[str, float, str], ...] = (
    ("page_viewed", 0.42, "website"),
    ("email_sent", 0.2, "mail"),
    ("email_delivered", 0.19, "mail"),
    ("email_opened", 0.12, "mail"),
    ("ad_shown", 0.07, "ads"),
)

"""The typed structure of a definition. Pure: no Django, no clock, no database."""

from typing import Literal

import msgspec

# The five keys are fixed; a definition chooses which it uses, their order and their labels.
# This order ranks a stage that a definition does not use against those it does.
STAGE_KEYS: tuple[str, ...] = ("audience", "lead", "marketing_prospect", "sales_prospect", "customer")

Scalar = str | int | float | bool


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Common settings of every part: immutable, unknown keys are errors, defaults are not written out."""


class PropertyTest(_Part, frozen=True):
    """A test of one event property; exactly one test is given (``at_least`` and ``at_most`` together are one).

    Text compares with its case. ``pattern`` is an RE2 expression that is found anywhere in the text.
    """

    present: bool | None = None
    equals: Scalar | None = None
    one_of: tuple[Scalar, ...] | None = None
    prefix: str | None = None
    contains: str | None = None
    at_least: float | None = None
    at_most: float | None = None
    pattern: str | None = None


class Match(_Part, frozen=True):
    """Which events are meant: every part given must hold. An empty match is an error.

    ``channels`` and ``sources`` (by name) are those that an event came through.
    """

    kinds: tuple[str, ...] = ()
    initiator: Literal["us", "them", "both", "third"] | None = None
    reach: Literal["many", "one"] | None = None
    two_way: bool | None = None
    channels: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    properties: dict[str, PropertyTest] = {}


class Counting(_Part, frozen=True):
    """Which of a contact's matching events weigh; at most one way is given, every one otherwise.

    ``once``: the first only. ``once_per``: the first for each value of that property. ``latest``: the latest so many.
    ``at_most`` with ``within_days``: the first so many of each period of that length, periods counted from 1970-01-01
    UTC (1 is a day of UTC).
    """

    once: bool = False
    once_per: str = ""
    latest: int | None = None
    at_most: int | None = None
    within_days: float | None = None


class Signal(_Part, frozen=True):
    """Turns events into points.

    ``points`` may be negative; ``half_life_days`` 0 means that it never fades; ``group`` shares a cap.
    """

    key: str
    label: str
    match: Match
    points: float
    half_life_days: float = 30.0
    count: Counting = Counting()
    group: str = ""


class Group(_Part, frozen=True):
    """Signals of a group together weigh at most ``cap`` points and, where ``floor_at_zero``, never less than none."""

    key: str
    label: str
    cap: float | None = None
    floor_at_zero: bool = False


class AttributeTest(_Part, frozen=True):
    """A test of one contact or company attribute (``company.employees``); exactly one test is given.

    Text compares without case. ``words``: one of these words stands in the text as a whole word or phrase.
    An unknown value meets no test but ``known: false``.
    """

    name: str
    known: bool | None = None
    equals: Scalar | None = None
    one_of: tuple[Scalar, ...] | None = None
    words: tuple[str, ...] | None = None
    at_least: float | None = None
    at_most: float | None = None


class FitRule(_Part, frozen=True):
    """Points for who the contact is."""

    key: str
    label: str
    test: AttributeTest
    points: float


class Fit(_Part, frozen=True):
    """The target profile. Without rules no target is configured and every fit criterion is met."""

    rules: tuple[FitRule, ...] = ()


class Gate(_Part, frozen=True):
    """Closed while the attribute has the value ``closed_when``; unknown leaves it open and becomes a question."""

    key: str
    label: str
    attribute: str
    closed_when: Scalar
    question: str


class Qualifier(_Part, frozen=True):
    """One thing both teams agreed must be known about a contact before Sales gets it."""

    key: str
    label: str
    test: AttributeTest
    question: str


class Threshold(_Part, frozen=True):
    """At least this many points."""

    at_least: float


class Count(_Part, frozen=True):
    """At least ``at_least`` events of the evidence ``of``, in the last ``within_days``, after the last ``after``."""

    of: str
    at_least: int = 1
    within_days: float | None = None
    after: str = ""


class Criterion(_Part, frozen=True):
    """One node of a criteria tree; exactly one of its fields is given.

    ``score`` is fit and engagement together, ``likelihood`` (0 to 1) what the definition's learned score says; without
    one, or while that is switched off, it does not hold. ``qualifiers`` holds when some are configured and all of them
    are met, ``switch`` while the definition's switch of that name is on.
    """

    all: tuple["Criterion", ...] | None = None
    any: tuple["Criterion", ...] | None = None
    not_: "Criterion | None" = msgspec.field(name="not", default=None)
    engagement: Threshold | None = None
    fit: Threshold | None = None
    score: Threshold | None = None
    likelihood: Threshold | None = None
    count: Count | None = None
    attribute: AttributeTest | None = None
    gate: str | None = None
    qualifiers: Literal["met"] | None = None
    switch: str | None = None
    origin: Literal["inbound", "outbound"] | None = None
    reachable: bool | None = None


class Stage(_Part, frozen=True):
    """One stage: when a contact enters, while it is kept, and what the stage means for people.

    The weakest stage has no ``enter``: it is everyone's floor. Without ``keep`` a contact is kept while its
    enter criteria hold. A ``handoff`` stage is offered to Sales the moment a contact enters. A contact of the
    stage that does not meet ``flag_unless`` is flagged. ``sla_hours``: within so many business hours its owner
    follows up.
    """

    key: Literal["audience", "lead", "marketing_prospect", "sales_prospect", "customer"]
    label: str
    owner: Literal["marketing", "sales"]
    description: str
    communication: str
    calls_to_action: tuple[str, ...] = ()
    handoff: bool = False
    sla_hours: float | None = None
    enter: Criterion | None = None
    keep: Criterion | None = None
    flag_unless: Criterion | None = None


class CoolDown(_Part, frozen=True):
    """After a return only new ``lifted_by`` evidence counts towards a handoff stage, for ``days`` days."""

    days: float = 30.0
    lifted_by: str = ""


class Evidence(_Part, frozen=True):
    """A named set of events: those that meet any of its matches."""

    label: str
    any_of: tuple[Match, ...]


class Learned(_Part, frozen=True):
    """A learned score, part of the definition so that a judgement stays a function of facts, version and time.

    Log-odds = ``intercept`` + the sum of what each signal weighs now (points after counting and decay) times its
    entry in ``signals``, of each group's sum (after cap and floor) times its entry in ``groups`` (signals of a group
    count through it), and of the entries in ``fit_rules`` that are met. The likelihood is 1 / (1 + exp(-log-odds)).
    """

    intercept: float
    signals: dict[str, float] = {}
    groups: dict[str, float] = {}
    fit_rules: dict[str, float] = {}
    trained_at: str = ""
    auc: float | None = None
    outcomes: int = 0
    enabled: bool = True


class DefinitionDocument(_Part, frozen=True):
    """A whole definition: evidence, signals, fit, gates and the ordered stages, weakest first.

    ``approval`` names the teams that must agree before it is published. ``floor_at_zero``: engagement never falls
    below zero.
    """

    key: str
    name: str
    description: str
    stages: tuple[Stage, ...]
    evidence: dict[str, Evidence] = {}
    signals: tuple[Signal, ...] = ()
    groups: tuple[Group, ...] = ()
    floor_at_zero: bool = False
    fit: Fit = Fit()
    gates: tuple[Gate, ...] = ()
    qualifiers: tuple[Qualifier, ...] = ()
    switches: dict[str, bool] = {}
    approval: tuple[Literal["marketing", "sales"], ...] = ()
    cool_down: CoolDown = CoolDown()
    learned: Learned | None = None

    def stage(self, key: str) -> Stage:
        """The stage with this key; a key the definition does not use gives the next weaker one it uses."""
        return self.stages[self.stage_rank(key)]

    def stage_rank(self, key: str) -> int:
        """Index of the stage, 0 weakest; -1 for no stage (``""``), the next weaker used one for an unused key."""
        if not key:
            return -1
        ranks = {stage.key: rank for rank, stage in enumerate(self.stages)}
        for weaker in reversed(STAGE_KEYS[: STAGE_KEYS.index(key) + 1]):
            if weaker in ranks:
                return ranks[weaker]
        return 0

    @property
    def fit_threshold(self) -> float:
        """The fit, in points, that the strictest stage asks for; 0 where none does."""
        return max((leaf.fit.at_least for leaf in self.leaves() if leaf.fit), default=0.0)

    def leaves(self) -> list[Criterion]:
        """Every leaf of every stage's criteria, in document order."""
        trees = [tree for stage in self.stages for tree in (stage.enter, stage.keep, stage.flag_unless) if tree]
        return [leaf for tree in trees for leaf in leaves_of(tree)]


def children_of(node: Criterion) -> tuple[Criterion, ...]:
    """The node's children; empty for a leaf."""
    if node.not_ is not None:
        return (node.not_,)
    return node.all or node.any or ()


def leaves_of(node: Criterion) -> list[Criterion]:
    """The leaves below a node, left to right; a leaf is its own only leaf."""
    if is_branch(node):
        return [leaf for child in children_of(node) for leaf in leaves_of(child)]
    return [node]


def is_branch(node: Criterion) -> bool:
    """Whether the node combines others."""
    return node.all is not None or node.any is not None or node.not_ is not None

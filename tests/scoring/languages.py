"""Definitions made up by hypothesis: every construct of the language, always sound."""

from typing import Any

from hypothesis import strategies as st

from scoring.definition import (
    STAGE_KEYS,
    AttributeTest,
    Count,
    Counting,
    Criterion,
    DefinitionDocument,
    Fit,
    FitRule,
    Gate,
    Group,
    Learned,
    Match,
    PropertyTest,
    Qualifier,
    Signal,
    Stage,
    Threshold,
)
from scoring.definition.document import CoolDown, Evidence

KINDS = (
    "page_viewed",
    "email_clicked",
    "asset_downloaded",
    "form_submitted",
    "unsubscribed",
    "demo_requested",
    "purchased",
)
NAMES = ("plan", "a__b", "amount")
ATTRIBUTES = ("job_title", "company.employees", "attributes.tier", "means")


def is_storable(text: str) -> bool:
    """Whether a document may hold the text."""
    return "\x00" not in text and "\ufeff" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


_words = st.text(min_size=1, max_size=12).filter(lambda text: text.strip() and is_storable(text))
_prose = st.text(max_size=200).filter(is_storable)
_keys = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,10}", fullmatch=True)
_days = st.one_of(st.sampled_from([1.0, 7.0, 30.0]), st.floats(0.01, 400))


def _numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.one_of(st.integers(int(low), int(high)).map(float), st.floats(low, high), st.just(1e-7))


_scalars: st.SearchStrategy[Any] = st.one_of(_words, st.integers(-5, 5), st.floats(-5, 5), st.booleans())


@st.composite
def _ranges(draw: st.DrawFn) -> dict[str, Any]:
    bounds = sorted(draw(st.lists(_numbers(-10, 10), min_size=1, max_size=2)))
    if len(bounds) == 2:
        return {"at_least": bounds[0], "at_most": bounds[1]}
    return {draw(st.sampled_from(["at_least", "at_most"])): bounds[0]}


def _property_tests() -> st.SearchStrategy[PropertyTest]:
    return st.one_of(
        st.booleans().map(lambda v: PropertyTest(present=v)),
        _scalars.map(lambda v: PropertyTest(equals=v)),
        st.lists(_scalars, min_size=1, max_size=3).map(lambda v: PropertyTest(one_of=tuple(v))),
        _words.map(lambda v: PropertyTest(prefix=v)),
        _words.map(lambda v: PropertyTest(contains=v)),
        _ranges().map(lambda bounds: PropertyTest(**bounds)),
        st.sampled_from(["^a", r"\d+", "(?i)pro"]).map(lambda v: PropertyTest(pattern=v)),
    )


def _attribute_tests() -> st.SearchStrategy[AttributeTest]:
    names = st.sampled_from(ATTRIBUTES)
    return st.one_of(
        st.builds(lambda name, v: AttributeTest(name=name, known=v), names, st.booleans()),
        st.builds(lambda name, v: AttributeTest(name=name, equals=v), names, _scalars),
        st.builds(lambda name, v: AttributeTest(name=name, one_of=(v, 1)), names, _scalars),
        st.builds(lambda name, v: AttributeTest(name=name, words=(v,)), names, st.sampled_from(["vp", "Head of"])),
        st.builds(lambda name, bounds: AttributeTest(name=name, **bounds), names, _ranges()),
    )


@st.composite
def _matches(draw: st.DrawFn) -> Match:
    match = Match(
        kinds=tuple(draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=3, unique=True))),
        initiator=draw(st.sampled_from([None, None, "them"])),
        two_way=draw(st.sampled_from([None, None, None, False])),
        channels=tuple(draw(st.lists(_words, max_size=1))),
        properties=draw(st.dictionaries(st.sampled_from(NAMES), _property_tests(), max_size=1)),
    )
    return draw(st.sampled_from([match, Match(kinds=match.kinds)]))


def _countings() -> st.SearchStrategy[Counting]:
    return st.one_of(
        st.just(Counting()),
        st.just(Counting(once=True)),
        st.sampled_from(NAMES).map(lambda name: Counting(once_per=name)),
        st.integers(1, 4).map(lambda number: Counting(latest=number)),
        st.builds(lambda number, days: Counting(at_most=number, within_days=days), st.integers(1, 3), _days),
    )


@st.composite
def _signals(draw: st.DrawFn, key: str, groups: list[str]) -> Signal:
    return Signal(
        key=key,
        label=draw(_words),
        match=draw(_matches()),
        points=draw(_numbers(-40, 40)),
        half_life_days=draw(st.one_of(st.just(0.0), _days)),
        count=draw(_countings()),
        group=draw(st.sampled_from(["", *groups])),
    )


@st.composite
def _leaves(draw: st.DrawFn, evidence: list[str]) -> Criterion:
    threshold = st.builds(lambda n: Threshold(at_least=n), _numbers(-5, 60))
    counts = st.builds(
        lambda of, number, days, after: Count(of=of, at_least=number, within_days=days, after=after),
        st.sampled_from(evidence),
        st.integers(1, 3),
        st.one_of(st.none(), _days),
        st.sampled_from(["", *evidence]),
    )
    leaf: Criterion = draw(
        st.one_of(
            threshold.map(lambda one: Criterion(engagement=one)),
            threshold.map(lambda one: Criterion(score=one)),
            threshold.map(lambda one: Criterion(fit=one)),
            st.floats(0.001, 0.999).map(lambda p: Criterion(likelihood=Threshold(at_least=p))),
            counts.map(lambda count: Criterion(count=count)),
            _attribute_tests().map(lambda test: Criterion(attribute=test)),
            st.just(Criterion(gate="means")),
            st.just(Criterion(qualifiers="met")),
            st.just(Criterion(switch="retail")),
            st.just(Criterion(origin="inbound")),
            st.just(Criterion(reachable=True)),
        )
    )
    return leaf


def _trees(evidence: list[str]) -> st.SearchStrategy[Criterion]:
    return st.recursive(
        _leaves(evidence),
        lambda below: st.one_of(
            st.lists(below, min_size=1, max_size=3).map(lambda nodes: Criterion(all=tuple(nodes))),
            st.lists(below, min_size=1, max_size=3).map(lambda nodes: Criterion(any=tuple(nodes))),
            below.map(lambda node: Criterion(not_=node)),
        ),
        max_leaves=5,
    )


@st.composite
def _stages(draw: st.DrawFn, evidence: list[str]) -> list[Stage]:
    keys = sorted(draw(st.sets(st.sampled_from(STAGE_KEYS), min_size=1, max_size=4)), key=STAGE_KEYS.index)
    found = []
    for rank, key in enumerate(keys):
        needed = Criterion(
            count=Count(of=draw(st.sampled_from(evidence)), within_days=draw(st.one_of(st.none(), _days)))
        )
        enter = Criterion(all=(needed, draw(_trees(evidence))))
        found.append(
            Stage(
                key=key,  # type: ignore[arg-type]  # one of the five
                label=draw(_words),
                owner=draw(st.sampled_from(["marketing", "sales"])),
                description=draw(_prose),
                communication=draw(_prose),
                calls_to_action=tuple(draw(st.lists(_words, max_size=2))),
                handoff=rank > 0 and key != "customer" and draw(st.booleans()),
                sla_hours=draw(st.one_of(st.none(), st.floats(0.5, 80))),
                enter=enter if rank else None,
                keep=draw(st.sampled_from([None, Criterion(any=(enter, draw(_trees(evidence))))])) if rank else None,
                flag_unless=draw(st.one_of(st.none(), _trees(evidence))),
            )
        )
    return found


@st.composite
def documents(draw: st.DrawFn) -> DefinitionDocument:
    """A sound document with any of the language's constructs."""
    evidence = draw(st.lists(_keys, min_size=1, max_size=3, unique=True))
    groups = draw(st.lists(_keys, max_size=2, unique=True))
    signals = [draw(_signals(f"s{n}", groups)) for n in range(draw(st.integers(0, 5)))]
    rules = [
        FitRule(key=f"f{n}", label=draw(_words), test=draw(_attribute_tests()), points=draw(_numbers(-20, 20)))
        for n in range(draw(st.integers(0, 2)))
    ]
    weights = _numbers(-2, 2)
    learned = Learned(
        intercept=draw(_numbers(-5, 5)),
        signals={signal.key: draw(weights) for signal in signals if not signal.group},
        groups={key: draw(weights) for key in groups},
        fit_rules={rule.key: draw(weights) for rule in rules},
        auc=draw(st.one_of(st.none(), st.floats(0, 1))),
        enabled=draw(st.sampled_from([True, True, False])),
    )
    return DefinitionDocument(
        key=draw(_keys),
        name=draw(_words),
        description=draw(_prose),
        evidence={
            key: Evidence(label=draw(_words), any_of=tuple(draw(st.lists(_matches(), min_size=1, max_size=2))))
            for key in evidence
        },
        signals=tuple(signals),
        groups=tuple(
            Group(
                key=key,
                label=draw(_words),
                cap=draw(st.one_of(st.none(), _numbers(0, 50))),
                floor_at_zero=draw(st.booleans()),
            )
            for key in groups
        ),
        floor_at_zero=draw(st.booleans()),
        fit=Fit(rules=tuple(rules)),
        gates=(Gate(key="means", label="Means", attribute="means", closed_when="no", question=draw(_words)),),
        qualifiers=tuple(
            Qualifier(key=f"q{n}", label=draw(_words), test=draw(_attribute_tests()), question=draw(_words))
            for n in range(draw(st.integers(0, 1)))
        ),
        switches={"retail": draw(st.booleans())},
        approval=draw(st.sampled_from([(), ("marketing",), ("marketing", "sales")])),
        cool_down=CoolDown(days=draw(st.floats(0, 60)), lifted_by=draw(st.sampled_from(["", *evidence]))),
        stages=tuple(draw(_stages(evidence))),
        learned=draw(st.sampled_from([None, learned])),
    )

"""What makes a definition sound. Each problem names its path and the fix."""

import re
from collections.abc import Iterator

from scoring.definition.criteria import (
    BETWEEN,
    LONGEST_DAYS,
    MOST_POINTS,
    TOO_LONG,
    TOO_MANY,
    TWICE,
    ZERO_TO,
    attribute_problems,
    criteria_problems,
    scalar_problems,
)
from scoring.definition.document import DefinitionDocument
from scoring.definition.problems import DefinitionError, Problem, gettext_noop
from scoring.definition.signals import match_problems, signal_problems

__all__ = ["DefinitionError", "Problem", "find_problems"]

KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
LONGEST_LABEL = 200

# How many of each a definition may have: generous for people, bounded for the engine's small integers.
MOST = {"signals": 200, "groups": 50, "gates": 50, "qualifiers": 50, "stages": 5, "evidence": 200, "switches": 50}
MOST_FIT_RULES = 200
MOST_MATCHES = 50
MOST_CALLS = 20

_KEYED = ("signals", "groups", "gates", "qualifiers", "stages")


def find_problems(
    document: DefinitionDocument,
    *,
    known_kinds: frozenset[str] | None = None,
    known_sources: frozenset[str] | None = None,
) -> list[Problem]:
    """Everything wrong with the document; an empty list means that it can be published.

    ``known_kinds``, ``known_sources``: when given, names of kinds and of sources outside them are problems too.
    """
    sizes = list(_size_problems(document))
    if sizes:
        return sizes
    return [
        *_key_problems(document),
        *_label_problems(document),
        *match_problems(document, known_kinds, known_sources),
        *signal_problems(document),
        *_profile_problems(document),
        *_stage_problems(document),
        *criteria_problems(document),
    ]


def _size_problems(document: DefinitionDocument) -> Iterator[Problem]:
    for name, most in MOST.items():
        if len(getattr(document, name)) > most:
            yield Problem(name, TOO_MANY, {"most": most})
    if len(document.fit.rules) > MOST_FIT_RULES:
        yield Problem("fit.rules", TOO_MANY, {"most": MOST_FIT_RULES})
    for key, evidence in document.evidence.items():
        if len(evidence.any_of) > MOST_MATCHES:
            yield Problem(
                f"evidence.{key}.any_of",
                gettext_noop("holds more than %(most)s matches; use fewer"),
                {"most": MOST_MATCHES},
            )
    for index, stage in enumerate(document.stages):
        if len(stage.calls_to_action) > MOST_CALLS:
            yield Problem(f"stages[{index}].calls_to_action", TOO_MANY, {"most": MOST_CALLS})


_EMPTY_KEY = gettext_noop(
    "is empty; a key is up to 64 letters (a to z), digits, '_', '-' or '.', beginning with a letter or digit"
)
_NO_KEY = gettext_noop(
    "is no key: a key is up to 64 letters (a to z), digits, '_', '-' or '.', beginning with a letter or digit"
)


def _key_problems(document: DefinitionDocument) -> Iterator[Problem]:
    lists = [(name, [part.key for part in getattr(document, name)]) for name in _KEYED]
    lists.append(("fit.rules", [rule.key for rule in document.fit.rules]))
    keys = [("key", document.key)]
    for name, found in lists:
        keys += [(f"{name}[{index}].key", key) for index, key in enumerate(found)]
    keys += [(f"evidence.{key}", key) for key in document.evidence]
    keys += [(f"switches.{key}", key) for key in document.switches]
    for path, key in keys:
        if not KEY.fullmatch(key):
            yield Problem(path[:200], _NO_KEY if key else _EMPTY_KEY)
    for name, found in lists:
        seen: set[str] = set()
        for index, key in enumerate(found):
            if key in seen:
                yield Problem(f"{name}[{index}].key", TWICE, {"name": repr(key)})
            seen.add(key)


def _label_problems(document: DefinitionDocument) -> Iterator[Problem]:
    labels = [("name", document.name)]
    for name in _KEYED:
        labels += [(f"{name}[{index}].label", part.label) for index, part in enumerate(getattr(document, name))]
    labels += [(f"fit.rules[{index}].label", rule.label) for index, rule in enumerate(document.fit.rules)]
    labels += [(f"evidence.{key}.label", evidence.label) for key, evidence in document.evidence.items()]
    for name in ("gates", "qualifiers"):
        labels += [(f"{name}[{index}].question", part.question) for index, part in enumerate(getattr(document, name))]
    for index, stage in enumerate(document.stages):
        labels += [(f"stages[{index}].calls_to_action[{n}]", call) for n, call in enumerate(stage.calls_to_action)]
    for path, label in labels:
        if not label.strip():
            yield Problem(path, gettext_noop("is empty; say it in a few words"))
        elif len(label) > LONGEST_LABEL:
            yield Problem(path, TOO_LONG, {"most": LONGEST_LABEL})


def _profile_problems(document: DefinitionDocument) -> Iterator[Problem]:
    for index, rule in enumerate(document.fit.rules):
        yield from attribute_problems(f"fit.rules[{index}].test", rule.test)
        if abs(rule.points) > MOST_POINTS:
            yield Problem(f"fit.rules[{index}].points", BETWEEN, {"least": -MOST_POINTS, "most": MOST_POINTS})
    for index, qualifier in enumerate(document.qualifiers):
        yield from attribute_problems(f"qualifiers[{index}].test", qualifier.test)
    for index, gate in enumerate(document.gates):
        path = f"gates[{index}]"
        if not gate.attribute.strip() or len(gate.attribute) > 255:
            yield Problem(f"{path}.attribute", gettext_noop("must name an attribute, as in means or authority"))
        yield from scalar_problems(f"{path}.closed_when", (gate.closed_when,))
        if gate.attribute in ("means", "authority") and isinstance(gate.closed_when, bool):
            word = "yes" if gate.closed_when else "no"
            yield Problem(
                f"{path}.closed_when",
                gettext_noop('must be "%(word)s" in quotes: without them YAML reads it as a truth'),
                {"word": word},
            )
    lifted_by = document.cool_down.lifted_by
    if lifted_by and lifted_by not in document.evidence:
        yield Problem(
            "cool_down.lifted_by",
            gettext_noop("%(name)s is no evidence of this definition; add it under evidence"),
            {"name": repr(lifted_by)},
        )
    if not 0 <= document.cool_down.days <= LONGEST_DAYS:
        yield Problem("cool_down.days", ZERO_TO, {"most": LONGEST_DAYS})
    if len(set(document.approval)) != len(document.approval):
        yield Problem("approval", gettext_noop("names a team twice; name each once"))


def _stage_problems(document: DefinitionDocument) -> Iterator[Problem]:
    for index, stage in enumerate(document.stages):
        if stage.handoff and stage.key == "customer":
            path = f"stages[{index}].handoff"
            yield Problem(path, gettext_noop("must not be set on customer; a customer is not offered to Sales"))
        if stage.sla_hours is not None and not 0 < stage.sla_hours <= 10_000:
            yield Problem(
                f"stages[{index}].sla_hours",
                gettext_noop("must be > 0 and at most %(most)s business hours"),
                {"most": 10_000},
            )

"""Two contacts side by side: what one meets and the other does not, and which of it decides."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
from django.utils.translation import gettext, pgettext

from config.web.formats import format_number
from contacts.models import Contact
from scoring.engine import UNKNOWN_PAST, Assessor, Facts, Verdicts, judge, take_apart
from scoring.engine.coding import FIRST_PROPERTY_CODE
from scoring.engine.compiled import Node
from scoring.engine.facts import IntArray
from scoring.models import Definition
from scoring.moments import to_datetime, to_micros
from scoring.selectors import compile_row
from scoring.services.case import Case, open_recorded, open_replayed
from scoring.services.explain import step_towards
from scoring.services.sentences import found_at, is_met, kind_behind, stage_sentence
from scoring.services.snapshots import one_state
from scoring.step_words import steps_in_words
from scoring.wording import KIND_PHRASES, amount, both, day, describe, in_sentence, kind_phrase

# Differences that the first sentence names; what else differs stands in the table.
_TOLD = 3


@one_state()
def contrast_contacts(
    *, contact_id: int, other_id: int, at: datetime, definition: Definition | None = None
) -> dict[str, Any]:
    """Set two contacts side by side at a moment; computed live, nothing is written, a fixed number of queries.

    ``definition`` as for ``explain_contact``. The answer is JSON-ready: ``sentence`` names the difference that
    decides, and what would make the weaker one equal only where a judgement with it really does; ``contact`` and
    ``other`` hold each one's stage, sentence and scores; ``criteria``, ``signals`` and ``fit`` what differs, each row
    with a value for ``contact`` and one for ``other``. See docs/explaining.md.

    Raises:
        Contact.DoesNotExist: when there is no such contact, or it was merged into another.
    """
    ids = [contact_id, other_id]
    if definition is None:
        cases = open_recorded(ids, at=at)
    else:
        cases = open_replayed(ids, compiled=compile_row(definition), at=at)
    found = {case.contact_id: case for case in cases}
    if any(pk not in found for pk in ids):
        raise Contact.DoesNotExist("There is no such contact.")
    names = _names(ids)
    one, two = found[contact_id], found[other_id]
    return {
        "at": at.isoformat(),
        "definition": cases.compiled.version,
        "sentence": _decisive(one, two, names),
        "contact": _side(one, names),
        "other": _side(two, names),
        "criteria": _criteria(one, two),
        "signals": _signals(one, two),
        "fit": _fit(one, two),
    }


def _names(ids: Sequence[int]) -> dict[int, str]:
    names = {row.pk: row.display_name for row in Contact.objects.filter(pk__in=ids)}
    alike = len(set(names.values())) < len(names)
    return {pk: f"{name} ({pk})" if alike else name for pk, name in names.items()}


def _side(case: Case, names: dict[int, str]) -> dict[str, Any]:
    stage = case.document.stages[case.rank]
    likelihood = case.verdicts.likelihood
    return {
        "contact": str(case.contact_id),
        "name": names[case.contact_id],
        "known": case.known,
        "stage": {
            "key": stage.key,
            "label": stage.label,
            "since": case.since.isoformat() if case.since else None,
            "furthest": case.document.stages[case.furthest].key,
        },
        "scores": {
            "engagement": int(case.verdicts.engagement[case.index]) / 1000,
            "fit": int(case.verdicts.fit[case.index]) / 1000,
            "likelihood": None if likelihood is None else round(float(likelihood[case.index]), 4),
        },
        "sentence": stage_sentence(case),
    }


def _criteria(one: Case, two: Case) -> list[dict[str, Any]]:
    """Each leaf that one meets and the other does not, strongest stage first."""
    rows = []
    for rank in reversed(range(one.compiled.stage_count)):
        stage = one.document.stages[rank]
        for name, trees in (("enter", one.compiled.enter), ("keep", one.compiled.keep)):
            rows += [
                {
                    "stage": stage.key,
                    "label": stage.label,
                    "criteria": name,
                    "text": describe(leaf.criterion, one.document),
                    "contact": {"met": is_met(one, leaf), "found": _found(one, leaf)},
                    "other": {"met": is_met(two, leaf), "found": _found(two, leaf)},
                }
                for leaf in _leaves(trees[rank])
                if is_met(one, leaf) != is_met(two, leaf)
            ]
    return rows


def _found(case: Case, node: Node) -> str:
    if node.leaf >= 0:
        return found_at(case, node)
    inner = node.children[0]
    return found_at(case, inner) if inner.leaf >= 0 else ""


def _leaves(node: Node | None) -> list[Node]:
    if node is None:
        return []
    # What must not be is told as such, not as its opposite.
    if node.leaf >= 0 or node.criterion.not_ is not None:
        return [node]
    return [leaf for child in node.children for leaf in _leaves(child)]


def _signals(one: Case, two: Case) -> list[dict[str, Any]]:
    """The ledgers by rule, caps and floors with a row of their own: each column adds up to its engagement."""
    rows: dict[tuple[str, str, bool], dict[str, Any]] = {}
    for name, case in (("contact", one), ("other", two)):
        for line in take_apart(case.compiled, case.facts, to_micros(case.at)).lines:
            is_bound = line.event_id < 0
            row = rows.setdefault(
                (line.signal, line.label, is_bound),
                {
                    "rule": line.signal,
                    "label": line.label,
                    "cap": is_bound,
                    "contact": {"events": 0, "points": 0},
                    "other": {"events": 0, "points": 0},
                },
            )
            row[name]["events"] += not is_bound
            row[name]["points"] += line.millipoints
    ordered = sorted(rows.values(), key=lambda row: (row["cap"], -max(row[n]["points"] for n in ("contact", "other"))))
    for row in ordered:
        for name in ("contact", "other"):
            row[name]["points"] /= 1000
    return ordered


def _fit(one: Case, two: Case) -> list[dict[str, Any]]:
    """The fit rules that hold for one and not for the other."""
    assessor, rules = Assessor(one.document), one.document.fit.rules
    lines = [dict(assessor.assess(list(case.profile.values())).lines) for case in (one, two)]
    return [
        {
            "rule": rule.key,
            "label": rule.label,
            "contact": {"value": one.profile.get(rule.test.name), "points": lines[0].get(index, 0) / 1000},
            "other": {"value": two.profile.get(rule.test.name), "points": lines[1].get(index, 0) / 1000},
        }
        for index, rule in enumerate(rules)
        if lines[0].get(index) != lines[1].get(index)
    ]


def _decisive(one: Case, two: Case, names: dict[int, str]) -> str:
    """The first sentence: which difference puts one further than the other, and what would make them equal."""
    if one.contact_id == two.contact_id:
        return gettext("This is one contact.")
    if not (one.known and two.known):
        missing = both([names[case.contact_id] for case in (one, two) if not case.known])
        return gettext("Nothing was known yet of %(names)s.") % {"names": missing}
    if one.rank == two.rank:
        return _equal(one, two, names)
    ahead, behind = (one, two) if one.rank > two.rank else (two, one)
    first, second = names[ahead.contact_id], names[behind.contact_id]
    stage = _one(ahead.document.stages[ahead.rank].label)
    tree = ahead.compiled.enter[ahead.rank]
    if not ahead.entered:
        tree = ahead.compiled.keep[ahead.rank] or tree
    decisive = _missing(tree, ahead, behind) if tree else []
    if not decisive:
        return " ".join([_kept(ahead, behind, names), *_enough(ahead, behind, second, stage)])
    told = "; ".join(dict.fromkeys(_difference(leaf, ahead, behind, first, second) for leaf in decisive[:_TOLD]))
    if ahead.entered:
        start = gettext("%(difference)s.") % {"difference": told}
    else:
        parts = {"name": first, "stage": stage, "difference": told}
        start = gettext("%(name)s is kept as %(stage)s: %(difference)s.") % parts
    verdicts = _after_the_same(decisive, ahead, behind)
    if verdicts is not None and verdicts.enter[0, ahead.rank] and int(verdicts.stage[0]) >= ahead.rank:
        parts = {"name": second, "stage": _one(behind.document.stages[int(verdicts.stage[0])].label)}
        if all(leaf.criterion.count is not None for leaf in decisive):
            wish = gettext("If %(name)s did the same now, it would be %(stage)s.") % parts
        else:
            wish = gettext("If the same held for %(name)s, it would be %(stage)s.") % parts
        return f"{start} {wish}"
    return " ".join([start, *_enough(ahead, behind, second, stage)])


def _equal(one: Case, two: Case, names: dict[int, str]) -> str:
    first, second = names[one.contact_id], names[two.contact_id]
    parts = {"stage": one.document.stages[one.rank].label}
    if one.entered == two.entered or one.rank == 0:
        return gettext("Both stand at %(stage)s; no criterion puts one further than the other.") % parts
    parts["entered"], parts["kept"] = (first, second) if one.entered else (second, first)
    said = gettext(
        "Both stand at %(stage)s: %(entered)s meets what entering asks for, %(kept)s only what staying asks for."
    )
    return said % parts


def _kept(ahead: Case, behind: Case, names: dict[int, str]) -> str:
    """One is kept where the other, meeting the same, never came."""
    parts = {
        "first": names[ahead.contact_id],
        "second": names[behind.contact_id],
        "stage": _one(ahead.document.stages[ahead.rank].label),
    }
    if ahead.since:
        parts["day"] = day(ahead.since, seen_from=ahead.at)
        said = gettext(
            "%(first)s is kept as %(stage)s, which it has been since %(day)s; "
            "%(second)s meets no less now, but was none before."
        )
    else:
        said = gettext(
            "%(first)s is kept as %(stage)s, which it has been; %(second)s meets no less now, but was none before."
        )
    return said % parts


def _enough(ahead: Case, behind: Case, name: str, stage: str) -> list[str]:
    """What would bring the weaker one there, as a sentence, where a short step does."""
    step = step_towards(behind, ahead.rank)
    if step is None:
        return []
    events = [(event["kind"], event["properties"], event["times"]) for event in step["events"]]
    parts = {"name": name, "stage": stage, "steps": steps_in_words(events, step["attributes"])}
    return [gettext("For %(name)s to become %(stage)s: it would be enough that %(steps)s.") % parts]


def _one(label: str) -> str:
    """A stage label as what somebody is: ``a sales prospect``.

    Where a language has no such article, or bends it, both patterns set the label in quotation marks.
    """
    parts = {"stage": in_sentence(label)}
    if label[:1].lower() in "aeio":
        return pgettext("a stage that begins with a vowel", "an %(stage)s") % parts
    return pgettext("a stage", "a %(stage)s") % parts


def _missing(node: Node, ahead: Case, behind: Case) -> list[Node]:
    """The leaves that make the node hold for one and keep it from holding for the other."""
    if not is_met(ahead, node) or is_met(behind, node):
        return []
    if node.leaf >= 0 or node.criterion.not_ is not None:
        return [node]
    if node.criterion.all is not None:
        return [leaf for child in node.children for leaf in _missing(child, ahead, behind)]
    return next(leaves for child in node.children if (leaves := _missing(child, ahead, behind)))


def _difference(node: Node, ahead: Case, behind: Case, first: str, second: str) -> str:
    """One decisive criterion in words: ``Ann asked for a demo on 28 Feb, Ben did not``."""
    criterion = node.criterion
    parts = {"first": first, "second": second}
    if criterion.count is not None:
        return _count_difference(node, ahead, behind, parts)
    if node.leaf < 0:
        parts["criterion"] = describe(criterion, ahead.document)
        return gettext('%(first)s meets "%(criterion)s", %(second)s does not') % parts
    theirs, ours = found_at(ahead, node), found_at(behind, node)
    needed = criterion.engagement or criterion.fit or criterion.score
    if needed is not None:
        parts |= {"theirs": theirs, "ours": ours, "needed": amount(needed.at_least)}
        if criterion.engagement:
            return gettext("%(first)s has engagement %(theirs)s of %(needed)s needed, %(second)s %(ours)s") % parts
        if criterion.fit:
            return gettext("%(first)s has fit %(theirs)s of %(needed)s needed, %(second)s %(ours)s") % parts
        said = gettext("%(first)s has fit and engagement together %(theirs)s of %(needed)s needed, %(second)s %(ours)s")
        return said % parts
    parts |= {"criterion": describe(criterion, ahead.document)}
    parts |= {"theirs": theirs or gettext("yes"), "ours": ours or gettext("no")}
    return gettext("%(criterion)s: %(first)s %(theirs)s, %(second)s %(ours)s") % parts


def _count_difference(node: Node, ahead: Case, behind: Case, parts: dict[str, str]) -> str:
    count = ahead.compiled.leaves[node.leaf].count
    last = int(ahead.verdicts.last_counted[node.leaf][ahead.index])
    if count is None or last == UNKNOWN_PAST:
        parts |= {"criterion": describe(node.criterion, ahead.document)}
        return gettext("%(first)s meets %(criterion)s, %(second)s does not") % parts
    kind = kind_behind(ahead, node.leaf, last)
    parts |= {"deed": kind_phrase(kind), "day": day(to_datetime(last), seen_from=ahead.at)}
    ever = behind.facts.event_at[count.of[behind.facts.event_code]]
    if count.at_least > 1:
        label = ahead.document.evidence[node.criterion.count.of].label if node.criterion.count else ""
        parts |= {"what": label, "needed": format_number(count.at_least)}
        parts |= {"theirs": format_number(int(ahead.verdicts.counted[node.leaf][ahead.index]))}
        parts |= {"ours": format_number(int(behind.verdicts.counted[node.leaf][behind.index]))}
        return gettext("%(first)s has %(theirs)s of %(needed)s needed (%(what)s), %(second)s %(ours)s") % parts
    if len(ever):
        parts["stale"] = day(to_datetime(int(ever.max())), seen_from=behind.at)
        said = gettext(
            "%(first)s %(deed)s on %(day)s, %(second)s has nothing of the kind that still counts (last on %(stale)s)"
        )
        return said % parts
    if _is_done_to(kind):
        return gettext("%(first)s %(deed)s on %(day)s, %(second)s was not") % parts
    return gettext("%(first)s %(deed)s on %(day)s, %(second)s did not") % parts


def _is_done_to(kind: str) -> bool:
    """Whether others do the deed to a contact (``was sent an e-mail``); told by the kind, in no language."""
    return KIND_PHRASES.get(kind, kind.replace("_", " ")).startswith("was ")


def _after_the_same(decisive: Sequence[Node], ahead: Case, behind: Case) -> Verdicts | None:
    """The weaker one judged as if what decides were true of it too; None where that is more than facts can say.

    Events are those of the other contact, happening now; attribute values those of the other contact.
    """
    copied: list[int] = []
    values = dict(behind.profile)
    for node in decisive:
        criterion = node.criterion
        if criterion.count is not None:
            copied += _rows_behind(node, ahead, behind)
        elif criterion.gate is not None:
            gate = next(gate for gate in ahead.document.gates if gate.key == criterion.gate)
            values[gate.attribute] = ahead.profile.get(gate.attribute)
        elif criterion.attribute is not None:
            values[criterion.attribute.name] = ahead.profile.get(criterion.attribute.name)
        elif criterion.fit is not None:
            values |= {rule.test.name: ahead.profile.get(rule.test.name) for rule in ahead.document.fit.rules}
        else:
            return None
    facts = _with(behind, ahead.facts, np.array(copied, dtype=np.int64), values)
    return judge(behind.compiled, facts, np.array([to_micros(behind.at)]), behind.prior)


def _rows_behind(node: Node, ahead: Case, behind: Case) -> list[int]:
    """Rows (in the facts of the one ahead) of the latest events that the other lacks for a count, in full."""
    count = ahead.compiled.leaves[node.leaf].count
    if count is None:
        return []
    facts = ahead.facts
    rows = np.flatnonzero(count.of[facts.event_code])
    whole = facts.event_code < FIRST_PROPERTY_CODE
    kinds = dict(zip(facts.event_id[whole].tolist(), facts.event_code[whole].tolist(), strict=True))
    # Of several at one instant the one that the sentence names (kind_behind) comes first.
    named = np.array([kinds[event_id] for event_id in facts.event_id[rows].tolist()], dtype=np.int64)
    latest = list(dict.fromkeys(facts.event_id[rows[np.lexsort((-named, -facts.event_at[rows]))]].tolist()))
    lacking = count.at_least - int(behind.verdicts.counted[node.leaf][behind.index])
    found: list[int] = np.flatnonzero(np.isin(facts.event_id, latest[:lacking])).tolist()
    return found


def _with(case: Case, source: Facts, rows: IntArray, values: dict[str, object]) -> Facts:
    """The case's facts with these rows of another's happening now, and with these attribute values."""
    facts, assessor = case.facts, Assessor(case.document)
    assessed = assessor.assess([values.get(name) for name in assessor.attributes])
    has_values = len(facts.event_value) or len(source.event_value)
    return replace(
        facts,
        event_contact=np.concatenate([facts.event_contact, np.zeros(len(rows), dtype=np.int64)]),
        event_at=np.concatenate([facts.event_at, np.full(len(rows), to_micros(case.at), dtype=np.int64)]),
        event_code=np.concatenate([facts.event_code, source.event_code[rows]]),
        event_id=np.concatenate([facts.event_id, source.event_id[rows]]),
        event_value=np.concatenate([facts.event_value, source.event_value[rows]]) if has_values else facts.event_value,
        profile_contact=np.zeros(1, dtype=np.int64),
        profile_at=np.array([UNKNOWN_PAST]),
        profile_fit=np.array([assessed.fit], dtype=np.int64),
        profile_answers=np.array([assessed.answers], dtype=np.bool_),
        ordered=False,
    )

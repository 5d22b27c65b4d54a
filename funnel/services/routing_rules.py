"""Routing rules: made, changed, put in order, switched and deleted. All of it holds for offers from then on."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext

from contacts.audit import AuditAct
from contacts.permissions import SELLERS
from contacts.services.auditing import audited
from funnel.enums import RoutingMode
from funnel.models import RoutingRule
from funnel.permissions import check_plan_sales
from funnel.routing import BOUNDS, LISTS
from scoring.selectors import stage_labels

MOST_RULES: Final = 200
_MOST_WORDS: Final = 250


@audited(AuditAct.RULE_SAVED, "result", keep=["name", "mode"])
def save_rule(
    *,
    rule: RoutingRule | None,
    name: str,
    mode: str,
    conditions: Mapping[str, Any],
    rep_ids: Iterable[int],
    by: User,
) -> RoutingRule:
    """Change a rule, or make one (``rule`` None), which is asked last.

    ``conditions``: see ``RoutingRule``. ``rep_ids``: whom it chooses among; none means everybody who takes handoffs by
    rules. Raises ``ValidationError`` naming the field, ``PermissionDenied``.
    """
    check_plan_sales(by)
    name = " ".join(name.split())
    reps = sorted(set(rep_ids))
    problems = {**_wrong_name(name, mode), **_wrong_conditions(conditions)}
    sellers = User.objects.filter(groups__name__in=[role.value for role in SELLERS], pk__in=reps)
    if sellers.distinct().count() != len(reps):
        problems["reps"] = gettext("Choose among the people in Sales.")
    if problems:
        raise ValidationError(problems)
    try:
        with transaction.atomic():
            # One at a time, so that no two get the same place.
            places = list(RoutingRule.objects.select_for_update().values_list("position", flat=True))
            if rule is None:
                if len(places) >= MOST_RULES:
                    raise ValidationError(
                        {"name": gettext("There are %(most_rules)s rules already.") % {"most_rules": MOST_RULES}}
                    )
                rule = RoutingRule(position=max(places, default=0) + 1)
            rule.name, rule.mode, rule.conditions = name, mode, _kept(conditions)
            rule.save()
            rule.reps.set(reps)
    except IntegrityError as error:
        raise ValidationError({"name": gettext("There is a rule named %(name)s already.") % {"name": name}}) from error
    return rule


@audited(AuditAct.RULE_MOVED, "rule", keep=["up"])
def move_rule(*, rule: RoutingRule, up: bool, by: User) -> None:
    """Let a rule be asked one place earlier (``up``) or later; at the end of the list nothing changes."""
    check_plan_sales(by)
    with transaction.atomic():
        rules = list(RoutingRule.objects.order_by("position", "id").select_for_update())
        at = next((index for index, one in enumerate(rules) if one.pk == rule.pk), None)
        other = None if at is None else at + (-1 if up else 1)
        if at is None or other is None or not 0 <= other < len(rules):
            return
        rules[at], rules[other] = rules[other], rules[at]
        for position, one in enumerate(rules, start=1):
            one.position = position
        RoutingRule.objects.bulk_update(rules, ["position"])


@audited(AuditAct.RULE_SWITCHED, "rule", keep=["on"])
def switch_rule(*, rule: RoutingRule, on: bool, by: User) -> None:
    """Let a rule be asked, or keep it without asking it."""
    check_plan_sales(by)
    RoutingRule.objects.filter(pk=rule.pk).update(is_active=on)


@audited(AuditAct.RULE_DELETED, "rule", keep=["rule.name"])
def delete_rule(*, rule: RoutingRule, by: User) -> None:
    """Delete a rule; what it gave to somebody stays theirs."""
    check_plan_sales(by)
    RoutingRule.objects.filter(pk=rule.pk).delete()


def _wrong_name(name: str, mode: str) -> dict[str, str]:
    problems = {}
    if not 0 < len(name) <= 100:
        problems["name"] = gettext("Give the rule a name of at most 100 characters.")
    if mode not in RoutingMode.values:
        problems["mode"] = gettext("Choose one of: %(list)s.") % {"list": ", ".join(RoutingMode.values)}
    return problems


def _wrong_conditions(conditions: Mapping[str, Any]) -> dict[str, str]:
    problems = {}
    if unknown := sorted(set(conditions) - {*LISTS, *BOUNDS}):
        problems["conditions"] = gettext("%(what)s is nothing that a rule asks.") % {"what": unknown[0]}
    for name in LISTS:
        words = conditions.get(name) or ()
        if len(words) > _MOST_WORDS or any(not isinstance(word, str) or len(word) > 100 for word in words):
            problems[name] = gettext("Name at most %(most_words)s, each in at most 100 characters.") % {
                "most_words": _MOST_WORDS
            }
    if unused := [stage for stage in conditions.get("stages") or () if stage not in stage_labels()]:
        problems["stages"] = gettext("The published definition has no stage %(what)s.") % {"what": unused[0]}
    low, high = (conditions.get(name) for name in BOUNDS)
    for name, bound in zip(BOUNDS, (low, high), strict=True):
        if bound is not None and not (isinstance(bound, int) and 0 <= bound <= 100_000_000):
            problems[name] = gettext("Write a number of people, or leave it empty.")
    if not problems and low is not None and high is not None and low > high:
        problems[BOUNDS[1]] = gettext("The most is less than the least.")
    return problems


def _kept(conditions: Mapping[str, Any]) -> dict[str, Any]:
    """What is asked, without what asks nothing."""
    kept: dict[str, Any] = {name: list(dict.fromkeys(conditions.get(name) or ())) for name in LISTS}
    kept |= {name: conditions.get(name) for name in BOUNDS}
    return {name: value for name, value in kept.items() if value not in ([], None)}

"""Who gets what: the rules in their order, one of them to change, and trying them on a contact."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from config.web.formats import format_number
from config.web.pages import add_errors, page, person_of
from contacts.models import Contact, Standing
from contacts.selectors.naming import find_contact
from funnel.enums import RoutingMode
from funnel.forms.routing import MODES, RuleForm, TryForm
from funnel.models import RoutingRule
from funnel.permissions import check_plan_sales
from funnel.routing import Conditions, Routed
from funnel.selectors.people import name_of
from funnel.selectors.reps import reps_to_choose
from funnel.selectors.routing import all_rules
from funnel.selectors.stages import handoff_stages
from funnel.services.routing import preview_route
from funnel.services.routing_rules import delete_rule, move_rule, save_rule, switch_rule
from scoring.selectors import stage_labels
from scoring.wording import either

_LARGEST_ID = 2**63 - 1
_METHODS = ["GET", "HEAD", "POST"]


@dataclass(frozen=True, slots=True)
class RuleShown:
    """A rule in words."""

    rule: RoutingRule
    asks: str
    goes: str
    among: str


@dataclass(frozen=True, slots=True)
class Tried:
    """Who would get a contact; ``stands`` is where it stands where that is no stage that is handed to Sales."""

    contact: Contact
    routed: Routed
    stage: str
    stands: str


@page(check_plan_sales)
@never_cache
@require_http_methods(_METHODS)
def routing(request: HttpRequest) -> HttpResponse:
    """List the rules in the order in which they are asked; change that, and try them on a contact."""
    doing = request.POST.get("do") if request.method == "POST" else ""
    trying = TryForm(request.POST) if doing == "try" else TryForm()
    tried = None
    if doing == "try":
        # By POST, so that no address gets into a log.
        tried = _try(trying)
    elif doing:
        _change(request, doing)
        return redirect("routing")
    labels = stage_labels()
    context = {"rules": [_shown(rule, labels) for rule in all_rules()], "trying": trying, "tried": tried}
    return render(request, "funnel/routing.html", context, status=422 if trying.errors else 200)


@page(check_plan_sales)
@never_cache
@require_http_methods(_METHODS)
def routing_rule(request: HttpRequest, rule_id: int | None = None) -> HttpResponse:
    """Make a rule (without an id) or change one."""
    by = person_of(request)
    rule = None if rule_id is None else get_object_or_404(RoutingRule, pk=min(rule_id, _LARGEST_ID))
    handed, labels = handoff_stages(), stage_labels()
    asked = {*handed, *(rule.conditions.get("stages", ()) if rule else ())}
    offered: dict[str, Any] = {
        "people": [(one.person.pk, one.label) for one in reps_to_choose(now=timezone.now())],
        "stages": [(key, labels.get(key, key)) for key in (*labels, *(asked - set(labels))) if key in asked],
    }
    if request.method == "POST":
        form = RuleForm(request.POST, **offered)
        if form.is_valid():
            given = form.cleaned_data
            try:
                save_rule(
                    rule=rule,
                    name=given["name"],
                    mode=given["mode"],
                    conditions=form.conditions,
                    rep_ids=form.rep_ids,
                    by=by,
                )
                messages.success(request, gettext("Saved. It holds for offers from now on."))
                return redirect("routing")
            except ValidationError as error:
                add_errors(form, error)
    else:
        initial = RuleForm.values_of(rule) if rule else {"mode": RoutingMode.ROUND_ROBIN}
        form = RuleForm(initial=initial, **offered)
    context = {"rule": rule, "form": form}
    return render(request, "funnel/routing_rule.html", context, status=422 if form.errors else 200)


def _change(request: HttpRequest, doing: str) -> None:
    """Do what a button beside a rule asks; one that is gone meanwhile is left."""
    number, by = request.POST.get("rule", ""), person_of(request)
    rule = RoutingRule.objects.filter(pk=int(number) if number.isdecimal() and len(number) < 19 else 0).first()
    if rule is None:
        messages.error(request, gettext("This rule is gone: somebody deleted it."))
    elif doing in ("up", "down"):
        move_rule(rule=rule, up=doing == "up", by=by)
    elif doing in ("on", "off"):
        switch_rule(rule=rule, on=doing == "on", by=by)
    elif doing == "delete":
        delete_rule(rule=rule, by=by)
        messages.success(
            request, gettext("“%(rule)s” is deleted. What it gave to somebody stays theirs.") % {"rule": rule.name}
        )


def _try(form: TryForm) -> Tried | None:
    if not form.is_valid():
        return None
    try:
        contact = find_contact(form.cleaned_data["contact"])
    except Contact.DoesNotExist:
        form.add_error("contact", gettext("Nobody is known by this address or number."))
        return None
    labels, handed = stage_labels(), handoff_stages()
    stands = Standing.objects.filter(contact=contact).values_list("stage", flat=True).first() or ""
    # Whoever is not there yet is tried as if they were offered at the first stage that is handed over.
    stage = stands if stands in handed else next((key for key in labels if key in handed), stands)
    return Tried(
        contact=contact,
        routed=preview_route(contact_id=contact.pk, stage=stage, now=timezone.now()),
        stage=labels.get(stage, stage),
        stands="" if stands in handed else labels.get(stands, stands) or gettext("no stage yet"),
    )


def _shown(rule: RoutingRule, labels: Mapping[str, str]) -> RuleShown:
    return RuleShown(
        rule=rule,
        asks=_asks(Conditions.read(rule.conditions), labels),
        goes=str(MODES[RoutingMode(rule.mode)]),
        among=", ".join(name_of(rep) for rep in rule.reps.all()),
    )


def _asks(asked: Conditions, labels: Mapping[str, str]) -> str:
    """Say in words what a rule asks of a contact."""
    low, high = asked.employees_at_least, asked.employees_at_most
    parts = [
        (gettext("at %(values)s"), [labels.get(stage, stage) for stage in asked.stages]),
        (gettext("from %(values)s"), asked.countries),
        (gettext("speaking %(values)s"), asked.languages),
        (gettext("in %(values)s"), asked.industries),
        (gettext("by way of %(values)s"), asked.sources),
    ]
    words = [pattern % {"values": either(values)} for pattern, values in parts if values]
    if low is not None and high is not None:
        words.append(
            gettext("with %(low)s to %(high)s employees") % {"low": format_number(low), "high": format_number(high)}
        )
    elif low is not None:
        words.append(gettext("with at least %(low)s employees") % {"low": format_number(low)})
    elif high is not None:
        words.append(gettext("with at most %(high)s employees") % {"high": format_number(high)})
    return gettext("contacts %(asked)s") % {"asked": ", ".join(words)} if words else gettext("every contact")

"""The component gallery at ``/ui/``: every component in every state, to look at and to test. DEBUG only."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from config.web import charts
from config.web.sankey import sankey
from config.web.ui import Chip, Criterion, LedgerLine, MenuItem, Tab, TimelineDay, TimelineItem, steps_of

_STAGES = (
    ("audience", "Audience"),
    ("lead", "Lead"),
    ("marketing_prospect", "Marketing prospect"),
    ("sales_prospect", "Sales prospect"),
    ("customer", "Customer"),
)
_NOON = datetime(2026, 11, 20, 12, 4, tzinfo=UTC)


class _SampleForm(forms.Form):
    name = forms.CharField(label="Name", help_text="As it should stand on the card.")
    email = forms.EmailField(label="E-mail")
    reason = forms.ChoiceField(label="Reason", choices=[("no_response", "No response"), ("other", "Other")])
    kind = forms.ChoiceField(
        label="What happened",
        choices=[("call_connected", "Call"), ("meeting_held", "Meeting"), ("note", "Note")],
        widget=forms.RadioSelect,
        initial="call_connected",
    )
    on = forms.DateField(label="On", widget=forms.DateInput(attrs={"type": "date"}), required=False)
    note = forms.CharField(label="Note", widget=forms.Textarea(attrs={"rows": 3}), required=False)
    scopes = forms.MultipleChoiceField(
        label="What the key may do",
        choices=[("events:write", "write events"), ("contacts:read", "read contacts")],
        initial=["events:write"],
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )
    quiet = forms.BooleanField(label="Publish quietly", help_text="No notices are sent.", required=False)
    locked = forms.CharField(label="Source", disabled=True, initial="Set once, never overwritten", required=False)


def _timeline() -> list[TimelineDay]:
    demo = TimelineItem(
        at=_NOON,
        title="Requested a demo",
        icon="presentation",
        detail="Website form, campaign autumn-2026",
        by_them=True,
    )
    risen = TimelineItem(
        at=_NOON,
        title="",
        stage="sales_prospect",
        stage_label="Sales prospect",
        stage_from="lead",
        stage_from_label="Lead",
        detail="Because of the demo request, under default v1",
    )
    call = TimelineItem(
        at=_NOON - timedelta(hours=2),
        title="Call",
        icon="phone",
        detail="with Rita Rep, 14 minutes",
        quote="Has budget from January.\nWants to see the audit trail first.",
        badges=(("two-way", "good"),),
    )
    click = TimelineItem(
        at=_NOON - timedelta(days=1),
        title="Clicked a link in an e-mail",
        icon="mouse-pointer-click",
        badges=(("scanner", "warn"),),
        by_them=True,
        void=True,
    )
    sent = replace(click, title="E-mail sent", icon="send", badges=(), by_them=False, void=False)
    return [
        TimelineDay(day=_NOON.date(), label="Friday 20 November", items=(risen, demo, call)),
        TimelineDay(day=(_NOON - timedelta(days=1)).date(), label="Thursday 19 November", items=(click, sent)),
    ]


def _figures() -> dict[str, Any]:
    """What the larger charts show."""
    flows = [("", "audience", 376), ("", "lead", 776), ("lead", "marketing_prospect", 310), ("lead", "customer", 27)]
    flows += [("marketing_prospect", "lead", 260), ("marketing_prospect", "sales_prospect", 170)]
    flows += [("sales_prospect", "customer", 81), ("customer", "marketing_prospect", 3)]
    steps = [
        ("lead", "Lead", 908, {"strict_rate": 0.341, "loose_rate": 0.631}, "Sales prospect"),
        ("sales_prospect", "Sales prospect", 320, {"strict_rate": 0.253, "loose_rate": 0.356}, "Customer"),
        ("customer", "Customer", 114, None, ""),
    ]
    bars = charts.funnel_bars([(key, label, reached) for key, label, reached, *_ in steps])
    heat = charts.heat([[(2, 68, True), (5, 68, True), (22, 68, False)], [(1, 86, True), None, (12, 86, False)]])
    return {
        "sankey": sankey(dict(_STAGES), flows, arrival="New contacts"),
        "funnel": [
            {"bar": bar, "step": step, "next": following}
            for bar, (*_, step, following) in zip(bars, steps, strict=True)
        ],
        "heat": [
            {"month": date(2026, 9 + place, 1), "size": size, "cells": cells[:-1], "ever": cells[-1]}
            for place, (size, cells) in enumerate(zip((68, 86), heat, strict=True))
        ],
        "heat_columns": (7, 30),
    }


def gallery(request: HttpRequest) -> HttpResponse:
    """Show every component. ``?toasts=1`` also shows the toasts of Django's messages."""
    if request.GET.get("toasts"):
        messages.success(request, "Claimed. Ada Lovelace is yours now.")
        messages.warning(request, "Ben Rep was faster: he claimed this one a moment ago.")
    filled = _SampleForm({"name": "", "email": "nobody", "reason": "other", "kind": "note", "quiet": "on"})
    filled.is_valid()
    weeks = [f"{d.day} {d:%b}" for d in (_NOON - timedelta(weeks=11 - i) for i in range(12))]
    series = [
        charts.Series("lead", "Lead", (12, 18, 9, 22, 30, 26, 31, 40, 38, 29, 44, 51)),
        charts.Series("marketing_prospect", "Marketing prospect", (4, 6, 5, 9, 8, 12, 10, 14, 15, 11, 19, 21)),
        charts.Series("sales_prospect", "Sales prospect", (2, 1, 3, 4, 3, 6, 5, 4, 7, 8, 6, 9)),
        charts.Series("customer", "Customer", (0, 1, 0, 2, 1, 1, 3, 2, 2, 4, 3, 5)),
    ]
    context = {
        "stages": _STAGES,
        "tracks": [
            steps_of(_STAGES, current="audience"),
            steps_of(_STAGES, current="lead", furthest="sales_prospect"),
            steps_of(_STAGES, current="customer", notes={"customer": "since 3 Nov"}),
        ],
        "tabs": [
            Tab("All", "#", current=True, count=10_000, more=True),
            *(
                Tab(label, "#", count=count, icon="", stage=key)
                for (key, label), count in zip(_STAGES, (5210, 2904, 612, 148, 1126), strict=True)
            ),
        ],
        "chips": [Chip("Owner", "Rita Rep", "#"), Chip("Source", "Trade show", "#")],
        "menu": [
            MenuItem("Open", "#", icon="arrow-up-right"),
            MenuItem("By score", "#", icon="gauge", current=True),
            MenuItem("Erase", "#", icon="trash-2", danger=True),
        ],
        "form": _SampleForm(),
        "filled": filled,
        "people": ["Ada Lovelace", "grace.hopper@example.org", "Li", "Zoë Älvdalen", "Max Born", "Emmy Noether"],
        "rising": [2, 3, 3, 5, 8, 7, 12, 18, 24, 31],
        "falling": [40, 36, 33, 29, 26, 23, 21, 19],
        "columns": charts.columns(weeks, series),
        "pairs": charts.columns(
            ["below 0", "0 to 10", "10 to 20", "20 to 40", "40 and more"],
            [charts.Series("before", "Now", (4, 40, 22, 13, 6)), charts.Series("after", "Then", (2, 31, 27, 17, 9))],
            stacked=False,
        ),
        "curves": charts.curves(
            ["0", "20", "40", "60", "80"],
            [
                ("precision", "Precision", (0.11, 0.24, 0.45, 0.71, None)),
                ("recall", "Recall", (1.0, 0.9, 0.62, 0.2, 0.0)),
            ],
        ),
        **_figures(),
        "bars": charts.bars(
            [
                ("", "No response", 14, ""),
                ("", "Cannot buy now", 9, "#"),
                ("", "No authority to buy", 4, ""),
                ("", "Duplicate", 1, ""),
            ]
        ),
        "criteria": [
            Criterion(
                "All of these",
                False,
                children=(
                    Criterion(
                        "One of these",
                        True,
                        children=(
                            Criterion("Asked for a demo, a meeting or a price in the last 30 days", True, "1 of 1"),
                            Criterion("Talked with a named person in the last 30 days", False, "0 of 1"),
                        ),
                    ),
                    Criterion("Fit of at least 20", True, "30 of 20"),
                    Criterion("Means are not \N{LEFT DOUBLE QUOTATION MARK}no\N{RIGHT DOUBLE QUOTATION MARK}", None),
                    Criterion(
                        "Authority is not \N{LEFT DOUBLE QUOTATION MARK}no\N{RIGHT DOUBLE QUOTATION MARK}", False
                    ),
                ),
            )
        ],
        "lines": [
            LedgerLine("Demo requested", "Readiness", _NOON, 40_000, 38_194, "\N{MULTIPLICATION SIGN} 0.955"),
            LedgerLine("Page viewed", "Page views", _NOON, 1_000, 500, "\N{MULTIPLICATION SIGN} 0.5", note="3 times"),
            LedgerLine("Cap of 10 on page views", "Page views", None, None, -2_000, adjustment=True),
        ],
        "ledger_total": 36_694,
        "timeline": _timeline(),
        "now": datetime.now(UTC),
        "hour_ago": datetime.now(UTC) - timedelta(hours=1, minutes=12),
        "later": datetime.now(UTC) + timedelta(hours=3, minutes=5),
        "long_ago": _NOON - timedelta(days=400),
    }
    return render(request, "gallery.html", context)

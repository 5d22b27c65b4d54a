"""The component library as template tags: ``{% load ui %}``. The gallery at ``/ui/`` shows each in its states.

A component takes declared inputs and nothing from the page's context. Its markup is in ``templates/components/``; that
of the two that differ in every row of a list is here.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final
from zlib import crc32

from django import template
from django.contrib.auth.password_validation import get_default_password_validators
from django.forms import BoundField, CheckboxInput, CheckboxSelectMultiple, PasswordInput, RadioSelect
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from config.web import charts, formats, icons
from config.web.components import remember_component, remember_part, render_component
from config.web.templatetags import marks, texts
from config.web.ui import UNDO, Chip, Criterion, LedgerLine, MenuItem, Step, Tab, TimelineDay, Tone

register = template.Library()
# One {% load ui %} brings the words, numbers and icons along.
register.filters.update(texts.register.filters)
register.tags.update(texts.register.tags | marks.register.tags)

_TONE_ICONS = {"good": "circle-check", "warn": "triangle-alert", "bad": "circle-x", "note": "info", "": "info"}
_MESSAGE_TONES: Mapping[str, Tone] = {"success": "good", "warning": "warn", "error": "bad"}
_HUES = 8
# What differs in every row of a list is written out here: a template for each of them took most of a page's time.
_AVATAR: Final = {
    size: f'<span class="avatar avatar-hue-%d{one}" aria-hidden="true">%s</span>\n'
    for size, one in (("", ""), ("small", " avatar-small"), ("large", " avatar-large"))
}
_SCORE: Final = (
    '<span class="score"><svg class="score-svg" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
    '<rect class="meter-rail" width="100" height="8"/><rect class="meter-fill" width="%.2f" height="8"/></svg>'
    '<span class="score-value">%s</span></span>\n'
)


# Actions


@register.simple_tag
def button(
    label: str,
    *,
    variant: str = "",
    icon: str = "",
    href: str = "",
    kind: str = "submit",
    name: str = "",
    value: str = "",
    small: bool = False,
    wide: bool = False,
    icon_only: bool = False,
    disabled: bool = False,
    busy: bool = False,
    dialog: str = "",
    claim: bool = False,
    key: str = "",
) -> SafeString:
    """A button, or with ``href`` a link that looks like one.

    ``variant``: ``""``, ``primary``, ``quiet`` or ``danger``. ``dialog``: id of a dialog to open instead, where
    scripts run. ``claim``: pressed by the key ``c``. ``key``: a key shown on the button.
    """
    classes = ["button"]
    classes += [f"button-{variant}"] if variant else []
    classes += [f"button-{word}" for word, on in (("small", small), ("wide", wide), ("icon", icon_only)) if on]
    return remember_component(
        "button",
        label=label,
        classes=" ".join(classes),
        icon="loader-circle" if busy else icon,
        href=href,
        type=kind,
        name=name,
        value=value,
        icon_only=icon_only,
        disabled=disabled or busy,
        busy=busy,
        dialog=dialog,
        claim=claim,
        key=key,
    )


@register.simple_tag(takes_context=True)
def menu(
    context: template.Context,
    label: str,
    items: Sequence[MenuItem],
    *,
    icon: str = "ellipsis",
    icon_only: bool = True,
    place: str = "",
) -> SafeString:
    """A menu behind a button. ``place``: ``""`` (below, end-aligned), ``start`` or ``up``."""
    inputs = {"label": label, "items": tuple(items), "icon": icon, "icon_only": icon_only, "place": place}
    if any(item.post for item in items):
        return render_component("menu", csrf_token=context.get("csrf_token"), **inputs)
    return remember_part("components/menu.html", **inputs)


@register.inclusion_tag("components/tabs.html")
def tabs(items: Sequence[Tab], label: str, anchor: str = "") -> dict[str, Any]:
    """Tabs that are links: the page works the same without scripts. ``label`` names the navigation."""
    return {"items": items, "label": label, "id": anchor}


@register.inclusion_tag("components/pagination.html")
def pagination(summary: str, next_url: str = "", first_url: str = "") -> dict[str, Any]:
    """Keyset paging: what is shown, a way on, and a way back to the start."""
    return {"summary": summary, "next_url": next_url, "first_url": first_url}


@register.inclusion_tag("components/chips.html")
def chips(items: Sequence[Chip], clear_url: str = "") -> dict[str, Any]:
    """Filters in force, each removable, with a link that clears them all."""
    return {"items": items, "clear_url": clear_url}


# Labels


@register.simple_tag
def badge(label: str, tone: str = "", icon: str = "") -> SafeString:
    """A small word about a thing's state. ``tone``: ``""``, ``good``, ``warn``, ``bad`` or ``note``."""
    return remember_component("badge", label=label, tone=tone, icon=icon)


@register.simple_tag
def score_badge(label: str, millipoints: int) -> SafeString:
    """A score in a word: ``Fit 30``; in thousandths of a point."""
    return remember_component("badge", label=f"{label} {formats.format_score(millipoints)}", tone="", icon="")


@register.simple_tag
def ask_badge(label: str) -> SafeString:
    """Something nobody knows yet and somebody should ask: ``Means?``."""
    return remember_component("badge", label=f"{label}?", tone="warn", icon="circle-question-mark")


@register.simple_tag
def answer_badge(answer: str) -> SafeString:
    """The answer to a gate: yes, no or unknown, which is a question still to be asked."""
    shown: Mapping[str, tuple[str, Tone, str]] = {
        "yes": (gettext("yes"), "good", "check"),
        "no": (gettext("no"), "bad", "x"),
        "unknown": (gettext("unknown"), "warn", "circle-question-mark"),
    }
    label, tone, icon = shown.get(answer, (answer, "warn", "circle-question-mark"))
    return remember_component("badge", label=label, tone=tone, icon=icon)


@register.simple_tag
def avatar(name: str, size: str = "") -> SafeString:
    """Initials on a hue drawn from the name. ``size``: ``small``, ``""`` or ``large``. Decoration only."""
    words = [word for word in name.split("@", maxsplit=1)[0].replace(".", " ").split() if word[0].isalnum()]
    initials = "".join(word[0] for word in (words[:1] + words[-1:] if len(words) > 1 else words))
    hue = crc32(name.lower().encode()) % _HUES
    return SafeString(_AVATAR[size] % (hue, escape((initials or "?").upper())))


@register.simple_tag
def stage_pill(key: str, label: str, size: str = "") -> SafeString:
    """A stage by colour, icon and the definition's own label. ``size``: ``""`` or ``large``."""
    return remember_component("stage_pill", key=key, label=label, icon=icons.stage_icon(key), size=size)


@register.simple_tag
def stage_label_pill(key: str, labels: Mapping[str, str], size: str = "") -> SafeString:
    """A stage pill whose label is looked up in ``labels``; a stage no longer in use shows its key."""
    return stage_pill(key, labels.get(key, key), size)


@register.inclusion_tag("components/stage_track.html")
def stage_track(steps: Sequence[Step]) -> dict[str, Any]:
    """The stages as a track: reached, current, next. Build ``steps`` with ``config.web.ui.steps_of``."""
    return {"steps": [(step, icons.stage_icon(step.key)) for step in steps]}


# Figures


@register.inclusion_tag("components/score_meter.html")
def score_meter(
    label: str, millipoints: int, *, maximum: int, threshold: int | None = None, note: str = ""
) -> dict[str, Any]:
    """A score against its threshold; all in thousandths of a point. Below the threshold the bar is muted.

    A threshold of 0 or None is none.
    """
    threshold = threshold or None
    return {
        "label": label,
        "value": formats.format_score(millipoints),
        "needed": None if threshold is None else formats.format_score(threshold),
        "met": threshold is None or millipoints >= threshold,
        "bar": charts.meter(millipoints, maximum=max(maximum, millipoints), threshold=threshold),
        "note": note,
    }


@register.simple_tag
def score_bar(millipoints: int, maximum: int = 100_000) -> SafeString:
    """A score with a small bar, for table cells; in thousandths of a point."""
    bar = charts.meter(millipoints, maximum=max(maximum, 1))
    return SafeString(_SCORE % (bar.width, escape(formats.format_score(millipoints))))


@register.inclusion_tag("components/sparkline.html")
def sparkline(values: Sequence[float], label: str, stage: str = "") -> dict[str, Any]:
    """A trend without axes; ``label`` says in words what it shows."""
    return {"spark": charts.spark(values), "label": label, "stage": stage}


@register.inclusion_tag("components/progress.html")
def progress(label: str, value: int | None = None, maximum: int = 100, detail: str = "", done: bool = False) -> Any:
    """How far a long task has come. Without a ``value`` the bar only says that something is going on."""
    return {"label": label, "value": value, "maximum": maximum, "detail": detail, "done": done}


@register.inclusion_tag("components/chart_columns.html")
def chart_columns(title: str, chart: charts.Columns, slot_name: str = "") -> dict[str, Any]:
    """Columns in a chart frame: plot, legend, read-out, and the same figures as a table. ``slot_name``: else a week."""
    return {
        "title": title,
        "chart": chart,
        "slot_name": slot_name or gettext("Week"),
        "legend": [(line, icons.stage_icon(line.key)) for line in chart.series],
    }


@register.inclusion_tag("components/chart_lines.html")
def chart_lines(title: str, chart: charts.Curves, slot_name: str) -> dict[str, Any]:
    """Lines of shares in a chart frame: plot, legend, read-out, and the same figures as a table."""
    legend = [(line, icons.stage_icon(line.key)) for line in chart.curves]
    return {"title": title, "chart": chart, "slot_name": slot_name, "legend": legend}


@register.inclusion_tag("components/chart_bars.html")
def chart_bars(title: str, bars: Sequence[charts.Bar]) -> dict[str, Any]:
    """Horizontal bars with their figures beside them; readable as a list without the bars."""
    return {"title": title, "bars": bars}


# Judgement


@register.inclusion_tag("components/criteria.html")
def criteria_tree(items: Sequence[Criterion]) -> dict[str, Any]:
    """Criteria as nested lists with ticks and crosses; each state is also said in words for screen readers."""
    return {"items": items}


@register.inclusion_tag("components/ledger.html")
def ledger(lines: Sequence[LedgerLine], total: int, caption: str, total_label: str = "") -> dict[str, Any]:
    """A score taken apart: its lines and their sum, in thousandths of a point. ``total_label``: else it is a sum."""
    return {"lines": lines, "total": total, "caption": caption, "total_label": total_label or gettext("Sum")}


@register.inclusion_tag("components/timeline.html")
def timeline(days: Sequence[TimelineDay], level: int = 3) -> dict[str, Any]:
    """Days, newest first, each with its events and changes of stage; ``level`` of the days' headings."""
    return {"days": days, "level": level, "menus": any(item.menu for group in days for item in group.items)}


# Feedback


@register.simple_tag(takes_context=True)
def toasts(context: template.Context, messages: Any) -> SafeString:
    """The page's live region, with Django's messages in it as toasts; those that can be undone have a button for it."""
    rows = []
    for message in messages or ():
        tone = _MESSAGE_TONES.get(message.level_tag, "note")
        tags = message.extra_tags or ""
        undo = tags.removeprefix(UNDO) if tags.startswith(UNDO) else ""
        rows.append({"text": str(message), "tone": tone, "icon": _TONE_ICONS[tone], "undo_url": undo})
    kinds = tuple((tone, _TONE_ICONS[tone]) for tone in ("good", "warn", "bad", "note"))
    if not rows:
        return remember_component("toasts", rows=(), kinds=kinds)
    return render_component("toasts", rows=rows, kinds=kinds, csrf_token=context.get("csrf_token"))


@register.inclusion_tag("components/toast.html")
def toast(text: str, tone: Tone = "note", undo_url: str = "") -> dict[str, Any]:
    """One toast. It must stand in a live region to be heard. ``undo_url``: what takes it back when posted to."""
    return {"text": text, "tone": tone, "icon": _TONE_ICONS[tone], "undo_url": undo_url}


@register.inclusion_tag("components/alert.html")
def alert(title: str, text: str = "", tone: Tone = "note", icon: str = "") -> dict[str, Any]:
    """A lasting remark in the page. ``bad`` and ``warn`` interrupt a screen reader, the others do not."""
    return {"title": title, "text": text, "tone": tone, "icon": icon or _TONE_ICONS[tone]}


@register.inclusion_tag("components/secret.html")
def secret(title: str, text: str, value: str) -> dict[str, str]:
    """A key or password that is shown this once, ready to be copied."""
    return {"title": title, "text": text, "value": value}


@register.inclusion_tag("components/empty_state.html")
def empty_state(
    title: str, text: str, icon: str = "leaf", action_label: str = "", action_url: str = "", action_icon: str = ""
) -> dict[str, Any]:
    """Nothing here, and what to do next."""
    return {
        "title": title,
        "text": text,
        "icon": icon,
        "action_label": action_label,
        "action_url": action_url,
        "action_icon": action_icon,
    }


@register.inclusion_tag("components/skeleton.html")
def skeleton(lines: int = 3) -> dict[str, Any]:
    """Bars that stand in for text which is on its way."""
    return {"lines": range(lines)}


# Forms


@register.inclusion_tag("components/field.html")
def field(bound: BoundField, optional: bool = False) -> dict[str, Any]:
    """A form field with its label, help and errors, each tied to the control. ``optional``: say so on the label."""
    widget = bound.field.widget
    if str(widget.attrs.get("placeholder", "")) == str(bound.label):
        # allauth's forms say it twice; what stands in an empty field looks like an answer.
        del widget.attrs["placeholder"]
    return {
        "field": bound,
        "check": isinstance(widget, CheckboxInput),
        "radios": isinstance(widget, RadioSelect) and not isinstance(widget, CheckboxSelectMultiple),
        "boxes": isinstance(widget, CheckboxSelectMultiple),
        "optional": optional,
        "secret": isinstance(widget, PasswordInput),
        "least": _least_length() if _is_new_password(bound) else 0,
    }


def _is_new_password(bound: BoundField) -> bool:
    """Tell whether a new password is chosen here; the field in which it is repeated is none."""
    fields = bound.form.fields.items()
    chosen = (name for name, field in fields if field.widget.attrs.get("autocomplete") == "new-password")
    return next(chosen, None) == bound.name


def _least_length() -> int:
    return max((getattr(one, "min_length", 0) for one in get_default_password_validators()), default=0)


# Frames: components round a block


@register.simple_block_tag
def card(
    content: str,
    title: str = "",
    *,
    flush: bool = False,
    aside: str = "",
    level: int = 2,
    anchor: str = "",
    concept: str = "",
) -> str:
    """``{% card "Title" %}...{% endcard %}``. ``flush``: no padding. ``aside``: text at the end.

    ``concept``: a key of config.web.concepts; beside the title stands a link to where docs/ explain it.
    """
    return render_component(
        "card", content=content, title=title, flush=flush, aside=aside, level=level, id=anchor, concept=concept
    )


@register.simple_block_tag
def table(
    content: str, caption: str, *, rows: bool = False, sticky: bool = False, hide_caption: bool = True, extra: str = ""
) -> str:
    """``{% table "Contacts" %}<thead>...{% endtable %}``: in a frame that scrolls by itself where it is too narrow.

    ``rows``: each row follows its ``.row-link``. ``sticky``: the head stays in sight while the page scrolls.
    """
    return render_component(
        "table", content=content, caption=caption, rows=rows, sticky=sticky, hide_caption=hide_caption, extra=extra
    )


@register.simple_block_tag
def dialog(content: str, anchor: str, title: str) -> str:
    """``{% dialog "id" "Title" %}...{% enddialog %}``: opened by ``button dialog="id"``."""
    return render_component("dialog", content=content, id=anchor, title=title)

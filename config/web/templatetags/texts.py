"""Numbers, points and times in templates; ``{% load ui %}`` brings them along."""

from datetime import date, datetime
from html import escape

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config.web import formats

register = template.Library()


@register.filter
def number(value: float | None) -> str:
    """``{{ n|number }}``: with thousands separators; nothing for ``None``."""
    return "" if value is None else formats.format_number(value)


@register.filter
def percent(share: float | None, digits: int = 0) -> str:
    """Return a share of 1 as a percentage: ``80 %``; a dash where it is not known."""
    return "\N{EN DASH}" if share is None else formats.format_percent(share, digits)


@register.filter
def decimal(value: float | None, digits: int = 2) -> str:
    """``{{ x|decimal:2 }}``: with so many digits after the point; a dash where it is not known."""
    return "\N{EN DASH}" if value is None else formats.format_decimal(value, digits)


@register.filter
def time_length(seconds: float | None) -> str:
    """``{{ seconds|time_length }}``: a measured length of time with one digit; a dash where it is not known."""
    return "\N{EN DASH}" if seconds is None else formats.format_length(seconds)


@register.filter
def points(millipoints: int | None) -> str:
    """``{{ mp|points }}``: thousandths of a point as points, exact to the last digit."""
    return "" if millipoints is None else formats.format_points(millipoints)


@register.filter
def signed_points(millipoints: int | None) -> str:
    """``{{ mp|signed_points }}``: as ``points``, with a plus before gains."""
    return "" if millipoints is None else formats.format_points(millipoints, signed=True)


@register.filter
def score(millipoints: int | None) -> str:
    """``{{ mp|score }}``: thousandths of a point as points with one digit, cut rather than rounded."""
    return "" if millipoints is None else formats.format_score(millipoints)


@register.filter
def exact(moment: datetime | None) -> str:
    """``{{ moment|exact }}``: in full, with its zone."""
    return "" if moment is None else formats.format_exact(moment)


@register.filter
def sentence(text: str) -> str:
    """``{{ text|sentence }}``: begins with a capital; the rest stays as it is."""
    return text[:1].upper() + text[1:]


@register.filter
def clock(moment: datetime) -> str:
    """``{{ moment|clock }}``: its time of day in the current zone."""
    return formats.format_clock(moment)


@register.filter
def date_text(value: date | None) -> str:
    """``{{ day|date_text }}``: a day with its year: ``3 Nov 2026``; nothing for ``None``."""
    return "" if value is None else formats.format_date(_day_of(value))


@register.filter
def long_date(value: date | None) -> str:
    """``{{ day|long_date }}``: a day with its month in full: ``3 November 2026``; nothing for ``None``."""
    return "" if value is None else formats.format_long_date(_day_of(value))


@register.filter
def month(value: date | None) -> str:
    """``{{ day|month }}``: the month of a day: ``Nov 2026``; nothing for ``None``."""
    return "" if value is None else formats.format_month(_day_of(value))


def _day_of(value: date) -> date:
    return timezone.localtime(value).date() if isinstance(value, datetime) and timezone.is_aware(value) else value


@register.simple_tag
def reltime(moment: datetime | None, empty: str = "\N{EN DASH}", now: datetime | None = None) -> SafeString | str:
    """``{% reltime moment %}``: how long ago (or ahead), the exact moment on hover; ``empty`` where there is none."""
    if moment is None:
        return empty
    # Lists show fifty: escaped by hand, for format_html takes as long as the rest.
    title, text = map(escape, formats.format_both(moment, now=now or timezone.now()))
    return SafeString(f'<time datetime="{moment.isoformat()}" title="{title}" data-relative>{text}</time>')


@register.simple_tag
def duration_since(moment: datetime, now: datetime | None = None) -> str:
    """``{% duration_since moment %}``: how long ago, as a length: ``3 seconds``."""
    return formats.format_duration((now or timezone.now()) - moment)


@register.simple_tag
def day(moment: datetime | None, empty: str = "\N{EN DASH}", now: datetime | None = None) -> SafeString | str:
    """``{% day moment %}``: its day, the exact moment on hover."""
    if moment is None:
        return empty
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(),
        formats.format_exact(moment),
        formats.format_day(moment, now=now or timezone.now()),
    )

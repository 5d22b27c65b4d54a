"""The larger charts: flows between stages, cohorts, funnels. ``{% load figures %}``."""

from collections.abc import Sequence
from math import ceil
from typing import Any

from django import template

from config.web import icons, sankey

register = template.Library()


@register.inclusion_tag("components/chart_sankey.html")
def chart_sankey(title: str, chart: sankey.Sankey) -> dict[str, Any]:
    """Flows in both directions: where they came from on the left, where they went on the right.

    Decoration beside a table of the same figures, which the page must show too.
    """
    return {"title": title, "chart": chart, "height": ceil(chart.height) + 2}


@register.inclusion_tag("components/chart_funnel.html")
def chart_funnel(title: str, steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A funnel: of ``steps`` each has a ``bar`` (FunnelBar), the figures of its ``step`` and the ``next`` label."""
    return {"title": title, "steps": [(step, icons.stage_icon(step["bar"].key)) for step in steps]}


@register.inclusion_tag("components/chart_heat.html")
def chart_heat(
    title: str, rows: Sequence[dict[str, Any]], columns: Sequence[int], size_label: str, last_label: str
) -> dict[str, Any]:
    """A heat map that is a table: a row a month, a column an age in days, the last column what is known by now.

    Each row has ``month``, ``size``, ``cells`` and ``ever`` (HeatCell), and addresses ``size_url`` and ``ever_url``. A
    cell without a share is not known yet and says so.
    """
    return {"title": title, "rows": rows, "columns": columns, "size_label": size_label, "last_label": last_label}

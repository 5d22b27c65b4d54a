"""Geometry of the diagram of flows: how many went from what to what, in either direction. Numbers in, SVG out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import ngettext

from config.web.formats import format_number

# Of a Sankey diagram, in pixels: its bars together, the room that a label needs, and the gap between two bars.
_BARS, _LABEL, _GAP = 220, 44, 8
_LINE, _MOST_LETTERS = 15, 16


@dataclass(frozen=True, slots=True)
class Node:
    """An end of flows in a Sankey diagram: a bar from ``y`` of a ``height``, both in pixels.

    ``lines`` are its label, broken so that it fits beside the bar, and ``text_y`` the base line of the first.
    """

    key: str
    label: str
    lines: tuple[str, ...]
    total: int
    y: float
    height: float
    text_y: float


@dataclass(frozen=True, slots=True)
class Band:
    """A flow from a node on the left to one on the right: an area in a box 100 wide and as high as the diagram.

    ``way`` is ``up``, ``down`` or ``in`` (arrival); ``text`` is shown on hover.
    """

    origin: str
    target: str
    way: str
    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Sankey:
    """Flows between the same things before (left) and after (right), so that either direction has its own band."""

    height: float
    left: tuple[Node, ...]
    right: tuple[Node, ...]
    bands: tuple[Band, ...]
    total: int


def sankey(labels: Mapping[str, str], flows: Sequence[tuple[str, str, int]], *, arrival: str) -> Sankey:
    """Lay out flows of (origin, target, how many) between the stages of ``labels``, in that order, from the top.

    ``arrival`` names the origin ``""``. Flows of nothing, and between things without a label, are left out.
    """
    order = {"": -1, **{key: index for index, key in enumerate(labels)}}
    names = {"": arrival, **labels}
    shown = [(origin, target, n) for origin, target, n in flows if n > 0 and origin in names and target in labels]
    shown.sort(key=lambda flow: (order[flow[0]], order[flow[1]]))
    total = sum(number for *_, number in shown)
    scale = _BARS / total if total else 0.0
    outs, ins = _sums(shown, 0), _sums(shown, 1)
    height = max(_column_height(outs, scale), _column_height(ins, scale), float(_LABEL))
    left = _nodes([key for key in names if key in outs], names, outs, scale, height)
    right = _nodes([key for key in labels if key in ins], names, ins, scale, height)
    starts = {node.key: node.y for node in left}
    ends = {node.key: node.y for node in right}
    bands = []
    for origin, target, number in shown:
        thick = number * scale
        way = "in" if not origin else "up" if order[target] > order[origin] else "down"
        counted = ngettext("%(number)s move", "%(number)s moves", number) % {"number": format_number(number)}
        text = f"{names[origin]} \N{RIGHTWARDS ARROW} {names[target]}: {counted}"
        bands.append(Band(origin, target, way, _band_path(starts[origin], ends[target], thick), text))
        starts[origin] += thick
        ends[target] += thick
    return Sankey(round(height, 2), tuple(left), tuple(right), tuple(bands), total)


def _sums(flows: Sequence[tuple[str, str, int]], end: int) -> dict[str, int]:
    found: dict[str, int] = {}
    for flow in flows:
        key = flow[0] if end == 0 else flow[1]
        found[key] = found.get(key, 0) + flow[2]
    return found


def _column_height(sums: Mapping[str, int], scale: float) -> float:
    return sum(max(value * scale, _LABEL) for value in sums.values()) + _GAP * max(len(sums) - 1, 0)


def _nodes(
    keys: Sequence[str], names: Mapping[str, str], sums: Mapping[str, int], scale: float, height: float
) -> list[Node]:
    """Stack bars from the top, each with room for its label; the whole column in the middle of the diagram."""
    top = (height - _column_height(sums, scale)) / 2
    nodes = []
    for key in keys:
        thick = sums[key] * scale
        room = max(thick, _LABEL)
        lines = _broken(names[key])
        y = top + (room - thick) / 2
        # The number stands below the label: one line more.
        text_y = top + room / 2 - len(lines) * _LINE / 2 + 4
        nodes.append(Node(key, names[key], lines, sums[key], round(y, 2), round(thick, 2), round(text_y, 2)))
        top += room + _GAP
    return nodes


def _broken(label: str) -> tuple[str, ...]:
    """A label in at most two lines; what does not fit ends in an ellipsis, its whole text is in the table."""
    lines = [""]
    for word in label.split():
        joined = f"{lines[-1]} {word}".strip()
        if len(joined) <= _MOST_LETTERS or not lines[-1]:
            lines[-1] = joined
        else:
            lines.append(word)
    if len(lines) > 2:
        lines = [lines[0], " ".join(lines[1:])]
    return tuple(
        line if len(line) <= _MOST_LETTERS + 2 else f"{line[:_MOST_LETTERS]}\N{HORIZONTAL ELLIPSIS}" for line in lines
    )


def _band_path(start: float, end: float, thick: float) -> str:
    y0, y1, z0, z1 = (round(value, 2) for value in (start, start + thick, end, end + thick))
    return f"M0,{y0} C50,{y0} 50,{z0} 100,{z0} L100,{z1} C50,{z1} 50,{y1} 0,{y1} Z"

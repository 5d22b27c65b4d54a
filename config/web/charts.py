"""Geometry of the charts: numbers in, SVG coordinates out. Templates only print what is computed here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

from django.utils.translation import gettext

from config.web.formats import format_number, format_percent

_SHADES = 10

# Tenths of a power of ten that read as round and can be halved.
_AXIS_ENDS = (10, 12, 16, 20, 24, 30, 40, 50, 60, 80, 100)


@dataclass(frozen=True, slots=True)
class Spark:
    """A sparkline in a box of 100 x 24: the polyline's points, the area's path, and the last point."""

    points: str
    area: str
    last_x: float
    last_y: float


@dataclass(frozen=True, slots=True)
class Meter:
    """A bar in a box of 100 x 8: filled width and, where there is a threshold, its x."""

    width: float
    threshold_x: float | None


@dataclass(frozen=True, slots=True)
class Series:
    """One series of a chart: its stage key (or ``""``), its label and a value for each slot."""

    key: str
    label: str
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """One rectangle of a column, in percent of the plot."""

    key: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Slot:
    """One place on a chart's x axis: its segments, the text shown on hover and the cells of its table row.

    ``urls`` lead to what is behind the values, one each; empty where nothing does.
    """

    label: str
    x: float
    width: float
    segments: tuple[Segment, ...]
    text: str
    values: tuple[int, ...]
    total: int
    urls: tuple[str, ...] = ()

    @property
    def cells(self) -> list[tuple[int, str]]:
        """The values, each with its address or ``""``."""
        return list(zip(self.values, self.urls or [""] * len(self.values), strict=True))


@dataclass(frozen=True, slots=True)
class Columns:
    """A column chart in a box of 100 x 100, with round axis ticks from the top down.

    ``stacked``: a slot's series stand on one another and have a total; else they stand side by side.
    """

    series: tuple[Series, ...]
    slots: tuple[Slot, ...]
    ticks: tuple[int, ...]
    lines: tuple[float, ...]
    labels: tuple[str, ...]
    stacked: bool = True


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a line chart: its key, its label, the polyline's points and the share at each slot."""

    key: str
    label: str
    points: str
    shares: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Spot:
    """One place on a line chart's x axis, with the text shown on hover and the cells of its table row."""

    label: str
    x: float
    width: float
    text: str
    shares: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Curves:
    """A line chart of shares from 0 to 1 in a box of 100 x 100."""

    curves: tuple[Curve, ...]
    spots: tuple[Spot, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a horizontal bar list: width in percent of the longest."""

    key: str
    label: str
    value: int
    width: float
    url: str = ""


@dataclass(frozen=True, slots=True)
class HeatCell:
    """A cell of a heat map: its share (None: nothing to tell yet), its shade from 0 to 10, and whether it is final."""

    share: float | None
    value: int | None
    shade: int
    final: bool


@dataclass(frozen=True, slots=True)
class FunnelBar:
    """A stage of a funnel: centred in a box of 100 x 8, as wide as its number is of the greatest."""

    key: str
    label: str
    value: int
    x: float
    width: float


def spark(values: Sequence[float]) -> Spark:
    """Lay out a sparkline. One value is a level line; the scale runs from the least to the greatest."""
    shown = list(values) if len(values) > 1 else [*values, *values] or [0.0, 0.0]
    low, high = min(shown), max(shown)
    span = (high - low) or 1.0
    step = 100 / (len(shown) - 1)
    spots = [(round(i * step, 2), round(21 - (value - low) / span * 18, 2)) for i, value in enumerate(shown)]
    points = " ".join(f"{x},{y}" for x, y in spots)
    area = f"M0,24 L{points.replace(' ', ' L')} L100,24 Z"
    return Spark(points=points, area=area, last_x=spots[-1][0], last_y=spots[-1][1])


def meter(value: float, *, maximum: float, threshold: float | None = None) -> Meter:
    """Lay out a meter; values outside 0 to ``maximum`` stop at its ends."""
    mark = None if threshold is None else _share_of(threshold, maximum)
    return Meter(width=_share_of(value, maximum), threshold_x=mark)


def _share_of(value: float, maximum: float) -> float:
    scale = 100 / maximum if maximum > 0 else 0.0
    # The least of all numbers have no inverse.
    share = value * scale if isfinite(scale) else value / maximum * 100
    return round(min(max(share, 0.0), 100.0), 2)


def round_up(value: int) -> int:
    """Return the next axis end for a greatest value: even, so that its middle is whole, and at least 4."""
    if value <= 10:
        return max(value + value % 2, 4)
    unit: int = 10 ** (floor(log10(value)) - 1)
    return next(step * unit for step in _AXIS_ENDS if step * unit >= value)


def columns(
    labels: Sequence[str], series: Sequence[Series], *, stacked: bool = True, urls: Sequence[Sequence[str]] = ()
) -> Columns:
    """Lay out columns, one place for each label; every series has as many values as there are labels.

    ``urls``: for each label, where what is behind the value of each series is listed.
    """
    totals = [sum(line.values[i] for line in series) for i in range(len(labels))]
    greatest = totals if stacked else [value for line in series for value in line.values]
    top = round_up(max(greatest, default=0))
    width = 100 / max(len(labels), 1)
    slots = []
    for index, label in enumerate(labels):
        values = tuple(line.values[index] for line in series)
        named = ", ".join(
            f"{line.label} {format_number(value)}" for line, value in zip(series, values, strict=True) if value
        )
        place = _stack if stacked else _side_by_side
        slots.append(
            Slot(
                label=label,
                x=round(index * width, 3),
                width=round(width, 3),
                segments=tuple(place(series, values, top, index * width + width * 0.18, width * 0.64)),
                text=f"{label}: {named or gettext('none')}",
                values=values,
                total=totals[index],
                urls=tuple(urls[index]) if urls else (),
            )
        )
    return Columns(
        series=tuple(series),
        slots=tuple(slots),
        ticks=(top, top // 2, 0),
        lines=(0.0, 50.0, 100.0),
        labels=tuple(labels),
        stacked=stacked,
    )


def _stack(series: Sequence[Series], values: Sequence[int], top: int, x: float, width: float) -> Iterator[Segment]:
    reached = 0
    for line, value in zip(series, values, strict=True):
        reached += value
        if value:
            yield _segment(line.key, x, width, reached / top * 100, value / top * 100)


def _side_by_side(
    series: Sequence[Series], values: Sequence[int], top: int, x: float, width: float
) -> Iterator[Segment]:
    each = width / len(series)
    for place, (line, value) in enumerate(zip(series, values, strict=True)):
        if value:
            yield _segment(line.key, x + place * each, each, value / top * 100, value / top * 100)


def _segment(key: str, x: float, width: float, reached: float, height: float) -> Segment:
    return Segment(key, round(x, 3), round(100 - reached, 2), round(width, 3), round(height, 2))


def curves(labels: Sequence[str], rows: Sequence[tuple[str, str, Sequence[float | None]]]) -> Curves:
    """Lay out lines from (key, label, shares) rows; a share that is not known leaves its point out."""
    width = 100 / max(len(labels), 1)
    middles = [round((index + 0.5) * width, 3) for index in range(len(labels))]
    lines = []
    for key, name, shares in rows:
        known = [(x, share) for x, share in zip(middles, shares, strict=True) if share is not None]
        points = " ".join(f"{x},{round(100 - min(max(share, 0.0), 1.0) * 100, 2)}" for x, share in known)
        lines.append(Curve(key, name, points, tuple(shares)))
    spots = []
    for index, label in enumerate(labels):
        shares = tuple(line.shares[index] for line in lines)
        told = [
            f"{line.label} {format_percent(share)}"
            for line, share in zip(lines, shares, strict=True)
            if share is not None
        ]
        spots.append(Spot(label, round(index * width, 3), round(width, 3), f"{label}: {', '.join(told)}", shares))
    return Curves(tuple(lines), tuple(spots), tuple(labels))


def bars(rows: Sequence[tuple[str, str, int, str]]) -> list[Bar]:
    """Lay out a bar list from (key, label, value, url) rows, scaled to the greatest value."""
    longest = max((value for _, _, value, _ in rows), default=0) or 1
    return [
        Bar(key=key, label=label, value=value, width=round(max(value, 0) / longest * 100, 2), url=url)
        for key, label, value, url in rows
    ]


def heat(rows: Sequence[Sequence[tuple[int, int, bool] | None]]) -> list[list[HeatCell]]:
    """Shade rows of (how many, of how many, whether that is final); the darkest cell is the greatest share.

    None is a cell of which nothing is known yet. A share that may still grow counts for the scale like any other.
    """
    shares = [[cell[0] / cell[1] if cell and cell[1] else None for cell in row] for row in rows]
    top = max((share for row in shares for share in row if share is not None), default=0.0)
    return [
        [
            HeatCell(
                share=share,
                value=cell[0] if cell else None,
                shade=ceil(share / top * _SHADES) if share and top else 0,
                final=bool(cell and cell[2]),
            )
            for cell, share in zip(row, row_shares, strict=True)
        ]
        for row, row_shares in zip(rows, shares, strict=True)
    ]


def funnel_bars(rows: Sequence[tuple[str, str, int]]) -> list[FunnelBar]:
    """Lay out (key, label, how many) rows as a funnel of centred bars; what is not nothing can be seen."""
    greatest = max((value for *_, value in rows), default=0) or 1
    bars = []
    for key, label, value in rows:
        width = max(round(value / greatest * 100, 2), 0.5) if value > 0 else 0.0
        bars.append(FunnelBar(key, label, value, round((100 - width) / 2, 2), width))
    return bars

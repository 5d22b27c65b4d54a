"""The geometry of charts: everything drawn stays in its box and in proportion."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.web.charts import Series, bars, columns, curves, funnel_bars, heat, meter, round_up, spark

counts = st.integers(min_value=0, max_value=10**7)


@given(st.integers(min_value=0, max_value=10**9))
def test_the_axis_ends_at_a_round_number_not_far_above_the_greatest_value(value: int) -> None:
    top = round_up(value)
    assert top >= value
    assert top == 4 or top <= value * 1.4
    assert top % 2 == 0


@given(st.lists(st.tuples(counts, counts, counts), min_size=1, max_size=20))
def test_columns_stack_without_gap_or_overlap_and_stay_inside(rows: list[tuple[int, int, int]]) -> None:
    series = [Series(key, key, tuple(row[i] for row in rows)) for i, key in enumerate(("lead", "sales", "customer"))]
    chart = columns([str(i) for i in range(len(rows))], series)
    for slot, row in zip(chart.slots, rows, strict=True):
        assert slot.total == sum(row)
        assert slot.values == row
        floor = 100.0
        for part in slot.segments:
            assert abs(part.y + part.height - floor) < 0.05
            floor = part.y
        assert floor >= -0.05
        for part in slot.segments:
            assert slot.x <= part.x
            assert part.x + part.width <= slot.x + slot.width + 0.01


@given(st.lists(st.tuples(counts, counts), min_size=1, max_size=20))
def test_columns_side_by_side_are_scaled_to_the_greatest_and_do_not_overlap(rows: list[tuple[int, int]]) -> None:
    series = [Series(key, key, tuple(row[i] for row in rows)) for i, key in enumerate(("before", "after"))]
    chart = columns([str(i) for i in range(len(rows))], series, stacked=False)
    top = chart.ticks[0]
    for slot, row in zip(chart.slots, rows, strict=True):
        assert [round(part.height / 100 * top) for part in slot.segments] == pytest.approx(
            [value for value in row if value], abs=top * 0.0001 + 1
        )
        for part in slot.segments:
            assert part.y + part.height == pytest.approx(100, abs=0.02)
        for left, right in itertools.pairwise(slot.segments):
            assert left.x + left.width <= right.x + 0.01


def test_a_curve_leaves_out_what_is_not_known_and_stays_inside() -> None:
    chart = curves(["0", "50", "100"], [("precision", "Precision", (0.5, None, 1.0))])
    assert chart.curves[0].points == "16.667,50.0 83.333,0.0"
    assert [spot.text for spot in chart.spots] == ["0: Precision 50 %", "50: ", "100: Precision 100 %"]


@given(st.lists(st.floats(min_value=-1e6, max_value=1e6), max_size=30))
def test_a_sparkline_stays_in_its_box(values: list[float]) -> None:
    line = spark(values)
    for spot in line.points.split():
        x, y = map(float, spot.split(","))
        assert 0 <= x <= 100
        assert 0 <= y <= 24


@given(st.floats(min_value=-100, max_value=1_000), st.floats(min_value=0, max_value=500))
def test_a_meter_never_leaves_its_rail(value: float, maximum: float) -> None:
    bar = meter(value, maximum=maximum, threshold=value)
    assert 0 <= bar.width <= 100
    assert bar.threshold_x == bar.width


def test_bars_are_scaled_to_the_longest() -> None:
    assert [bar.width for bar in bars([("", "a", 4, ""), ("", "b", 1, ""), ("", "c", 0, "")])] == [100.0, 25.0, 0.0]
    assert bars([]) == []


def test_the_greatest_share_is_darkest_and_nothing_known_is_no_share() -> None:
    rows = heat([[(1, 10, True), (5, 10, True)], [(0, 4, True), (1, 4, False)], [None, None]])
    assert [[cell.shade for cell in row] for row in rows] == [[2, 10], [0, 5], [0, 0]]
    assert [[cell.share for cell in row] for row in rows] == [[0.1, 0.5], [0.0, 0.25], [None, None]]
    assert [[cell.final for cell in row] for row in rows] == [[True, True], [True, False], [False, False]]
    assert heat([]) == []
    assert heat([[(0, 0, True)]])[0][0].share is None


@given(st.lists(counts, min_size=1, max_size=6))
def test_a_funnel_is_centred_and_its_smallest_bar_can_be_seen(values: list[int]) -> None:
    shown = funnel_bars([(str(i), str(i), value) for i, value in enumerate(values)])
    for bar, value in zip(shown, values, strict=True):
        assert bar.x + bar.width / 2 == pytest.approx(50, abs=0.02)
        assert bar.width == pytest.approx(value / (max(values) or 1) * 100, abs=0.51)
        assert (bar.width > 0) == (value > 0)

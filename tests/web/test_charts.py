"""The geometry of charts: everything drawn stays in its box and in proportion."""

from hypothesis import given
from hypothesis import strategies as st

from config.web.charts import Series, bars, columns, meter, round_up, spark

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
        assert slot.x <= slot.bar_x
        assert slot.bar_x + slot.bar_width <= slot.x + slot.width + 0.01


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

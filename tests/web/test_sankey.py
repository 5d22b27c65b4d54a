"""The diagram of flows: every band in proportion, none over another, every label with room of its own."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.web.sankey import Node, Sankey, sankey

LABELS = {"audience": "Audience", "lead": "Lead", "prospect": "Marketing prospect", "customer": "Customer"}
flow_counts = st.dictionaries(
    st.tuples(st.sampled_from(["", *LABELS]), st.sampled_from(list(LABELS))).filter(lambda pair: pair[0] != pair[1]),
    st.integers(min_value=0, max_value=10**6),
    max_size=16,
)


def drawn(flows: dict[tuple[str, str], int]) -> Sankey:
    return sankey(LABELS, [(origin, target, n) for (origin, target), n in flows.items()], arrival="New")


def ends(path: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """Top and bottom of a band at its left and its right end."""
    start, _, _, there, end, _, _, back, _ = path.split(" ")
    y = [float(point.lstrip("MCL").split(",")[1]) for point in (start, back, there, end)]
    return (y[0], y[1]), (y[2], y[3])


@settings(max_examples=50)
@given(flow_counts)
def test_bands_fill_their_bars_without_gap_or_overlap(flows: dict[tuple[str, str], int]) -> None:
    chart = drawn(flows)
    assert chart.total == sum(flows.values())
    for nodes, side in ((chart.left, 0), (chart.right, 1)):
        for node in nodes:
            mine = [band for band in chart.bands if (band.target if side else band.origin) == node.key]
            floor = node.y
            for band in mine:
                top, bottom = ends(band.path)[side]
                assert top == pytest.approx(floor, abs=0.05)
                floor = bottom
            assert floor == pytest.approx(node.y + node.height, abs=0.05)


@settings(max_examples=50)
@given(flow_counts)
def test_everything_stays_inside_and_labels_keep_apart(flows: dict[tuple[str, str], int]) -> None:
    chart = drawn(flows)

    def box(node: Node) -> tuple[float, float]:
        lines = len(node.lines) + 1
        return min(node.y, node.text_y - 12), max(node.y + node.height, node.text_y + (lines - 1) * 15)

    for nodes in (chart.left, chart.right):
        for node in nodes:
            top, bottom = box(node)
            assert top >= -2
            assert bottom <= chart.height + 2
        for above, below in itertools.pairwise(nodes):
            assert box(above)[1] <= box(below)[0] + 0.05


def test_either_direction_has_its_own_band_and_says_so() -> None:
    chart = drawn({("", "audience"): 9, ("lead", "customer"): 3, ("customer", "lead"): 1, ("lead", "audience"): 0})
    assert [(band.origin, band.target, band.way) for band in chart.bands] == [
        ("", "audience", "in"),
        ("lead", "customer", "up"),
        ("customer", "lead", "down"),
    ]
    assert chart.bands[1].text == "Lead \N{RIGHTWARDS ARROW} Customer: 3 moves"
    assert [node.label for node in chart.left] == ["New", "Lead", "Customer"]
    assert [(node.label, node.total) for node in chart.right] == [("Audience", 9), ("Lead", 1), ("Customer", 3)]


def test_what_has_no_label_is_left_out_and_nothing_is_an_empty_diagram() -> None:
    assert drawn({}).bands == ()
    assert sankey(LABELS, [("gone", "lead", 5), ("lead", "gone", 5)], arrival="New").total == 0


def test_a_long_label_is_broken_in_two_and_cut_where_that_is_not_enough() -> None:
    labels = {"a": "Prospect (Marketing)", "b": "Somebody whom nobody ever met in person"}
    left, right = (
        nodes[0]
        for nodes in (
            sankey(labels, [("a", "b", 1)], arrival="").left,
            sankey(labels, [("a", "b", 1)], arrival="").right,
        )
    )
    assert left.lines == ("Prospect", "(Marketing)")
    assert len(right.lines) == 2
    assert right.lines[1].endswith("\N{HORIZONTAL ELLIPSIS}")
    assert right.label == labels["b"]

"""Assessing profiles: whole and by parts alike, and no two values confused that a test can tell apart."""

from hypothesis import given
from hypothesis import strategies as st

from scoring.definition import DefinitionDocument, read_document, to_builtins
from scoring.engine import Assessor
from tests.scoring.worlds import default_document

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 6000),
    st.floats(0, 6000),
    st.sampled_from(["", "1", "1.0", "true", "yes", "no", "software", "Intern", "Head of X", "a@b.c", "inbound"]),
    st.lists(st.integers(0, 1), max_size=2),
)


def document_with_attribute_tests() -> DefinitionDocument:
    """The default with fit rules on free attributes: a truth, a number, a text."""
    data = to_builtins(default_document())
    tests = [{"name": "attributes.x", "equals": wanted} for wanted in (True, 1, "1")]
    data["fit"]["rules"] = [
        *data["fit"]["rules"],
        *({"key": f"x{n}", "label": "X", "test": test, "points": 2**n} for n, test in enumerate(tests, start=1)),
    ]
    return read_document(data)


DOCUMENT = document_with_attribute_tests()
WIDTH = len(Assessor(DOCUMENT).attributes)


@given(st.lists(st.lists(VALUES, min_size=WIDTH, max_size=WIDTH), min_size=1, max_size=12))
def test_an_assessment_depends_on_its_own_values_alone(rows: list[list[object]]) -> None:
    alone = [Assessor(DOCUMENT).assess(row) for row in rows]
    together = Assessor(DOCUMENT)
    assert [together.assess(row) for row in rows] == alone
    by_parts = Assessor(DOCUMENT)
    first, rest = range(3), range(3, WIDTH)
    places = [
        by_parts.assessment_of((*by_parts.tell_apart(first, row[:3]), *by_parts.tell_apart(rest, row[3:])))
        for row in rows
    ]
    fit, answers = by_parts.assessments()
    assert fit[places].tolist() == [one.fit for one in alone]
    assert [tuple(row) for row in answers[places].tolist()] == [one.answers for one in alone]


def test_true_is_not_one() -> None:
    assessor = Assessor(DOCUMENT)
    place = assessor.attributes.index("attributes.x")
    fits = []
    for value in (True, 1, "1", 1.0, False):
        row: list[object] = [None] * WIDTH
        row[place] = value
        fits.append(assessor.assess(row).fit)
    assert fits == [2_000, 4_000, 8_000, 4_000, 0]

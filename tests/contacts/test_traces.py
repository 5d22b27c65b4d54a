"""Finding a person in what others wrote: in any spelling, and nobody of a similar name."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts.services.traces import Person, remove_files_about

ANN = Person(
    contact_ids=(7,),
    names=frozenset({("email", "ann@acme.test"), ("external_id", "crm-7"), ("anonymous_id", "cookie-7")}),
    phones=frozenset({"+49 151 555"}),
    first_names=frozenset({"Ann"}),
    last_names=frozenset({"Adams"}),
)


@pytest.mark.parametrize(
    "text",
    ["ann@acme.test", "mail to ANN@Acme.Test!", "?email=ann%40acme.test&x", "<ann@acme.test>.", "Dear Ann Adams,"],
)
def test_a_text_that_speaks_of_her(text: str) -> None:
    assert ANN.is_in_text(text)


@pytest.mark.parametrize(
    "text",
    ["joann@acme.test", "ann@acme.test.example", "ann@acme.testing", "x.ann@acme.test", "Ann and Bob Adams", "crm-7"],
)
def test_a_text_that_speaks_of_somebody_else(text: str) -> None:
    assert not ANN.is_in_text(text)


@given(
    st.recursive(st.text(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner)), st.data()
)
def test_she_is_found_in_any_document(document: Any, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["ann@acme.test", "Ann@ACME.test", "crm-7", "cookie-7", "+49 151 555"]))
    wrapped = {"x": document, "y": [name]}

    assert ANN.is_in_document(json.dumps(wrapped))
    assert ANN.is_in_document(json.dumps(wrapped, ensure_ascii=False))


def test_a_document_is_read_value_by_value() -> None:
    assert not ANN.is_in_document('{"id": "crm-77", "note": "about crm-7 and Ann"}')
    assert not ANN.is_in_document('{"first_name": "Ann", "last_name": "Other"}')
    assert ANN.is_in_document('{"last_name": "ADAMS", "deep": [{"first_name": "ann"}]}')
    assert ANN.is_in_document('{"userId": "crm-7", "cut off')
    assert ANN.is_in_document('{"email": "\\u0061nn@acme.test"}')


@pytest.mark.django_db
def test_her_mails_go_from_files_of_many(tmp_path: Path, settings: Any) -> None:
    settings.STATE_DIR, settings.EMAIL_FILE_PATH = tmp_path, str(tmp_path / "mail")
    (tmp_path / "mail").mkdir()
    between = f"{'-' * 79}\n"
    hers, his = "To: ann@acme.test\n\nHello\n", "To: joann@acme.test\n\nHello\n"
    encoded = "To: list@acme.test\nContent-Transfer-Encoding: base64\n\nRGVhciBhbm5AYWNtZS50ZXN0\n"
    (tmp_path / "mail" / "many.log").write_text(between.join([hers, his, encoded, ""]))
    (tmp_path / "mail" / "own.log").write_text(hers + between)

    assert remove_files_about(ANN) == 3
    assert {path.name: path.read_text() for path in (tmp_path / "mail").iterdir()} == {
        "many.log": between.join([his, ""])
    }

"""Whatever somebody sends as a definition is answered with what is wrong with it, never with a failure of ours."""

import copy
import json
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts.enums import Scope
from scoring.models import Definition
from tests.factories import make_source

pytestmark = pytest.mark.django_db

REFUSED = {400, 413, 422}
DEEP: Any = "x"
for _ in range(200):
    DEEP = {"not": DEEP}

# What takes the place of a part of a sound document.
ODD: list[Any] = [
    None, True, 0, -1, 2**63, -(2**70), 10**300, 1.5, -0.0, 1e308, "", " ", "x" * 10_000, "nul \0", "\u202e", "🎣",
    "=1+1", "a.b", "[0]", "../..", "%s", [], {}, [[]], [None], {"": 1}, {"x" * 10_000: 1}, {"\0": 1},
    {"a": {"b": {"c": 1}}},
    list(range(3_000)), DEEP, [{"key": "a"}] * 2, {"equals": None}, {"at_least": "30"}, {"all": []}, {"any": [{}]},
    {"not": {"not": {"not": {}}}}, {"pattern": "("}, {"pattern": "(a+)+$"}, {"kinds": ["demo_requested"] * 1_000},
]  # fmt: skip

RAW = [
    b"", b"{", b"[]", b"5", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"document": ' * 10_000,
    b'{"document": NaN}',
    b'{"document": {"key": "\\ud800"}}', b'{"document": {"\\ud800": 1}}', b'{"document": {"key": 1e999}}',
    b'{"document": {"key": ' + b"9" * 5_000 + b"}}", b'{"document": []}', b'{"document": "x"}', b'{"document": null}',
    b'{"yaml": 5}', b'{"yaml": null}', b'{"document": {}, "yaml": ""}', b'{"copy_of": {}}', b'{"copy_of": "x"}',
    b'{"copy_of": 99999999999999999999999}', b'{"copy_of": true}', b'{"document": {}, "colour": "green"}',
    b'{"' + b"k" * 10_000 + b'": 1}', b'{"document": {"key": "\\u0000"}}',
]  # fmt: skip

# Nine lines that hold 9 ** 9 parts once each name is looked up.
LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "\n".join(
    f"{one}: &{one} [{','.join([f'*{before}'] * 9)}]" for before, one in zip("abcdefgh", "bcdefghi", strict=True)
)
YAML = [
    "", "- a", "x", "5", "null", "&a [*a]", "&a {b: *a}", "key: &k [1]\nname: *k", "? {a: b}\n: c", "1: x",
    "key: 2026-01-01",
    "key: 2026-13-45", "key: .nan", "key: .inf", "key: !!binary aGVsbG8=", "key: !!set {a, b}",
    "key: !!python/object:x.Y {}",
    "key: " + "9" * 5_000, 'key: "\\ud800"', 'key: "\\0"', '"\\ud800": x', "[" * 5_000, "{a: " * 3_000, "a: b: c",
    "\t- x",
    "%YAML 9",
    "key: " + "x" * 199_000, "x" * 200_001, "<<: [1]", "<<: {a: 1}\n<<: *b", "!!omap [a]", "--- a\n--- b", "@",
    "key: 0o7_7:1",
    LAUGHS,
]  # fmt: skip


@pytest.fixture
def key() -> str:
    return make_source([Scope.DEFINITIONS_READ, Scope.DEFINITIONS_WRITE])[1]


def send(key: str, body: bytes, method: str = "POST", path: str = "/api/v1/definitions/") -> Any:
    answer = Client().generic(
        method, path, body, content_type="application/json", headers={"authorization": f"Bearer {key}"}
    )
    if answer.status_code >= 400:
        told = answer.json()
        assert set(told) == {"code", "message", "fields"}
        assert told["message"]
        assert len(answer.content) < 150_000
    return answer


@pytest.mark.parametrize("body", RAW, ids=range(len(RAW)))
def test_a_body_that_is_no_definition(key: str, body: bytes) -> None:
    assert send(key, body).status_code in REFUSED
    assert send(
        key, body, "PATCH", f"/api/v1/definitions/{Definition.objects.get(key='reaction').pk}/"
    ).status_code in {
        *REFUSED,
        428,
    }
    assert not Definition.objects.filter(version=2).exists()


@pytest.mark.parametrize("text", YAML, ids=range(len(YAML)))
def test_yaml_that_is_no_definition(key: str, text: str) -> None:
    assert send(key, json.dumps({"yaml": text}).encode()).status_code in REFUSED
    assert not Definition.objects.filter(version=2).exists()


@st.composite
def spoilt(draw: st.DrawFn) -> list[Any]:
    """Which part to spoil (the turn taken at each level) and with what."""
    return [draw(st.lists(st.integers(0, 10**6), max_size=8)), draw(st.sampled_from(range(len(ODD))))]


def spoil(document: dict[str, Any], turns: list[int], odd: Any) -> dict[str, Any]:
    """Put ``odd`` in the place of one part."""
    spoilt_document = copy.deepcopy(document)
    part: Any = spoilt_document
    for turn in turns or [0]:
        choices = list(part) if isinstance(part, dict) else list(range(len(part)))
        chosen = choices[turn % len(choices)]
        inner = part[chosen]
        if turn is (turns or [0])[-1] or not isinstance(inner, dict | list) or not inner:
            part[chosen] = odd
            break
        part = inner
    return spoilt_document


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spoilt())
def test_a_sound_document_with_one_odd_part(key: str, choice: list[Any]) -> None:
    turns, index = choice
    document = Definition.objects.get(key="default", version=1).document
    body = json.dumps({"document": spoil(document, turns, ODD[index])}).encode()
    answer = send(key, body)
    assert answer.status_code in {201, *REFUSED}
    if answer.status_code == 201:
        # What is stored can be read back, shown, changed, judged by and thrown away.
        path = f"/api/v1/definitions/{answer.json()['id']}/"
        assert send(key, b"", "GET", path).status_code == 200
        assert send(key, b"", "POST", f"{path}compare/").status_code == 400
        assert send(key, b"", "DELETE", path).status_code == 204

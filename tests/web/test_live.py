"""The answer to a page that asks what is new: 304 unless something that matters changed."""

from pathlib import Path

from django.test import RequestFactory

from config.web.live import MOST_SHOWN, is_live, live_answer, shown_parts
from config.web.static_files import StaticFiles

PART = (
    '<p data-live-part="a"><input type="hidden" name="csrfmiddlewaretoken" value="{token}">Ann, '
    '<time datetime="2026-11-03T10:00:00Z" data-relative>{age}</time>, {state}</p>'
)


def answer(token: str, age: str, state: str, tag: str = "") -> tuple[int, str]:
    request = RequestFactory().get("/queue/", headers={"If-None-Match": tag} if tag else {})
    response = live_answer(request, PART.format(token=token, age=age, state=state))
    assert response["Cache-Control"] == "private, no-store"
    return response.status_code, response["ETag"]


def test_a_new_token_and_an_age_are_no_news_and_a_new_state_is() -> None:
    status, tag = answer("one", "just now", "offered")
    assert status == 200
    assert answer("two", "5 minutes ago", "offered", tag) == (304, tag)
    assert answer("two", "5 minutes ago", "offered", f"W/{tag}") == (304, tag)
    changed, other = answer("two", "5 minutes ago", "claimed", tag)
    assert changed == 200
    assert other != tag


def test_the_page_says_which_parts_it_shows() -> None:
    shown = "offer-3,offer-12,other-4,offer-x,offer-,offer-" + "9" * 30
    request = RequestFactory().get("/", headers={"X-Ripen-Live": "1", "X-Ripen-Shown": shown})
    assert is_live(request)
    assert shown_parts(request, "offer-") == [3, 12]
    flood = RequestFactory().get("/", headers={"X-Ripen-Shown": ",".join(str(n) for n in range(10_000))})
    assert shown_parts(flood) == list(range(MOST_SHOWN))
    assert not is_live(RequestFactory().get("/"))
    assert shown_parts(RequestFactory().get("/"), "offer-") == []


def test_a_script_that_imports_another_one_names_it_by_its_contents(tmp_path: Path) -> None:
    (tmp_path / "js").mkdir()
    (tmp_path / "js/one.js").write_text('// Says import x.\nimport { a, b } from "./two.js";\na(b);\n')
    (tmp_path / "js/two.js").write_text("export const a = 1, b = 2;\n")
    storage = StaticFiles(location=tmp_path, base_url="/static/")
    made = {
        name: hashed
        for name, hashed, _ in storage.post_process(
            {"js/one.js": (storage, "js/one.js"), "js/two.js": (storage, "js/two.js")}
        )
    }
    two = made["js/two.js"].removeprefix("js/")
    assert two != "two.js"
    assert (
        tmp_path / made["js/one.js"]
    ).read_text() == f'// Says import x.\nimport {{ a, b }} from "./{two}";\na(b);\n'

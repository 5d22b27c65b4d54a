"""What is rendered once answers for nothing else: not for unsafe text, not in another language."""

from django.utils import translation
from django.utils.safestring import SafeString

from config.web.components import remember_component, remember_part


def test_a_safe_text_does_not_answer_for_an_unsafe_one() -> None:
    text = "<b>Ripe</b>"
    assert text in remember_component("badge", label=SafeString(text), tone="", icon="")
    assert "&lt;b&gt;Ripe&lt;/b&gt;" in remember_component("badge", label=text, tone="", icon="")
    assert text in remember_component("badge", label=SafeString(text), tone="", icon="")


def test_each_language_has_its_own() -> None:
    said = {}
    for language in ("en", "de", "en"):
        with translation.override(language):
            said[language] = remember_part("components/theme_toggle.html")
    assert "Theme: system" in said["en"]
    assert said["de"] != said["en"]


def test_a_lazy_text_is_that_of_the_language_it_is_rendered_in() -> None:
    label = translation.gettext_lazy("Close")
    words = []
    for language in ("en", "de"):
        with translation.override(language):
            words.append(remember_component("badge", label=label, tone="", icon=""))
    assert "Close" in words[0]
    assert "Schließen" in words[1]

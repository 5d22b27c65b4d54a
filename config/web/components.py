"""How components become markup: from their templates, and those that depend on their inputs alone once for each set."""

from functools import lru_cache
from typing import Any, TypeAlias

from django.conf import settings
from django.template.loader import get_template
from django.utils.functional import Promise
from django.utils.safestring import SafeData, SafeString, mark_safe
from django.utils.translation import get_language

_Given: TypeAlias = tuple[tuple[str, Any], ...]


def render_component(name: str, /, **values: Any) -> SafeString:
    """Render ``templates/components/<name>.html``."""
    return _rendered(f"components/{name}.html", tuple(values.items()))


def remember_component(name: str, /, **values: Any) -> SafeString:
    """Render a component that depends on nothing but its inputs and the language, once for each set of them.

    The inputs must be hashable; a page holds hundreds of such components. Whether a text needs no escaping any more is
    remembered beside it: safe strings equal plain ones, and one must not answer for the other. While templates are
    being written (``DEBUG``) nothing is remembered.
    """
    given = _without_promises(values)
    if settings.DEBUG:
        return render_component(name, **dict(given))
    return _component(name, given, _safe_ones(given), get_language())


def remember_part(template: str, /, **values: Any) -> SafeString:
    """Render a larger part of pages as ``remember_component`` does; of these, fewer are kept."""
    given = _without_promises(values)
    if settings.DEBUG:
        return _rendered(template, given)
    return _part(template, given, _safe_ones(given), get_language())


def _without_promises(values: dict[str, Any]) -> _Given:
    return tuple((key, str(one) if isinstance(one, Promise) else one) for key, one in values.items())


def _safe_ones(given: _Given) -> tuple[str, ...]:
    return tuple(key for key, one in given if isinstance(one, SafeData))


def _rendered(template: str, given: _Given) -> SafeString:
    return mark_safe(get_template(template).render(dict(given)))  # noqa: S308  a template escapes


@lru_cache(maxsize=8192)
def _component(name: str, given: _Given, _safe: tuple[str, ...], _language: str | None) -> SafeString:
    return _rendered(f"components/{name}.html", given)


@lru_cache(maxsize=256)
def _part(template: str, given: _Given, _safe: tuple[str, ...], _language: str | None) -> SafeString:
    return _rendered(template, given)

"""What all pages of one definition share: its name, its state, its tabs."""

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext, gettext_noop

from config.web.ui import Tab
from scoring.definition import DefinitionError
from scoring.models import Definition, Publication
from scoring.selectors.learned import open_notices
from scoring.wording import problem_words

_TABS = (
    (gettext_noop("Definition"), "definition"),
    (gettext_noop("What-if"), "definition-what-if"),
    (gettext_noop("Compare"), "definition-compare"),
    (gettext_noop("Backtest"), "definition-backtest"),
    (gettext_noop("Learned score"), "definition-learn"),
    (gettext_noop("Publish"), "definition-publish"),
)


def head_of(row: Definition, *, tab: str) -> dict[str, Any]:
    """The context of ``scoring/definition_base.html`` for the page with the URL name ``tab``."""
    return {
        "row": row,
        "in_force": row.pk == in_force_id(),
        "notices": [notice for notice in open_notices() if notice.definition.key == row.key],
        "tabs": [Tab(gettext(label), reverse(name, args=[row.pk]), name == tab) for label, name in _TABS],
    }


def in_force_id() -> int | None:
    """Id of the definition that judges now."""
    latest = Publication.objects.filter(retracted_at=None).order_by("-effective_at")
    return latest.values_list("definition_id", flat=True).first()


def full_name(row: Definition) -> str:
    """A definition as people call it: ``Ripen default v2``."""
    return gettext("%(name)s v%(version)s") % {"name": row.name, "version": row.version}


def refusal_words(error: Exception) -> str:
    """Why a service refused, for a message: each problem of a definition in the reader's language, else its words."""
    if not isinstance(error, DefinitionError):
        return str(error)
    return "; ".join(f"{problem.path} {problem_words(problem)}" for problem in error.problems)

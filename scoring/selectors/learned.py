"""Learned scores and notices, for pages, the API and the shell."""

from scoring.enums import ModelState
from scoring.models import Definition, LearnedModel, Notice


def latest_model(definition: Definition) -> LearnedModel | None:
    """The learned score of a definition that is ready, else the latest one whatever became of it; None without any."""
    models = LearnedModel.objects.filter(definition=definition).select_related("definition").order_by("-id")
    return models.filter(state=ModelState.READY).first() or models.first()


def open_notices() -> list[Notice]:
    """The notices that nobody has dismissed, newest first, with their definitions."""
    return list(Notice.objects.filter(dismissed_at=None).select_related("definition").order_by("-id"))

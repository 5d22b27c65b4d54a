"""The consequence app's background work: thin, each one service call repeated until nothing is left."""

from funnel.tasks.drains import drain, reconcile

__all__ = ["drain", "reconcile"]

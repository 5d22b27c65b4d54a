"""The consequence app's background work: thin, each one service call repeated until nothing is left."""

from funnel.tasks.clocks import clocks
from funnel.tasks.drains import drain, reconcile
from funnel.tasks.stranded import stranded

__all__ = ["clocks", "drain", "reconcile", "stranded"]
from funnel.tasks.sequences import sequences, stray_enrolments

__all__ = ["drain", "reconcile", "sequences", "stray_enrolments"]

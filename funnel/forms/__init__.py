"""Forms of the consequence app."""

from funnel.forms.conversation import ActivityForm
from funnel.forms.handoffs import OutcomeForm, ReassignForm, ReleaseForm, ReturnForm, WinForm

__all__ = ["ActivityForm", "OutcomeForm", "ReassignForm", "ReleaseForm", "ReturnForm", "WinForm"]

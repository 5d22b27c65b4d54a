"""What the list of handoffs can be narrowed to."""

from typing import Any

import django_filters
from django.db.models import QuerySet

from config.web.errors import ApiError
from funnel.enums import HandoffState
from funnel.models import Handoff

_LONGEST_ID = 18


class HandoffFilters(django_filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    """Filters of ``/handoffs/``; ``state`` may be given several times."""

    state = django_filters.MultipleChoiceFilter(choices=HandoffState.choices)
    stage = django_filters.ChoiceFilter(
        choices=[(key, key) for key in ("audience", "lead", "marketing_prospect", "sales_prospect")]
    )
    contact = django_filters.CharFilter(method="by_id", help_text="A contact's id.")
    claimed_by = django_filters.CharFilter(method="by_rep", help_text="Its rep: a person's id, or `me`.")
    assigned_to = django_filters.CharFilter(method="by_rep", help_text="Whom it is kept for: a person's id, or `me`.")

    class Meta:
        model = Handoff
        fields = ()

    def by_id(self, handoffs: "QuerySet[Handoff]", name: str, value: str) -> "QuerySet[Handoff]":
        """Narrow to one related row."""
        return handoffs.filter(**{f"{name}_id": as_id(name, value)})

    def by_rep(self, handoffs: "QuerySet[Handoff]", name: str, value: str) -> "QuerySet[Handoff]":
        """Narrow to what one person has claimed, or what is kept for them."""
        if value != "me":
            return self.by_id(handoffs, name, value)
        user: Any = self.request.user
        if not user.is_authenticated:
            raise ApiError(400, "invalid", "`me` needs a person.", {name: "A source is nobody; name a person's id."})
        return handoffs.filter(**{name: user})


def as_id(name: str, value: str) -> int:
    """Read an id from a query parameter; anything that can be none is a 400."""
    if not value.isascii() or not value.isdigit() or len(value) > _LONGEST_ID:
        raise ApiError(400, "invalid", f"{name}: This is no id.", {name: "This is no id."})
    return int(value)

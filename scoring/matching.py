"""From a definition's matches to Django queries over events."""

from collections.abc import Sequence

from django.db.models import Q

from contacts.models import Kind
from scoring.definition import Match, PropertyTest
from scoring.engine import KindFacts

# Judgement sees an event until it is retracted or found suspect (a bot); the covering index has the same condition.
JUDGED = Q(retracted_at=None, suspect_reason="")


def load_kinds() -> tuple[KindFacts, ...]:
    """All event kinds with what a match can ask of them, by id."""
    rows = Kind.objects.order_by("id").values_list("id", "name", "initiator", "reach", "two_way")
    return tuple(KindFacts(*row) for row in rows)


def match_query(kind_ids: Sequence[int], match: Match) -> Q:
    """The events that meet ``match``, whose kinds were resolved to ``kind_ids``."""
    query = Q(kind_id__in=list(kind_ids))
    for name, test in match.properties.items():
        query &= _property_query(name, test)
    return query


def _property_query(name: str, test: PropertyTest) -> Q:
    path = f"properties__{name}"
    if test.equals is not None:
        return Q(**{path: test.equals})
    if test.one_of is not None:
        return Q(**{f"{path}__in": list(test.one_of)})
    # Blank text names nobody: present means something other than white space.
    present = Q(properties__has_key=name) & ~Q(**{path: None}) & ~Q(**{f"{path}__regex": r"^\s*$"})
    return present if test.present else ~present

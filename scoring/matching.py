"""From a definition's matches to Django queries over events."""

import json
from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import (
    BigIntegerField,
    BooleanField,
    F,
    FloatField,
    Func,
    IntegerField,
    JSONField,
    Q,
    QuerySet,
    TextField,
    Value,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce
from django.db.models.lookups import GreaterThan, GreaterThanOrEqual, LessThanOrEqual
from django.db.models.sql.compiler import SQLCompiler

from contacts.models import Event
from scoring.definition import Match, PropertyTest
from scoring.definition.patterns import compile_pattern
from scoring.engine import KindFacts

# Judgement sees an event until it is retracted or found suspect (a bot); the covering index has the same condition.
JUDGED = Q(retracted_at=None, suspect_reason="")

# A JSON number as text, or text that is one: nothing else may reach the cast to numeric.
_NUMBER = r"^\s*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?)\s*$"


_KINDS = """
SELECT kind.id, judged.name, judged.initiator, judged.reach, judged.two_way,
       CASE WHEN kind.maps_to_id IS NULL THEN '' ELSE kind.name END
FROM contacts_kind AS kind JOIN contacts_kind AS judged ON judged.id = coalesce(kind.maps_to_id, kind.id)
ORDER BY kind.id
"""


def load_kinds() -> tuple[KindFacts, ...]:
    """All event kinds with what a match can ask of them, by id; a mapped one has the name and nature of its target."""
    with connection.cursor() as cursor:
        cursor.execute(_KINDS)
        return tuple(KindFacts(*row) for row in cursor.fetchall())


def matching_events(events: "QuerySet[Event]", kind_ids: Sequence[int], match: Match) -> "QuerySet[Event]":
    """Those of ``events`` that meet ``match``, whose kinds were resolved to ``kind_ids``.

    A pattern is RE2's, which PostgreSQL does not know: it costs a query for the distinct texts that the property has.
    """
    query = Q(kind_id__in=list(kind_ids))
    if match.channels:
        query &= Q(channel__in=match.channels)
    if match.sources:
        query &= Q(source__name__in=match.sources)
    for name, test in match.properties.items():
        if test.pattern is None:
            query &= Q(_property_condition(name, test))
    found = events.filter(query)
    for name, test in match.properties.items():
        if test.pattern is not None:
            found = _meeting_pattern(found, name, compile_pattern(test.pattern))
    return found


def property_value(name: str) -> Func:
    """A number that tells the values of a property apart, 0 without one; see ``engine.properties.number_of``."""
    hashed = Func(
        property_text(name),
        template="('x' || left(encode(sha256(convert_to(%(expressions)s, 'UTF8')), 'hex'), 16))::bit(64)::bigint",
        output_field=BigIntegerField(),
    )
    return Coalesce(hashed, Value(0))


def property_text(name: str) -> Func:
    """A property as text; NULL where it is missing or null."""
    # Not Django's own key transform: it takes a name of digits for a place in a list.
    return Func(
        F("properties"), Value(name), template="(%(expressions)s)", arg_joiner=" ->> ", output_field=TextField()
    )


class _ScalarText(Func):
    """A property's text, number or truth value as text; NULL for lists and objects."""

    template = (
        "(CASE WHEN jsonb_typeof(%(expressions)s) IN ('array', 'object') THEN NULL ELSE (%(expressions)s) #>> '{}' END)"
    )
    output_field = TextField()

    def as_sql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, *args: Any, **kwargs: Any
    ) -> tuple[str, tuple[str | int, ...]]:
        """Write the property twice, so its parameters too."""
        sql, params = super().as_sql(compiler, connection, *args, **kwargs)
        return sql, (*params, *params)


def _property_json(name: str) -> Func:
    return Func(F("properties"), Value(name), template="(%(expressions)s)", arg_joiner=" -> ", output_field=JSONField())


def _property_condition(name: str, test: PropertyTest) -> Combinable | Q:
    if test.present is not None:
        # Blank text names nobody: present means something other than white space.
        named = _sql("(%(expressions)s)", " ~ ", property_text(name), Value(r"\S"))
        # As it is where it is asked for: so it is the condition of the index of two-way events with a name.
        return Q(named) if test.present else ~Q(Coalesce(named, Value(False)))
    if test.equals is not None or test.one_of is not None:
        options = [json.dumps(option) for option in (test.one_of or (test.equals,))]
        return _sql("(%(expressions)s::jsonb[]))", " = ANY (", _property_json(name), Value(options))
    text = _ScalarText(_property_json(name))
    if test.prefix is not None:
        return Func(text, Value(test.prefix), function="starts_with", output_field=BooleanField())
    if test.contains is not None:
        return Q(GreaterThan(Func(text, Value(test.contains), function="strpos", output_field=IntegerField()), 0))
    number = Func(
        property_text(name), Value(_NUMBER), template="substring(%(expressions)s)::numeric", output_field=FloatField()
    )
    query = Q()
    if test.at_least is not None:
        query &= Q(GreaterThanOrEqual(number, test.at_least))
    if test.at_most is not None:
        query &= Q(LessThanOrEqual(number, test.at_most))
    return query


def _sql(template: str, joiner: str, *expressions: Combinable) -> Func:
    return Func(*expressions, template=template, arg_joiner=joiner, output_field=BooleanField())


def _meeting_pattern(events: "QuerySet[Event]", name: str, pattern: Any) -> "QuerySet[Event]":
    text = _ScalarText(_property_json(name))
    texts = events.order_by().annotate(_text=text).filter(_text__isnull=False).values_list("_text", flat=True)
    found = [value for value in texts.distinct() if pattern.search(value)]
    return events.filter(Q(_sql("(%(expressions)s::text[]))", " = ANY (", text, Value(found))))

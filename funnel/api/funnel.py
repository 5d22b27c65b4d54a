"""The funnel's figures as JSON."""

from collections.abc import Mapping
from typing import Any, Final

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.web.errors import ApiError
from config.web.filtering import check_parameters
from config.web.replica import from_replica
from config.web.schema import ErrorSerializer
from contacts.enums import Scope
from funnel.selectors.tables import (
    DEFAULT_PARTS,
    PARAMETERS,
    PARTS,
    PRESETS,
    TABLES,
    UNKNOWN,
    Cell,
    Column,
    FigureTable,
    Kind,
    Tables,
    TableSpec,
    read_asked,
    written,
)
from scoring.selectors import published_definition


class FigureStageSerializer(serializers.Serializer[Any]):
    """A stage by the published definition's label; the key ``""`` is arrival: there was no stage before."""

    key = serializers.CharField(allow_blank=True)
    label = serializers.CharField()  # type: ignore[assignment]  # the contract's name


def _field(column: Column) -> serializers.Field[Any, Any, Any, Any]:
    """What the schema says of a column."""
    about: dict[str, Any] = {"help_text": f"{column.label}. {column.help}".strip().rstrip(".") + "."}
    if column.kind is Kind.STAGE:
        return FigureStageSerializer()
    if column.kind is Kind.TEXT:
        return serializers.CharField(allow_blank=True, **about)
    if column.kind is Kind.FLAG:
        return serializers.BooleanField(**about)
    if column.kind is Kind.NUMBER:
        return serializers.IntegerField(allow_null=True, **about)
    if column.kind is Kind.MOMENT:
        return serializers.DateTimeField(allow_null=True, **about)
    if column.kind is Kind.MONTH:
        return serializers.CharField(**about)
    return serializers.FloatField(allow_null=True, **about)


def _rows_of(spec: TableSpec) -> serializers.Serializer[Any]:
    """A serializer of a table's rows, for the schema."""
    name = f"Funnel{''.join(word.capitalize() for word in spec.name.split('_'))}Serializer"
    fields = {column.key: _field(column) for column in spec.columns}
    made: type[serializers.Serializer[Any]] = type(
        name, (serializers.Serializer,), {"__doc__": f"{spec.title}: one row.", "__module__": __name__, **fields}
    )
    return made(many=True, required=False, help_text=spec.title)


_FunnelTablesSerializer: Final[type[serializers.Serializer[Any]]] = type(
    "FunnelTablesSerializer",
    (serializers.Serializer,),
    {
        "__doc__": "The tables of what was asked for.",
        "__module__": __name__,
        **{name: _rows_of(spec) for name, spec in TABLES.items()},
    },
)


class FunnelSerializer(serializers.Serializer[Any]):
    """Figures of a period and a segment, as tables of rows."""

    parts = serializers.ListField(child=serializers.CharField(), help_text="What was asked for.")
    period = serializers.DictField(child=serializers.DateField(), help_text="`from` and `to`, whole days in UTC.")
    segment = serializers.DictField(child=serializers.CharField(), help_text="What narrows it, as asked.")
    definition = serializers.CharField(help_text="key@version: whose stages and labels these are.")
    tables = _FunnelTablesSerializer()


_WORDS: Final = {
    "part": f"One of {', '.join(PARTS)}; may be repeated. Without it {', '.join(DEFAULT_PARTS)}.",
    "period": f"One of {', '.join(PRESETS)}; `90d` unless told otherwise. `from` and `to` go before it.",
    "from": "First day (UTC), such as 2026-01-01.",
    "to": "Last day (UTC), included; today without it.",
    "source": "Channel that the contacts came through.",
    "motion": "demand_generation or lead_generation.",
    "direction": "inbound or outbound.",
    "campaign": "Campaign that they came through.",
    "country": "Their country.",
    "industry": "Their company's industry.",
    "company": "Id of their company.",
    "employees_at_least": "Employees of their company, at least.",
    "employees_at_most": "Employees of their company, at most.",
    "by": "Facet of the sources: source, motion, direction, campaign or country.",
    "origin": "Stage that cohorts and sources start at.",
    "target": "Stage that they are to reach: a stronger one.",
}
_MAY_BE_UNKNOWN: Final = {"source", "motion", "direction", "campaign", "country", "industry"}


class FunnelView(APIView):
    """Conversion, velocity, flows, cohorts, sources, handoffs and what returns say of rules."""

    scopes: Mapping[str, Scope] = {"GET": Scope.FUNNEL_READ}

    @extend_schema(
        summary="Figures of the funnel",
        description=(
            "Everything follows from transitions in force and from the moves of handoffs, up to the moment. Shares are "
            "numbers from 0 to 1, lengths of time seconds, months `2026-03`; null is not known (yet). The same tables "
            "are on the page /funnel/ and in its CSV files. docs/analytics.md, docs/handoff-figures.md and "
            "docs/feedback.md define each figure."
        ),
        parameters=[
            OpenApiParameter(
                name,
                many=name == "part",
                enum=list(PARTS) if name == "part" else None,
                description=f"{words} `{UNKNOWN}`: not known." if name in _MAY_BE_UNKNOWN else words,
            )
            for name, words in _WORDS.items()
        ],
        responses={200: FunnelSerializer, 400: ErrorSerializer},
    )
    @from_replica
    def get(self, request: Request) -> Response:
        """Answer the tables of the parts that are asked for; 400 ``invalid`` names what cannot be read."""
        check_parameters(request, ("part", *PARAMETERS))
        definition, document = published_definition()
        labels: dict[str, str] = {stage.key: stage.label for stage in document.stages}
        now = timezone.now()
        asked, wrong = read_asked(request.query_params, stages=list(labels), today=now.date())
        parts = request.query_params.getlist("part") or list(DEFAULT_PARTS)
        if unknown := [part for part in parts if part not in PARTS]:
            wrong["part"] = f"{unknown[0][:50]} is none of {', '.join(PARTS)}."
        if wrong:
            raise ApiError(400, "invalid", "; ".join(f"{name}: {what}" for name, what in wrong.items()), wrong)
        tables = Tables(asked, now=now)
        found = [table for part in dict.fromkeys(parts) for table in tables.part(part)]
        rest = written(asked)
        return Response(
            {
                "parts": list(dict.fromkeys(parts)),
                "period": {"from": asked.period.first, "to": asked.period.last},
                "segment": {name: value for name, value in rest.items() if name in _SEGMENT},
                "definition": f"{definition.key}@{definition.version}",
                "tables": {table.spec.name: _json_rows(table, labels) for table in found},
            }
        )


_SEGMENT: Final = set(PARAMETERS) - {"period", "from", "to", "by", "origin", "target"}


def _json_rows(table: FigureTable, labels: Mapping[str, str]) -> list[dict[str, Any]]:
    columns = table.spec.columns
    return [{column.key: _json(row.cells[column.key], column, labels) for column in columns} for row in table.rows]


def _json(cell: Cell, column: Column, labels: Mapping[str, str]) -> Any:
    if column.kind is Kind.STAGE:
        return {"key": cell, "label": labels.get(cell, cell) if cell else "New contacts"}
    return f"{cell:%Y-%m}" if column.kind is Kind.MONTH else cell

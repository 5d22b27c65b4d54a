"""The OpenAPI document describes the whole API, and is valid."""

import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

pytestmark = pytest.mark.django_db

OPERATIONS = {
    "/api/v1/events/": {"get", "post"},
    "/api/v1/events/retract/": {"post"},
    "/api/v1/events/restore/": {"post"},
    "/api/v1/events/reclassify/": {"post"},
    "/api/v1/contacts/": {"get", "post"},
    "/api/v1/contacts/{id}/": {"get", "patch"},
    "/api/v1/contacts/{id}/events/": {"get"},
    "/api/v1/companies/": {"get", "post"},
    "/api/v1/companies/{id}/": {"get", "patch"},
    "/api/v1/definitions/": {"get", "post"},
    "/api/v1/definitions/{id}/": {"get", "patch", "delete"},
    **{
        f"/api/v1/definitions/{{id}}/{call}/": {"post"}
        for call in ("what-if", "compare", "backtest", "publish", "rollback", "approve")
    },
    "/api/v1/runs/": {"get"},
    "/api/v1/runs/{id}/": {"get"},
    "/api/v1/runs/{id}/cancel/": {"post"},
    "/api/v1/runs/{id}/retry/": {"post"},
    "/api/v1/runs/{id}/contacts/": {"get"},
    "/v1/batch/": {"post"},
    "/v1/track/": {"post"},
}


def test_the_document_is_complete_and_without_warnings() -> None:
    GENERATOR_STATS.reset()
    document = SchemaGenerator().get_schema(request=None, public=True)
    validate_schema(document)
    assert not GENERATOR_STATS
    for path, methods in OPERATIONS.items():
        assert methods <= set(document["paths"][path]), path
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation.get("summary") or operation.get("description"), f"{method} {path} is not described"


def test_unknown_contacts_and_errors_are_described() -> None:
    document = SchemaGenerator().get_schema(request=None, public=True)
    assert set(document["components"]["schemas"]["Error"]["properties"]) == {"code", "message", "fields"}
    parameters = document["paths"]["/api/v1/contacts/"]["get"]["parameters"]
    assert {parameter["name"] for parameter in parameters} == {
        "email", "external_id", "stage", "owner", "source", "tag", "q", "updated_since", "cursor", "limit",
    }  # fmt: skip

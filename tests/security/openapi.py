"""The OpenAPI document walked by schemathesis: every operation is called with made-up requests, in process.

``RIPEN_PROBE_EXAMPLES`` is how many requests an operation gets (default 10); ``make probe`` raises it.
"""

import os
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any, Final

import schemathesis
from django.db import transaction
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from config.wsgi import application

EXAMPLES: Final = int(os.environ.get("RIPEN_PROBE_EXAMPLES", "10"))
CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def read_schema() -> Any:
    """Return the document as it is served, bound to the application."""
    document = SchemaGenerator().get_schema(request=None, public=True)
    schema: Any = schemathesis.openapi.from_dict(document)
    schema.app = application
    return schema


def operations(schema: Any) -> list[Any]:
    """Return every operation of the document, always in the same order."""
    found = [result.ok() for result in schema.get_all_operations()]
    return sorted(found, key=lambda operation: (operation.path, operation.method))


def call_all(operation: Any, *, headers: Mapping[str, str], ids: Mapping[str, str]) -> Iterator[str]:
    """Call an operation with made-up requests, good and bad; yield what was wrong with an answer.

    Every other request names something that is there (``ids``: by the place before it in the address). What a request
    changed is undone before the next one.
    """
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        examples = EXAMPLES if mode is GenerationMode.POSITIVE else max(EXAMPLES // 2, 1)
        try:
            yield from dict.fromkeys(_call_some(operation, mode, examples, headers, ids))
        except Exception as error:  # noqa: BLE001  nothing could be made up: the document asks for what cannot be
            if not isinstance(error, Unsatisfiable) and "negative" not in str(error).lower():
                yield f"{operation.method.upper()} {operation.path}: {_first_lines(error)}"


def _call_some(
    operation: Any, mode: GenerationMode, examples: int, headers: Mapping[str, str], ids: Mapping[str, str]
) -> list[str]:
    wrong: list[str] = []
    turn = count()

    @seed(7)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case: Any) -> None:
        if next(turn) % 2 == 0:
            _name_what_is_there(case, ids)
        before = transaction.savepoint()
        try:
            case.validate_response(case.call(headers=headers), checks=CHECKS)
        except (Exception, FailureGroup) as error:  # noqa: BLE001  a crash of the application is a finding, too
            wrong.append(f"{operation.method.upper()} {operation.path}: {_first_lines(error)}")
        finally:
            transaction.savepoint_rollback(before)

    run()
    return wrong


def _name_what_is_there(case: Any, ids: Mapping[str, str]) -> None:
    for name in case.path_parameters or {}:
        place = case.operation.path.partition("{" + name)[0].rstrip("/").rpartition("/")[2]
        if place in ids:
            case.path_parameters[name] = ids[place]


def _first_lines(error: BaseException) -> str:
    said = [str(one) for one in getattr(error, "exceptions", [])] or [str(error)]
    return " | ".join(" ".join(text.split())[:400] for text in said)

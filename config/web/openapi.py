"""The OpenAPI document says of every call which errors it may answer, so that no view has to repeat it."""

from typing import Any, Final, Literal

from drf_spectacular.openapi import AutoSchema

from config.web.schema import ErrorSerializer

# Whoever calls, and however they call: unreadable parameters, no key, no right, too much at once.
_ALWAYS: Final = ("400", "401", "403", "429")
# Where something is sent: too much of it, something that is no JSON, or an Idempotency-Key used for something else.
_WITH_A_BODY: Final = ("413", "415", "422")


class DescribedErrors(AutoSchema):
    """drf-spectacular's reading of a view, with the errors that are the same everywhere."""

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction=direction)
        if direction != "response":
            return bodies
        codes = [*_ALWAYS, *(_WITH_A_BODY if self.method in {"POST", "PATCH", "PUT"} else ())]
        if "{" in self.path:
            codes.append("404")
        for code in codes:
            if code not in bodies:
                bodies[code] = self._get_response_for_code(ErrorSerializer, code)  # type: ignore[no-untyped-call]  # drf-spectacular's
        return dict(sorted(bodies.items()))

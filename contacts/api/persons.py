"""What a person has a right to, over HTTP: that all of it is erased, and to be told all that is known."""

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from config.web.errors import ApiError
from config.web.filtering import check_parameters
from config.web.schema import ErrorSerializer
from contacts.api.serializers import OpaqueId
from contacts.enums import ErasureReason
from contacts.models import Contact, Job
from contacts.scopes import person_of, source_of
from contacts.services.person_jobs import order_erasure, order_person_export

_STAYS = "Who ordered it, when and why stays, as a job that names nobody. The person's names stay as keyed hashes"


class OrderedJobSerializer(serializers.Serializer[Job]):
    """The job that was ordered; see `/jobs/`."""

    job = OpaqueId(source="pk")


ERASE_CONTACT = extend_schema(
    summary="Erase a contact",
    description=(
        "Everything that is theirs goes, for good, with all that was merged into it; what was counted stays counted"
        f" (docs/privacy.md). {_STAYS}: whatever names them again is rejected as `erased`. Ordering it twice"
        " is one job. For managers, administrators and server sources."
    ),
    parameters=[
        OpenApiParameter(
            "reason", str, enum=ErasureReason.values, description="Why, for the record; `asked` when left out."
        )
    ],
    responses={202: OrderedJobSerializer, 403: OpenApiResponse(ErrorSerializer)},
)
EXPORT_CONTACT = extend_schema(
    operation_id="contacts_export",
    summary="Export all that is known of a contact",
    description=(
        "A job that makes one JSON document (docs/privacy.md), to be downloaded from `/jobs/{id}/file/` for seven days."
        " For managers, administrators and server sources."
    ),
    request=None,
    responses={202: OrderedJobSerializer, 403: OpenApiResponse(ErrorSerializer)},
)


def erase_contact(request: Request, contact: Contact) -> Response:
    """Order the erasure and say under which job."""
    check_parameters(request, ("reason",))
    reason = request.query_params.get("reason", ErasureReason.ASKED.value)
    if reason not in ErasureReason.values:
        message = f"One of {', '.join(ErasureReason.values)}."
        raise ApiError(400, "invalid", f"reason: {message}", {"reason": message})
    job = order_erasure(
        contact=contact,
        by=person_of(request),
        source=source_of(request),
        reason=ErasureReason(reason),
        now=timezone.now(),
    )
    return Response(OrderedJobSerializer(job).data, status=202)


def export_contact(request: Request, contact: Contact) -> Response:
    """Order the export and say under which job."""
    check_parameters(request)
    if request.data:
        raise ApiError(400, "invalid", "Nothing is asked; send no body.")
    job = order_person_export(contact=contact, by=person_of(request), source=source_of(request))
    return Response(OrderedJobSerializer(job).data, status=202)

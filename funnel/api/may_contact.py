"""May we write to a contact now? Asked by mail tools and people before they do."""

from collections.abc import Mapping
from typing import Any

from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.web.errors import ApiError
from config.web.filtering import check_parameters
from config.web.schema import ErrorSerializer
from contacts.enums import Scope
from contacts.models import Contact
from contacts.scopes import person_of
from contacts.selectors.naming import present_id
from funnel.services.may_contact import NoSuchPurpose, may_contact

DEFAULT_PURPOSE = "marketing"
_LONGEST_CALL = 200


class ReasonSerializer(serializers.Serializer[Any]):
    """One thing that decides."""

    code = serializers.CharField(help_text="Such as `consent_missing`, `suppressed` or `too_often`.")
    message = serializers.CharField(help_text="A sentence for a person.")


class MayContactSerializer(serializers.Serializer[Any]):
    """Whether we may; ``reasons`` are all that forbid it, or what the permission rests on."""

    allowed = serializers.BooleanField()
    purpose = serializers.CharField(source="purpose.key")
    reasons = ReasonSerializer(many=True)


class MayContactView(APIView):
    """The communication guard."""

    scopes: Mapping[str, Scope] = {"GET": Scope.CONTACTS_READ}

    @extend_schema(
        summary="May we write to this contact now?",
        description=(
            "Answered from suppression, consent, stage, call to action, owner and frequency, under the definition in "
            "force. A contact that was merged away or erased is answered too: never. Asked by a person, a claimed "
            "contact's `sales` is theirs only where they are its rep."
        ),
        parameters=[
            OpenApiParameter("purpose", description="Key of the purpose.", default=DEFAULT_PURPOSE),
            OpenApiParameter(
                "call_to_action",
                description="As the definition lists it, in other words for the same, or its class, such as `pricing`.",
            ),
        ],
        responses={200: MayContactSerializer, 400: ErrorSerializer},
    )
    def get(self, request: Request, contact_id: int) -> Response:
        """Yes or no, and why."""
        check_parameters(request, ("purpose", "call_to_action"))
        call = request.query_params.get("call_to_action", "")
        if len(call) > _LONGEST_CALL:
            message = f"At most {_LONGEST_CALL} characters."
            raise ApiError(400, "too_long", message, {"call_to_action": message})
        try:
            answer = may_contact(
                contact_id=present_id(contact_id) or contact_id,
                now=timezone.now(),
                purpose=request.query_params.get("purpose") or DEFAULT_PURPOSE,
                call_to_action=call,
                by=person_of(request),
            )
        except NoSuchPurpose as unknown:
            raise ApiError(400, "unknown_purpose", str(unknown), {"purpose": str(unknown)}) from None
        except Contact.DoesNotExist:
            raise Http404 from None
        return Response(MayContactSerializer(answer).data)

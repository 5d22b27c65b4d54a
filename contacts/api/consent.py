"""Consent of a contact and suppressed addresses over HTTP."""

import uuid
from collections.abc import Mapping
from typing import Any

from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.web.errors import ApiError
from config.web.filtering import check_parameters
from config.web.schema import ErrorSerializer
from contacts.api.serializers import OpaqueId
from contacts.api.views import id_of, refusal
from contacts.enums import ConsentAction, ConsentBasis, Scope, SuppressionReason
from contacts.ingest.identifiers import normalise_email
from contacts.ingest.incoming import Refused
from contacts.models import ConsentEntry, Contact
from contacts.scopes import person_of, scopes_of_request, source_of
from contacts.selectors.consent import all_purposes, ledger_of
from contacts.selectors.merges import roots_of
from contacts.services.consent import consents_of, message_uuid, record_consent
from contacts.services.consent_facts import suppress_address
from contacts.services.preferences import preferences_url, unsubscribe_url
from contacts.services.suppression import count_suppressions, suppressed_among

ENTRIES_SHOWN = 200
_INVALID = OpenApiResponse(ErrorSerializer, "A field is missing, unknown, or holds what it cannot.")
_SUPPRESSED = OpenApiResponse(ErrorSerializer, "`suppressed`: nothing is sent there, so nothing can be granted.")


class ConsentEntrySerializer(serializers.ModelSerializer[ConsentEntry]):
    """One thing somebody said about being written to."""

    id = OpaqueId()
    purpose = serializers.CharField(source="purpose.key")
    action = serializers.ChoiceField(choices=ConsentAction.choices)
    basis = serializers.ChoiceField(choices=ConsentBasis.choices)
    proof = serializers.DictField()
    source = serializers.CharField(source="source.name", allow_null=True, default=None)  # type: ignore[assignment]  # the contract's name hides Field's own
    recorded_by = OpaqueId(source="by_id", allow_null=True)

    class Meta:
        model = ConsentEntry
        fields = ("id", "purpose", "action", "basis", "at", "recorded_at", "proof", "source", "recorded_by")


class PurposeStateSerializer(serializers.Serializer[Any]):
    """What holds for one purpose; ``state`` is empty where nobody said anything."""

    purpose = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # the contract's name hides Field's own
    basis = serializers.ChoiceField(choices=ConsentBasis.choices)
    state = serializers.ChoiceField(choices=[("", "nothing said"), *ConsentAction.choices])
    at = serializers.DateTimeField(allow_null=True)


class SuppressedSerializer(serializers.Serializer[Any]):
    """Why nothing is sent to an address."""

    reason = serializers.ChoiceField(choices=SuppressionReason.choices)
    at = serializers.DateTimeField()


class ConsentSerializer(serializers.Serializer[Any]):
    """All of a contact's consent. The links let their holder change it, so only a caller who may write gets them."""

    purposes = PurposeStateSerializer(many=True)
    suppressed = SuppressedSerializer(allow_null=True)
    entries = ConsentEntrySerializer(many=True, help_text=f"The latest {ENTRIES_SHOWN}, latest first.")
    preferences_url = serializers.URLField(allow_null=True, help_text="For mails to them; needs contacts:write.")
    unsubscribe_url = serializers.URLField(allow_null=True, help_text="For the List-Unsubscribe header (RFC 8058).")


class ConsentWriteSerializer(serializers.Serializer[Any]):
    """What somebody said, and how we know."""

    purpose = serializers.CharField(max_length=32)
    action = serializers.ChoiceField(choices=ConsentAction.choices)
    basis = serializers.ChoiceField(choices=ConsentBasis.choices, required=False)
    proof = serializers.CharField(max_length=2_000, help_text="What they said, where and when.")
    at = serializers.DateTimeField(required=False, help_text="Left out: now.")
    message_id = serializers.CharField(required=False, max_length=255, help_text="Sending it again changes nothing.")


class SuppressionCountSerializer(serializers.Serializer[Any]):
    """How many addresses nothing is sent to; with ``email``, whether that is one of them."""

    total = serializers.IntegerField()
    by_reason = serializers.DictField(child=serializers.IntegerField())
    suppressed = serializers.BooleanField(allow_null=True, help_text="Null unless an address was asked about.")
    reason = serializers.CharField(allow_null=True)


class SuppressionWriteSerializer(serializers.Serializer[Any]):
    """An address to send nothing to any more."""

    email = serializers.CharField(max_length=254)
    reason = serializers.ChoiceField(choices=SuppressionReason.choices, default=SuppressionReason.BY_HAND)


class ContactConsentView(APIView):
    """What a contact agreed to be written about."""

    scopes: Mapping[str, Scope] = {"GET": Scope.CONTACTS_READ, "POST": Scope.CONTACTS_WRITE}

    @extend_schema(summary="Read a contact's consent", responses=ConsentSerializer)
    def get(self, request: Request, pk: str) -> Response:
        """State of each purpose, suppression, and the ledger with its proof."""
        check_parameters(request)
        return Response(_consent(request, _contact(pk)))

    @extend_schema(
        summary="Record consent",
        description=(
            "Appends to the ledger, which nobody changes: a withdrawal is an entry of its own. 201 where it is new, "
            "200 where the same message_id said it before."
        ),
        request=ConsentWriteSerializer,
        responses={200: ConsentSerializer, 201: ConsentSerializer, 400: _INVALID, 409: _SUPPRESSED},
    )
    def post(self, request: Request, pk: str) -> Response:
        """Append what somebody said."""
        check_parameters(request)
        contact = _contact(pk)
        body = ConsentWriteSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        now = timezone.now()
        source, by = source_of(request), person_of(request)
        try:
            new = record_consent(
                contact_id=contact.pk,
                purpose=given["purpose"],
                action=given["action"],
                basis=given.get("basis", ""),
                proof={"how": "recorded", "text": given["proof"]},
                at=given.get("at") or now,
                now=now,
                by=by,
                source=source,
                message=_message(source.pk if source else 0, given.get("message_id", "")),
                # Of a contact that was merged away, it is that one's word.
                origin_id=id_of(pk),
            )
        except Refused as refused:
            if refused.code == "suppressed":
                raise ApiError(409, "suppressed", refused.message) from None
            raise refusal(refused) from None
        return Response(_consent(request, contact), status=201 if new else 200)


class SuppressionsView(APIView):
    """Addresses that nothing is sent to; only keyed hashes of them are kept, so they cannot be listed."""

    scopes: Mapping[str, Scope] = {"GET": Scope.CONTACTS_READ, "POST": Scope.CONTACTS_WRITE}

    @extend_schema(
        summary="Count suppressed addresses",
        parameters=[OpenApiParameter("email", description="Tell whether nothing is sent to this address.")],
        responses={200: SuppressionCountSerializer, 400: _INVALID},
    )
    def get(self, request: Request) -> Response:
        """How many there are by reason, and whether the asked one is among them."""
        check_parameters(request, ("email",))
        counts = count_suppressions()
        found = None
        asked = request.query_params.get("email")
        if asked is not None:
            try:
                address = normalise_email(asked, "email")
            except Refused as refused:
                raise refusal(refused) from None
            found = suppressed_among([address]).get(address)
        return Response(
            {
                "total": sum(counts.values()),
                "by_reason": counts,
                "suppressed": None if asked is None else found is not None,
                "reason": found.reason if found else None,
            }
        )

    @extend_schema(
        summary="Suppress an address",
        description="Whether or not anybody has it here. Its owner's consent is withdrawn, waiting mail is dropped.",
        request=SuppressionWriteSerializer,
        responses={201: SuppressedSerializer, 400: _INVALID},
    )
    def post(self, request: Request) -> Response:
        """Send nothing to an address any more."""
        check_parameters(request)
        body = SuppressionWriteSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        try:
            address = normalise_email(given["email"], "email")
            suppress_address(
                address=address,
                reason=given["reason"],
                now=timezone.now(),
                by=person_of(request),
                source=source_of(request),
            )
        except Refused as refused:
            raise refusal(refused) from None
        row = suppressed_among([address])[address]
        return Response(SuppressedSerializer(row).data, status=201)


def _contact(pk: str) -> Contact:
    contact = Contact.objects.filter(pk__in=roots_of([id_of(pk)]).values()).first()
    if contact is None:
        raise Http404
    return contact


def _consent(request: Request, contact: Contact) -> dict[str, Any]:
    consent = consents_of([contact])[contact.pk]
    purposes = []
    for purpose in all_purposes():
        state = consent.state(purpose.key)
        purposes.append(
            {
                "purpose": purpose.key,
                "label": purpose.label,
                "basis": state.basis if state else purpose.basis,
                "state": state.action if state else "",
                "at": state.at if state else None,
            }
        )
    may_write = Scope.CONTACTS_WRITE.value in scopes_of_request(request) and bool(contact.email)
    return dict(
        ConsentSerializer(
            {
                "purposes": purposes,
                "suppressed": consent.suppression,
                "entries": list(ledger_of(contact.pk)[:ENTRIES_SHOWN]),
                "preferences_url": preferences_url(contact.pk, contact.email) if may_write else None,
                "unsubscribe_url": unsubscribe_url(contact.pk, contact.email) if may_write else None,
            }
        ).data
    )


def _message(source_id: int, message_id: str) -> str:
    return message_uuid(source_id, f"consent:{message_id}") if message_id else str(uuid.uuid4())

"""Contacts, companies and events as resources."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import generics, mixins
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import GenericViewSet

from config.web.errors import ApiError
from config.web.filtering import check_parameters
from config.web.schema import ErrorSerializer
from contacts.api.filters import CompanyFilters, ContactFilters, EventFilters
from contacts.api.ingest import RECORD_EVENTS, receive_events
from contacts.api.persons import ERASE_CONTACT, EXPORT_CONTACT, erase_contact, export_contact
from contacts.api.serializers import (
    CompanySerializer,
    CompanyWriteSerializer,
    ContactSerializer,
    ContactWriteSerializer,
    EventSerializer,
)
from contacts.enums import Scope
from contacts.ingest.incoming import Refused
from contacts.ingest.resource import read_company, read_contact
from contacts.models import Company, Contact, Event, Source
from contacts.scopes import person_of, source_of
from contacts.selectors.facts import companies_in_full, contacts_in_full, events_in_full, events_of_contact
from contacts.selectors.merges import roots_of
from contacts.selectors.naming import present_id
from contacts.services.callers import people_source
from contacts.services.company_records import CompanyTaken, change_company, save_company
from contacts.services.contact_records import ContactRefused, IdentityTaken, change_contact, save_contact
from contacts.services.record import TooBusy

_LONGEST_ID = 18
_INVALID = OpenApiResponse(ErrorSerializer, "A field is unknown, read-only, or holds what it cannot.")
_TAKEN = OpenApiResponse(ErrorSerializer, "It would take what names another one.")


def id_of(text: str) -> int:
    """Return the number behind an opaque id.

    Raises:
        Http404: it is none of ours.
    """
    if not text.isascii() or not text.isdigit() or len(text) > _LONGEST_ID:
        raise Http404
    return int(text)


def writer_of(request: Request) -> Source:
    """Return the source under which the caller's writing is recorded."""
    return source_of(request) or people_source()


def refusal(refused: Refused) -> ApiError:
    """Return the 400 (403 for what a public source may not do) of a body that cannot be taken."""
    status = 403 if refused.code == "not_allowed" else 400
    return ApiError(status, refused.code, refused.message, {refused.field: refused.message} if refused.field else {})


@extend_schema_view(
    list=extend_schema(
        summary="List contacts", description="In the order of their last change, so that following `next` misses none."
    ),
    retrieve=extend_schema(
        summary="Read a contact",
        description="The id of a contact that was merged into another names that one; `id` says which it is.",
    ),
)
class ContactViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[Any]):
    """Contacts, with stage, scores, owner and source."""

    scopes: Mapping[str, Scope] = {
        "GET": Scope.CONTACTS_READ,
        "POST": Scope.CONTACTS_WRITE,
        "PATCH": Scope.CONTACTS_WRITE,
        "DELETE": Scope.CONTACTS_WRITE,
    }
    queryset = Contact.objects.none()
    serializer_class: type[BaseSerializer[Any]] = ContactSerializer
    filterset_class = ContactFilters
    ordering = ("updated_at", "id")

    def get_queryset(self) -> QuerySet[Contact]:
        """All contacts, with everything their JSON shows."""
        return contacts_in_full()

    def get_object(self) -> Contact:
        """The contact of the address; 404 where there is none."""
        check_parameters(self.request)
        return self.found()

    def found(self) -> Contact:
        """The contact of the address, whatever the parameters; 404 where there is none."""
        contact = contacts_in_full().filter(pk__in=roots_of([id_of(self.kwargs["pk"])]).values()).first()
        if contact is None:
            raise Http404
        return contact

    @extend_schema(
        summary="Create or update a contact",
        description="By external_id or email: 201 where it is new, 200 where one of that name was updated.",
        request=ContactWriteSerializer,
        responses={200: ContactSerializer, 201: ContactSerializer, 400: _INVALID},
    )
    def create(self, request: Request) -> Response:
        """Upsert by external id or e-mail address."""
        check_parameters(request)
        try:
            message = read_contact(request.data, now=timezone.now())
            contact_id, created = save_contact(source=writer_of(request), by=person_of(request), message=message)
        except Refused as refused:
            raise refusal(refused) from None
        except ContactRefused as refused:
            raise refusal(Refused(refused.rejected.code, refused.rejected.field, refused.rejected.message)) from None
        except TooBusy:
            raise ApiError(503, "unavailable", "Too many writers of the same contact; try again.") from None
        contact = contacts_in_full().get(pk=contact_id)
        return Response(self.get_serializer(contact).data, status=201 if created else 200)

    @extend_schema(
        summary="Change a contact",
        description="Null clears a field. Stage, scores, owner and source are read-only.",
        request=ContactWriteSerializer,
        responses={200: ContactSerializer, 400: _INVALID, 409: _TAKEN},
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what is given."""
        contact = self.get_object()
        try:
            # Under the id that was asked for: of a contact that was merged away, it is that one's fact.
            message = read_contact(request.data, now=timezone.now(), contact_id=id_of(pk))
            change_contact(contact=contact, source=writer_of(request), by=person_of(request), message=message)
        except Refused as refused:
            raise refusal(refused) from None
        except ContactRefused as refused:
            raise refusal(Refused(refused.rejected.code, refused.rejected.field, refused.rejected.message)) from None
        except IdentityTaken as taken:
            raise ApiError(409, "identity_taken", str(taken), {taken.field: str(taken)}) from None
        except TooBusy:
            raise ApiError(503, "unavailable", "Too many writers of the same contact; try again.") from None
        return Response(self.get_serializer(contacts_in_full().get(pk=contact.pk)).data)

    @ERASE_CONTACT
    def destroy(self, request: Request, pk: str) -> Response:
        """Order that everything of the contact is erased."""
        return erase_contact(request, self.found())

    @EXPORT_CONTACT
    @action(detail=True, methods=["post"])
    def export(self, request: Request, pk: str) -> Response:
        """Order a file of all that is known of the contact."""
        return export_contact(request, self.found())

    @extend_schema(summary="List a contact's events", description="Latest first.", responses=EventSerializer(many=True))
    @action(
        detail=True,
        queryset=Event.objects.none(),
        serializer_class=EventSerializer,
        filterset_class=EventFilters,
        ordering=("-occurred_at", "-id"),
    )
    def events(self, request: Request, pk: str) -> Response:
        """What the contact did, and what we did about it."""
        contact_id = present_id(id_of(pk))
        if contact_id is None:
            raise Http404
        page = self.paginate_queryset(self.filter_queryset(events_of_contact(contact_id)))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


@extend_schema_view(get=extend_schema(summary="List events", description="Latest arrival first."))
class EventsView(generics.ListAPIView[Event]):
    """The event log: read it, push to it."""

    scopes: Mapping[str, Scope] = {"GET": Scope.CONTACTS_READ, "POST": Scope.EVENTS_WRITE}
    queryset = Event.objects.none()
    serializer_class = EventSerializer
    filterset_class = EventFilters
    ordering = ("-id",)

    def get_queryset(self) -> QuerySet[Event]:
        """All events, with everything their JSON shows."""
        return events_in_full()

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Let a batch pass by REST framework's machinery, which would cost more than storing it."""
        if request.method == "POST":
            return receive_events(request)
        return super().dispatch(request, *args, **kwargs)

    @RECORD_EVENTS
    def post(self, request: Request) -> Response:
        """Documented here, answered by `dispatch`."""
        raise AssertionError("dispatch answers")


@extend_schema_view(list=extend_schema(summary="List companies"), retrieve=extend_schema(summary="Read a company"))
class CompanyViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[Company]):
    """Companies."""

    scopes: Mapping[str, Scope] = {
        "GET": Scope.CONTACTS_READ,
        "POST": Scope.CONTACTS_WRITE,
        "PATCH": Scope.CONTACTS_WRITE,
    }
    queryset = Company.objects.none()
    serializer_class = CompanySerializer
    filterset_class = CompanyFilters
    ordering = ("id",)

    def get_queryset(self) -> QuerySet[Company]:
        """All companies."""
        return companies_in_full()

    def get_object(self) -> Company:
        """The company of the address; 404 where there is none."""
        check_parameters(self.request)
        company = companies_in_full().filter(pk=id_of(self.kwargs["pk"])).first()
        if company is None:
            raise Http404
        return company

    @extend_schema(
        summary="Create or update a company",
        description="By domain, without one by its exact name: 201 where it is new, 200 where one was updated.",
        request=CompanyWriteSerializer,
        responses={200: CompanySerializer, 201: CompanySerializer, 400: _INVALID},
    )
    def create(self, request: Request) -> Response:
        """Upsert by domain."""
        check_parameters(request)
        try:
            given = read_company(request.data, creating=True)
            company_id, created = save_company(
                source=writer_of(request), by=person_of(request), given=given, now=timezone.now()
            )
        except Refused as refused:
            raise refusal(refused) from None
        except TooBusy:
            raise ApiError(503, "unavailable", "Too many writers of the same company; try again.") from None
        company = companies_in_full().get(pk=company_id)
        return Response(self.get_serializer(company).data, status=201 if created else 200)

    @extend_schema(
        summary="Change a company",
        request=CompanyWriteSerializer,
        responses={200: CompanySerializer, 400: _INVALID, 409: _TAKEN},
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what is given."""
        company = self.get_object()
        try:
            given = read_company(request.data, creating=False)
            change_company(
                company_id=company.pk,
                source=writer_of(request),
                by=person_of(request),
                given=given,
                now=timezone.now(),
            )
        except Refused as refused:
            raise refusal(refused) from None
        except CompanyTaken as taken:
            raise ApiError(409, "company_taken", str(taken), {taken.field: str(taken)}) from None
        return Response(self.get_serializer(companies_in_full().get(pk=company.pk)).data)

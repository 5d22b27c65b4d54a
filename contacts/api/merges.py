"""Merging over HTTP: two contacts become one, and part again; who may be one person."""

from collections.abc import Mapping
from typing import Any, Final

import django_filters
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from config.web.errors import ApiError
from config.web.filtering import check_parameters
from config.web.schema import ErrorSerializer
from contacts.api.filters import IdFilter
from contacts.api.serializers import EventSourceSerializer, OpaqueId, OwnerSerializer
from contacts.api.views import id_of, refusal
from contacts.enums import MergeDecision, Scope, SourceKind, SuggestedBy
from contacts.ingest.incoming import Refused
from contacts.models import Merge, MergeSuggestion, Source
from contacts.permissions import check_merge
from contacts.scopes import person_of, source_of
from contacts.selectors.merges import merges_in_full, roots_of
from contacts.services.merging import dismiss_suggestion, merge_contacts
from contacts.services.parting import undo_merge
from contacts.services.uniting import CannotMerge

_FIELDS: Final = frozenset({"winner", "loser", "reason"})
# What is wrong with the request itself, and what is only so just now; everything else is a conflict.
_STATUS: Final = {"same_contact": 400, "bad_reason": 400, "unknown_contact": 400, "busy": 503}
_INVALID: Final = OpenApiResponse(ErrorSerializer, "A field is missing, unknown, or names nobody.")
_REFUSED: Final = OpenApiResponse(
    ErrorSerializer,
    "`merged_away`: one of them is part of another already. `needs_a_person`: both are known by e-mail address or"
    " external id, and a key may not say that they are one; a person may. `too_many_merges`: the source of the key has"
    " merged as many today as it may.",
)
_UNDONE: Final = OpenApiResponse(ErrorSerializer, "`already_undone`.")


class MergeSerializer(serializers.ModelSerializer[Merge]):
    """One contact became part of another. Counts of events are as of that moment; nothing is lost."""

    id = OpaqueId()
    winner = OpaqueId(source="winner_id")
    loser = OpaqueId(source="loser_id")
    by = OwnerSerializer(allow_null=True)
    source = EventSourceSerializer(allow_null=True)  # type: ignore[assignment]  # the contract's name hides Field's own
    undone_by = OwnerSerializer(allow_null=True)

    class Meta:
        model = Merge
        fields = (
            "id",
            "winner",
            "loser",
            "merged_at",
            "by",
            "source",
            "reason",
            "winner_events",
            "loser_events",
            "events_after",
            "undone_at",
            "undone_by",
        )


class MergeWriteSerializer(serializers.Serializer[Merge]):
    """Which two are one person."""

    winner = serializers.CharField(help_text="Id of the contact that stays.")
    loser = serializers.CharField(help_text="Id of the contact that becomes part of it.")
    reason = serializers.CharField(required=False, allow_blank=True, max_length=255)


class SuggestionSerializer(serializers.ModelSerializer[MergeSuggestion]):
    """Two contacts that may be one person; ``score`` says how alike they are (0 to 100), where that was compared."""

    id = OpaqueId()
    contact = serializers.SerializerMethodField(help_text="Opaque.")
    other = serializers.SerializerMethodField(help_text="Opaque.")
    suggested_by = serializers.ChoiceField(choices=SuggestedBy.choices)
    evidence = serializers.ListField()
    source = EventSourceSerializer(allow_null=True)  # type: ignore[assignment]  # the contract's name hides Field's own

    class Meta:
        model = MergeSuggestion
        fields = ("id", "contact", "other", "suggested_by", "reason", "score", "evidence", "source", "created_at")

    def get_contact(self, suggestion: MergeSuggestion) -> str:
        """Whom the first one is now."""
        return str(self.context["roots"][suggestion.contact_id])

    def get_other(self, suggestion: MergeSuggestion) -> str:
        """Whom the second one is now."""
        return str(self.context["roots"][suggestion.other_id])


class MergeFilters(django_filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    """Filters of the merge list."""

    contact = IdFilter(method="by_contact", help_text="Id of one of the two.")
    in_force = django_filters.BooleanFilter(
        field_name="undone_at", lookup_expr="isnull", help_text="Whether it was not undone."
    )

    class Meta:
        model = Merge
        fields: list[str] = []

    def by_contact(self, queryset: QuerySet[Merge], name: str, value: str) -> QuerySet[Merge]:
        """Narrow by contact."""
        try:
            contact_id = id_of(value)
        except Http404:
            return queryset.none()
        return queryset.filter(Q(winner=contact_id) | Q(loser=contact_id))


class MergeContactsView(APIView):
    """Two contacts that are one person."""

    scopes: Mapping[str, Scope] = {"POST": Scope.CONTACTS_WRITE}

    @extend_schema(
        operation_id="contacts_merge",
        summary="Merge two contacts",
        description=(
            "Everything of the loser counts for the winner from now on: names, events, attributes, consent, handoffs."
            " The older original source is kept, consent is united conservatively (a withdrawal of either holds),"
            " scores are computed from the united events and never added. The loser's id goes on to name the winner."
            " It can be undone at any time."
        ),
        request=MergeWriteSerializer,
        responses={201: MergeSerializer, 400: _INVALID, 409: _REFUSED},
    )
    def post(self, request: Request) -> Response:
        """Merge."""
        check_parameters(request)
        person, source = _decider(request)
        body = request.data
        if not isinstance(body, dict):
            raise ApiError(400, "invalid", "The body must be an object with “winner” and “loser”.")
        for name in body:
            if name not in _FIELDS:
                shown = name[:100].encode("utf-8", "replace").decode()
                raise refusal(Refused("invalid", shown, "There is no such field."))
        reason = body.get("reason", "")
        if not isinstance(reason, str):
            raise refusal(Refused("invalid", "reason", "A reason is a text."))
        winner_id, loser_id = (_contact_id(body, name) for name in ("winner", "loser"))
        try:
            merge = merge_contacts(
                winner_id=winner_id,
                loser_id=loser_id,
                by=person,
                source=source,
                reason=reason,
                now=timezone.now(),
            )
        except CannotMerge as error:
            raise _conflict(error) from None
        return Response(MergeSerializer(merges_in_full().get(pk=merge.pk)).data, status=201)


@extend_schema_view(
    list=extend_schema(summary="List merges", description="Latest first, undone ones included."),
    retrieve=extend_schema(summary="Read a merge"),
)
class MergeViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[Merge]):
    """Merges."""

    scopes: Mapping[str, Scope] = {"GET": Scope.CONTACTS_READ, "POST": Scope.CONTACTS_WRITE}
    queryset = Merge.objects.none()
    serializer_class = MergeSerializer
    filterset_class = MergeFilters
    ordering = ("-id",)

    def get_queryset(self) -> QuerySet[Merge]:
        """All merges, with everything their JSON shows."""
        return merges_in_full()

    def get_object(self) -> Merge:
        """The merge of the address; 404 where there is none."""
        check_parameters(self.request)
        merge = merges_in_full().filter(pk=id_of(self.kwargs["pk"])).first()
        if merge is None:
            raise Http404
        return merge

    @extend_schema(
        summary="Undo a merge",
        description=(
            "Both are as if they had never been merged: what came in meanwhile goes to the contact under whose name it"
            " was sent. Merges may be undone in any order. The two are not suggested again."
        ),
        request=None,
        responses={200: MergeSerializer, 409: _UNDONE},
    )
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, pk: str) -> Response:
        """Part the two."""
        person, _ = _decider(request)
        merge = self.get_object()
        try:
            undo_merge(merge_id=merge.pk, by=person, now=timezone.now())
        except CannotMerge as error:
            raise _conflict(error) from None
        return Response(self.get_serializer(merges_in_full().get(pk=merge.pk)).data)


@extend_schema_view(
    list=extend_schema(
        summary="List merge suggestions",
        description="Those that wait for a decision, oldest first. Merge the two, or dismiss the suggestion.",
    )
)
class MergeSuggestionViewSet(GenericViewSet[MergeSuggestion]):
    """Contacts that may be one person."""

    scopes: Mapping[str, Scope] = {"GET": Scope.CONTACTS_READ, "POST": Scope.CONTACTS_WRITE}
    queryset = MergeSuggestion.objects.none()
    serializer_class = SuggestionSerializer
    ordering = ("id",)

    def get_queryset(self) -> QuerySet[MergeSuggestion]:
        """All suggestions that wait."""
        return MergeSuggestion.objects.filter(decision=MergeDecision.OPEN).select_related("source")

    def list(self, request: Request) -> Response:
        """List suggestions; those whose two have become one, or nobody, are left out."""
        page: list[MergeSuggestion] = list(self.paginate_queryset(self.filter_queryset(self.get_queryset())) or [])
        roots = roots_of({contact_id for row in page for contact_id in (row.contact_id, row.other_id)})
        shown = [
            row
            for row in page
            if row.contact_id in roots
            and row.other_id in roots
            and roots[row.contact_id] != roots[row.other_id]
        ]  # fmt: skip
        context = {**self.get_serializer_context(), "roots": roots}
        return self.get_paginated_response(SuggestionSerializer(shown, many=True, context=context).data)

    @extend_schema(
        summary="Dismiss a merge suggestion",
        description="They are different people. Dismissing again changes nothing.",
        request=None,
        responses={204: None, 409: OpenApiResponse(ErrorSerializer, "`already_merged`.")},
    )
    @action(detail=True, methods=["post"])
    def dismiss(self, request: Request, pk: str) -> Response:
        """Say that they are different people."""
        check_parameters(request)
        person, _ = _decider(request)
        try:
            suggestion_id = id_of(pk)
            dismiss_suggestion(suggestion_id=suggestion_id, by=person, now=timezone.now())
            if MergeSuggestion.objects.get(pk=suggestion_id).decision == MergeDecision.MERGED:
                raise ApiError(409, "already_merged", "The two were merged; undo that merge instead.")
        except MergeSuggestion.DoesNotExist:
            raise Http404 from None
        return Response(status=204)


def _decider(request: Request) -> tuple[User | None, Source | None]:
    """Return the person or the integration that calls.

    Raises:
        PermissionDenied: the person may not merge.
        ApiError: 403 for a public source.
    """
    person, source = person_of(request), source_of(request)
    if person is not None:
        check_merge(person)
    if source is not None and source.kind == SourceKind.PUBLIC:
        raise ApiError(403, "not_allowed", "A public source cannot merge contacts.")
    return person, source


def _contact_id(body: Mapping[str, Any], name: str) -> int:
    given = body.get(name)
    if given is None:
        raise refusal(Refused("required", name, f"Say which contact: “{name}” is required."))
    text = str(given) if isinstance(given, int) and not isinstance(given, bool) else given
    try:
        return id_of(text) if isinstance(text, str) else id_of("")
    except Http404:
        raise refusal(Refused("unknown_contact", name, "No contact has this id.")) from None


def _conflict(error: CannotMerge) -> ApiError:
    return ApiError(_STATUS.get(error.code, 409), error.code, str(error))

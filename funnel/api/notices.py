"""What a person is told, over HTTP: their own list, reading it, and how they want it. For people, not for sources."""

from collections.abc import Mapping, Sequence
from typing import Any

import django_filters
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.web.filtering import check_parameters
from config.web.schema import ErrorSerializer
from contacts.enums import Scope
from contacts.scopes import person_of
from funnel.enums import MailMode, NoticeKind
from funnel.models import Notification
from funnel.notice_kinds import Ways
from funnel.selectors.notices import NotificationLine, notification_lines, notifications_for, with_items
from funnel.services.notices.reading import Wishes, known_zones, read_all, read_notification, save_wishes, wishes_of


class NotificationSerializer(serializers.Serializer[Any]):
    """One line: one thing that happened, or several of a kind that came together."""

    id = serializers.CharField()
    kind = serializers.ChoiceField(choices=NoticeKind.choices)
    text = serializers.CharField(help_text="What happened, in a sentence; names are those of today.")
    names = serializers.CharField(help_text="Of several: whom it is about, the first few by name. Else empty.")
    url = serializers.CharField(help_text="The page it leads to, below the address of the installation; may be empty.")
    count = serializers.IntegerField(help_text="How many things it tells of.")
    at = serializers.DateTimeField(help_text="When the latest of them was told.")
    unread = serializers.BooleanField(source="is_unread")


class NotificationFilters(django_filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    """Filters of ``/notifications/``."""

    kind = django_filters.ChoiceFilter(choices=NoticeKind.choices)
    unread = django_filters.BooleanFilter(field_name="read_at", lookup_expr="isnull", label="Only (un)read ones.")

    class Meta:
        model = Notification
        fields = ()


class WaysSerializer(serializers.Serializer[Any]):
    """How one kind reaches the person."""

    kind = serializers.ChoiceField(choices=NoticeKind.choices)
    in_app = serializers.BooleanField()
    mail = serializers.ChoiceField(choices=MailMode.choices)


class DigestSerializer(serializers.Serializer[Any]):
    """When the digest goes out, once a day at most."""

    hour = serializers.IntegerField(min_value=0, max_value=23, help_text="By the clock of the time zone.")
    days = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=6), max_length=7, help_text="Monday is 0."
    )
    time_zone = serializers.CharField(
        allow_blank=True, help_text="An IANA name; empty: that of the person's working hours."
    )

    def validate_time_zone(self, name: str) -> str:
        """Refuse a zone that does not exist."""
        if name and name not in known_zones():
            raise serializers.ValidationError("There is no such time zone.")
        return name


class WishesSerializer(serializers.Serializer[Any]):
    """How the person is told: each kind that their roles are told of, and the digest."""

    kinds = WaysSerializer(many=True)
    digest = DigestSerializer()


class _Own:
    """What the views share: only people have notifications, each their own."""

    scopes: Mapping[str, Scope] = {
        "GET": Scope.CONTACTS_READ,
        "POST": Scope.CONTACTS_READ,
        "PATCH": Scope.CONTACTS_READ,
    }

    @staticmethod
    def person(request: Request) -> User:
        """Who asks; 403 for a source."""
        person = person_of(request)
        if person is None:
            raise PermissionDenied("Only people are told things: use a session or a personal token.")
        return person


@extend_schema(summary="List notifications", responses={200: NotificationSerializer(many=True), 403: ErrorSerializer})
class NotificationListView(_Own, generics.ListAPIView[Notification]):
    """What the person who asks was told, latest first; `unread=true` for what they have not read."""

    serializer_class = NotificationSerializer
    filterset_class = NotificationFilters
    ordering = ("-at", "-id")
    queryset = Notification.objects.none()

    def get_queryset(self) -> "QuerySet[Notification]":
        """Their own, of kinds that their roles are told of."""
        return with_items(notifications_for(self.person(self.request)))

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        """The serializer of their lines."""
        rows: Sequence[Any] = args[0] if args else ()
        lines: list[NotificationLine] = notification_lines(rows) if rows else []
        return NotificationSerializer(lines, *args[1:], **kwargs)


class NotificationReadView(_Own, APIView):
    """Reading one line."""

    @extend_schema(
        summary="Mark a notification as read",
        request=None,
        responses={200: NotificationSerializer, 403: ErrorSerializer, 404: ErrorSerializer},
    )
    def post(self, request: Request, pk: int) -> Response:
        """Mark one as read; again changes nothing."""
        check_parameters(request)
        person = self.person(request)
        try:
            read_notification(notification_id=pk, by=person, now=timezone.now())
        except Notification.DoesNotExist as error:
            raise Http404("You were told no such thing.") from error
        (line,) = notification_lines(list(with_items(notifications_for(person).filter(pk=pk))))
        return Response(NotificationSerializer(line).data)


class NotificationReadAllView(_Own, APIView):
    """Reading everything."""

    @extend_schema(
        operation_id="notifications_read_all",
        summary="Mark all notifications as read",
        request=None,
        responses={200: OpenApiResponse(description='`{"read": n}`: how many were unread.'), 403: ErrorSerializer},
    )
    def post(self, request: Request) -> Response:
        """Mark all as read."""
        check_parameters(request)
        return Response({"read": read_all(by=self.person(request), now=timezone.now())})


class NotificationSettingsView(_Own, APIView):
    """How the person who asks is told."""

    @extend_schema(summary="How one is told", responses={200: WishesSerializer, 403: ErrorSerializer})
    def get(self, request: Request) -> Response:
        """Each kind that the person's roles are told of with how it reaches them, and when their digest goes out."""
        check_parameters(request)
        return Response(_told(wishes_of(self.person(request), now=timezone.now())))

    @extend_schema(
        summary="Change how one is told",
        request=WishesSerializer(partial=True),
        responses={200: WishesSerializer, 400: ErrorSerializer, 403: ErrorSerializer},
    )
    def patch(self, request: Request) -> Response:
        """Change what is given; kinds and parts of the digest that are left out stay as they are."""
        check_parameters(request)
        person, now = self.person(request), timezone.now()
        before = wishes_of(person, now=now)
        serializer = WishesSerializer(data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        save_wishes(by=person, wishes=_changed(before, serializer.validated_data), now=now)
        return Response(_told(wishes_of(person, now=now)))


def _told(wishes: Wishes) -> dict[str, Any]:
    return {
        "kinds": [
            {"kind": kind.value, "in_app": ways.in_app, "mail": ways.mail.value} for kind, ways in wishes.ways.items()
        ],
        "digest": {"hour": wishes.hour, "days": list(wishes.days), "time_zone": wishes.time_zone},
    }


def _changed(before: Wishes, said: Mapping[str, Any]) -> Wishes:
    ways = dict(before.ways)
    for row in said.get("kinds", ()):
        kind = NoticeKind(row["kind"])
        if kind not in ways:
            raise serializers.ValidationError({"kinds": f"Your role is not told of {kind.value}."})
        ways[kind] = Ways(row.get("in_app", ways[kind].in_app), MailMode(row.get("mail", ways[kind].mail)))
    digest = said.get("digest", {})
    return Wishes(
        ways=ways,
        time_zone=digest.get("time_zone", before.time_zone),
        hour=digest.get("hour", before.hour),
        days=tuple(digest.get("days", before.days)),
    )

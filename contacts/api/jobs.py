"""Jobs over HTTP: who ordered which long work, how far it is, and what came of it."""

from collections.abc import Mapping
from typing import Any

import django_filters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import FileResponse, Http404
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.web.errors import ApiError
from config.web.filtering import check_parameters
from config.web.schema import ErrorSerializer
from contacts.api.views import id_of
from contacts.audit import AuditAct
from contacts.enums import JobKind, Scope, SourceKind, WorkState
from contacts.models import Job
from contacts.permissions import check_export_person, check_see_jobs, check_steer_job
from contacts.scopes import person_of, source_of
from contacts.selectors.jobs import job_view, jobs_in_full
from contacts.services.auditing import record_act
from contacts.services.jobs import cancel_job, resume_job
from contacts.services.person_files import export_file_of
from contacts.services.work import CannotRun

_CONFLICT = OpenApiResponse(ErrorSerializer, "It is not in a state for that; the message says why.")


class JobSerializer(serializers.Serializer[Any]):
    """Long work on facts: the order, the progress, and the result once it is there. It names nobody."""

    id = serializers.CharField()
    kind = serializers.ChoiceField(choices=JobKind.choices)
    state = serializers.ChoiceField(choices=WorkState.choices)
    contact = serializers.CharField(
        allow_null=True, help_text="Whom an erasure or an export is about; after an erasure an id that leads nowhere."
    )
    done = serializers.IntegerField()
    total = serializers.IntegerField(help_text="0 while it is not known.")
    unit = serializers.CharField(help_text="What is counted.")
    share = serializers.FloatField(allow_null=True, help_text="Done of total, 0 to 1.")
    rate = serializers.FloatField(allow_null=True, help_text="Units a second.")
    remaining = serializers.FloatField(allow_null=True, help_text="Seconds it will still take at that rate.")
    error = serializers.CharField(help_text="Why it failed; empty otherwise.")
    result = serializers.JSONField(allow_null=True, help_text="Counts; of an export also until when its file stays.")
    parameters = serializers.DictField(help_text="`reason` of an erasure; `source`, where an integration ordered it.")
    requested_at = serializers.DateTimeField()
    requested_by = serializers.CharField(allow_null=True)
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    cancel_requested_at = serializers.DateTimeField(allow_null=True)
    attempts = serializers.IntegerField()


class JobFilters(django_filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    """Filters of ``/jobs/``."""

    kind = django_filters.ChoiceFilter(choices=JobKind.choices)
    state = django_filters.ChoiceFilter(choices=WorkState.choices)

    class Meta:
        model = Job
        fields = ()


class JobListView(generics.ListAPIView[Job]):
    """Imports, searches for duplicates, erasures and exports of people's data, latest first."""

    serializer_class = JobSerializer
    scopes: Mapping[str, Scope] = {"GET": Scope.CONTACTS_READ}
    filterset_class = JobFilters
    ordering = ("-id",)
    queryset = Job.objects.none()

    def get_queryset(self) -> "QuerySet[Job]":
        """All of them."""
        _check_reader(self.request)
        return jobs_in_full()

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        """The serializer of their views."""
        if args:
            now = timezone.now()
            args = ([job_view(job, now=now) for job in args[0]], *args[1:])
        return super().get_serializer(*args, **kwargs)


class JobDetailView(APIView):
    """One job."""

    scopes: Mapping[str, Scope] = {"GET": Scope.CONTACTS_READ}

    @extend_schema(operation_id="jobs_retrieve", summary="Read a job", responses=JobSerializer)
    def get(self, request: Request, pk: str) -> Response:
        """How far it is, and what came of it."""
        check_parameters(request)
        _check_reader(request)
        return _answer(_job_or_404(pk))


class JobCancelView(APIView):
    """Stopping a job."""

    scopes: Mapping[str, Scope] = {"POST": Scope.CONTACTS_WRITE}

    @extend_schema(
        operation_id="jobs_cancel",
        summary="Cancel a job",
        description="One that waits at once, one under way at its next step; what it did stays done. Erasures are not"
        " cancelled.",
        request=None,
        responses={200: JobSerializer, 409: _CONFLICT},
    )
    def post(self, request: Request, pk: str) -> Response:
        """Cancel it."""
        check_parameters(request)
        job = _job_or_404(pk)
        _check_steerer(request, job)
        try:
            cancel_job(job_id=job.pk, now=timezone.now())
        except CannotRun as error:
            raise ApiError(409, "cannot_cancel", str(error)) from None
        return _answer(_job_or_404(pk))


class JobResumeView(APIView):
    """Letting a job go on."""

    scopes: Mapping[str, Scope] = {"POST": Scope.CONTACTS_WRITE}

    @extend_schema(
        operation_id="jobs_resume",
        summary="Resume a failed or cancelled job",
        description="It goes on where it stopped.",
        request=None,
        responses={202: JobSerializer, 409: _CONFLICT},
    )
    def post(self, request: Request, pk: str) -> Response:
        """Order it once more."""
        check_parameters(request)
        job = _job_or_404(pk)
        _check_steerer(request, job)
        try:
            resume_job(job_id=job.pk)
        except CannotRun as error:
            raise ApiError(409, "cannot_resume", str(error)) from None
        return _answer(_job_or_404(pk), status=202)


class JobFileView(APIView):
    """The file that an export of a person's data made."""

    scopes: Mapping[str, Scope] = {"GET": Scope.CONTACTS_WRITE}

    @extend_schema(
        operation_id="jobs_file",
        summary="Download the data of a person",
        description="What an export made (docs/privacy.md), for seven days. For managers, administrators and server"
        " sources.",
        responses={(200, "application/json"): OpenApiTypes.BINARY, 404: OpenApiResponse(ErrorSerializer)},
    )
    def get(self, request: Request, pk: str) -> HttpResponseBase:
        """Send it."""
        check_parameters(request)
        person, source = person_of(request), source_of(request)
        if person is not None:
            check_export_person(person)
        elif source is not None and source.kind == SourceKind.PUBLIC:
            raise PermissionDenied("A public source may not read about people.")
        return send_export_file(_job_or_404(pk))


def send_export_file(job: Job) -> FileResponse:
    """Return the answer that sends the file of an export; 404 where there is none any more."""
    path = export_file_of(job.pk, now=timezone.now()) if job.kind == JobKind.EXPORT_PERSON else None
    if path is None:
        raise Http404("There is no file, or its seven days are over.")
    record_act(AuditAct.PERSON_FILE_TAKEN, by=None, about=job)
    return FileResponse(
        path.open("rb"),
        as_attachment=True,
        filename=f"person-{job.pk}.json",
        content_type="application/json",
        headers={"Cache-Control": "private, no-store"},
    )


def _job_or_404(pk: str) -> Job:
    found = jobs_in_full().filter(pk=id_of(pk)).first()
    if found is None:
        raise Http404
    return found


def _answer(job: Job, *, status: int = 200) -> Response:
    return Response(JobSerializer(job_view(job)).data, status=status)


def _check_reader(request: Request) -> None:
    person = person_of(request)
    if person is not None:
        check_see_jobs(person)


def _check_steerer(request: Request, job: Job) -> None:
    person = person_of(request)
    if person is not None:
        check_steer_job(person, job.kind)

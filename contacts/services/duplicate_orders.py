"""Ordering a search for duplicates."""

from django.contrib.auth.models import User
from django.db import transaction

from contacts.audit import AuditAct
from contacts.enums import JobKind
from contacts.models import Job
from contacts.permissions import check_merge
from contacts.services.auditing import audited
from contacts.services.jobs import order_job


@audited(AuditAct.SEARCH_ORDERED, "result")
def order_search(*, by: User) -> Job:
    """Order a search for duplicates, or return the one that waits or is under way.

    Raises:
        PermissionDenied: ``by`` may not merge contacts.
    """
    check_merge(by)
    with transaction.atomic():
        busy = Job.objects.filter(kind=JobKind.FIND_DUPLICATES, finished_at=None).first()
        return busy or order_job(kind=JobKind.FIND_DUPLICATES, by=by, unit="pairs")

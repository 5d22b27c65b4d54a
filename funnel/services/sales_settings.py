"""How the installation hands over: hours, limits and alarms."""

from datetime import datetime
from typing import Any, Final

from django.contrib.auth.models import User

from contacts.audit import AuditAct
from contacts.services.auditing import audited
from funnel.models import SalesSettings
from funnel.permissions import check_plan_sales

SETTINGS: Final = ("claim_hours", "attempt_hours", "warn_share", "claim_limit", "stale_days", "starving_hours")


@audited(AuditAct.SALES_SETTINGS_CHANGED, "result", keep=list(SETTINGS))
def change_sales_settings(*, by: User, now: datetime, **values: Any) -> SalesSettings:
    """Change some of ``SETTINGS``; hours hold for clocks that start from now on, limits at once.

    Raises ``ValidationError`` naming the field, ``PermissionDenied``, ``TypeError`` for what is no setting.
    """
    check_plan_sales(by)
    if unknown := set(values) - set(SETTINGS):
        raise TypeError(f"no setting: {min(unknown)}")
    settings, _ = SalesSettings.objects.get_or_create(pk=1)
    for name, value in values.items():
        setattr(settings, name, value)
    settings.updated_at = now
    settings.full_clean()
    settings.save(update_fields=[*values, "updated_at"])
    return settings

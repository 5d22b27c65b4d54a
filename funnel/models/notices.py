"""What people are told: in the app, by mail at once, or in a digest; and how each of them wants it."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now

from contacts.enums import MailState
from funnel.enums import MailMode, NoticeKind
from funnel.models.handoffs import Handoff


def working_days() -> list[int]:
    """Monday to Friday; Monday is 0."""
    return [0, 1, 2, 3, 4]


class NotificationSetting(models.Model):
    """How one kind of notice reaches a person; no row means the default of their roles (funnel/notice_kinds.py)."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notification_settings")
    kind = models.CharField(max_length=12, choices=NoticeKind)
    in_app = models.BooleanField()
    mail = models.CharField(max_length=7, choices=MailMode)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "kind"], name="notificationsetting_once"),
            models.CheckConstraint(
                condition=models.Q(kind__in=NoticeKind.values), name="notificationsetting_kind_known"
            ),
            models.CheckConstraint(condition=models.Q(mail__in=MailMode.values), name="notificationsetting_mail_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.kind} {self.mail}"


class DigestPlan(models.Model):
    """When a person's digest goes out: on ``days`` (Monday is 0) at ``hour`` of their time zone.

    ``time_zone`` "" means that of their working calendar. ``due_at`` is the next time; ``sent_on`` the local day of the
    last one, on which no other goes out.
    """

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="digest_plan")
    time_zone = models.CharField(max_length=64, blank=True, default="")
    hour = models.PositiveSmallIntegerField(default=8, validators=[MaxValueValidator(23)])
    days = ArrayField(
        models.PositiveSmallIntegerField(validators=[MinValueValidator(0), MaxValueValidator(6)]), default=working_days
    )
    due_at = models.DateTimeField()
    sent_on = models.DateField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["due_at"], name="digestplan_due")]

    def __str__(self) -> str:
        return f"digest of {self.user_id}, next at {self.due_at:%Y-%m-%d %H:%M}"


class NoticeMail(models.Model):
    """A mail to one of us: its items are what it says, written out only when it is sent, so no text is kept."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    is_digest = models.BooleanField()
    state = models.CharField(max_length=7, choices=MailState, default=MailState.WAITING)
    created_at = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=MailState.values), name="noticemail_state_known"),
        ]
        indexes = [models.Index(fields=["due_at"], condition=models.Q(state="waiting"), name="noticemail_due")]

    def __str__(self) -> str:
        return f"mail {self.pk} to {self.user_id}: {self.state}"


class Notification(models.Model):
    """What a person is told in one line: one thing, or several of a kind that came together (``count``).

    ``at`` is when the latest was added. ``in_app`` False: it is only mailed.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notifications", db_index=False
    )
    kind = models.CharField(max_length=12, choices=NoticeKind)
    in_app = models.BooleanField(default=True)
    count = models.PositiveIntegerField(default=1)
    begun_at = models.DateTimeField()
    at = models.DateTimeField()
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(kind__in=NoticeKind.values), name="notification_kind_known"),
        ]
        indexes = [
            models.Index(fields=["user", "-at", "-id"], name="notification_of_user"),
            models.Index(fields=["user", "-at", "-id"], condition=models.Q(read_at=None), name="notification_unread"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} for {self.user_id} ({self.count})"


class NotificationItem(models.Model):
    """One thing that one person was told, once: ``key`` names what told of it (``announcement:12``, ``event:7``).

    ``what`` is the code of its sentence (funnel/selectors/notice_words.py) and ``data`` the few ids and codes that it
    needs. What contacts and people are called is looked up when it is shown or sent. ``contact_id`` is no foreign key:
    it is that of the moment, whoever the contact has become since; an erasure deletes the item. ``mail_mode`` and
    ``mail``: whether it is to be mailed, and with which mail it was.
    """

    notification = models.ForeignKey(Notification, on_delete=models.CASCADE, related_name="items")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=64)
    what = models.CharField(max_length=20)
    contact_id = models.BigIntegerField(null=True, blank=True)
    # Not held by the database: whoever tells would wait for those who move or erase the handoff, and they for us.
    handoff = models.ForeignKey(
        Handoff, on_delete=models.CASCADE, null=True, blank=True, related_name="+", db_constraint=False
    )
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    data = models.JSONField(default=dict)
    at = models.DateTimeField()
    told_at = models.DateTimeField()
    mail_mode = models.CharField(max_length=7, choices=MailMode, default=MailMode.NEVER)
    mail = models.ForeignKey(NoticeMail, on_delete=models.SET_NULL, null=True, blank=True, related_name="items")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "key"], name="notificationitem_once"),
            models.CheckConstraint(
                condition=models.Q(mail_mode__in=MailMode.values), name="notificationitem_mail_known"
            ),
        ]
        indexes = [
            models.Index(fields=["contact_id"], name="notificationitem_of_contact"),
            models.Index(
                fields=["mail_mode", "user"],
                condition=models.Q(mail=None) & ~models.Q(mail_mode=MailMode.NEVER),
                name="notificationitem_to_mail",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key} for {self.user_id}"

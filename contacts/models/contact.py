"""Contacts, what names them, and the append-only history of their attributes."""

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, Concat, Lower, Now, NullIf, Trim

from contacts.enums import Answer, Direction, IdentityKind, Motion
from contacts.models.company import Company


def sort_name(path: str = "") -> Combinable:
    """By what contacts are sorted by name: family name, given name, e-mail address, without case; nameless ones last.

    ``path`` leads from the rows that are sorted to contacts.
    """
    whole = Concat(f"{path}last_name", Value(" "), f"{path}first_name", Value(" "), f"{path}email")
    return Coalesce(NullIf(Lower(Trim(whole)), Value("")), Value("zzzzzzzz"))


def called(first_name: str, last_name: str, email: str, *, key: int, is_erased: bool) -> str:
    """What people call a contact: its name, else its e-mail, else an honest placeholder."""
    if is_erased:
        return "Erased person"
    return f"{first_name} {last_name}".strip() or email or f"Anonymous visitor {key}"


class Contact(models.Model):
    """A person (or an anonymous visitor). The columns hold current values; AttributeChange what was true when.

    The original source is that of the earliest fact in event time: set with the contact, never overwritten
    by anything later; only evidence of a still earlier beginning corrects it, so arrival order does not matter.
    """

    email = models.CharField(max_length=254, blank=True)
    phone = models.CharField(max_length=64, blank=True)
    first_name = models.CharField(max_length=150, blank=True)
    last_name = models.CharField(max_length=150, blank=True)
    job_title = models.CharField(max_length=255, blank=True)
    role = models.CharField(max_length=100, blank=True)
    country = models.CharField(max_length=100, blank=True)
    means = models.CharField(max_length=7, choices=Answer, default=Answer.UNKNOWN, db_default=Answer.UNKNOWN)
    authority = models.CharField(max_length=7, choices=Answer, default=Answer.UNKNOWN, db_default=Answer.UNKNOWN)
    details_confirmed = models.BooleanField(default=False, db_default=False)
    attributes = models.JSONField(default=dict, blank=True)
    company = models.ForeignKey(Company, on_delete=models.PROTECT, null=True, blank=True, related_name="contacts")

    source_channel = models.CharField(max_length=100, blank=True)
    source_direction = models.CharField(max_length=10, choices=Direction, blank=True)
    source_motion = models.CharField(max_length=20, choices=Motion, blank=True)
    source_campaign = models.CharField(max_length=255, blank=True)
    source_at = models.DateTimeField(null=True, blank=True)
    source_message = models.UUIDField(null=True, blank=True)

    search_text = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    # Whom it became part of: the other side of that merge, which may have been merged away in turn.
    merged_into = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="merged")
    erased_at = models.DateTimeField(null=True, blank=True)
    # The one rule of who is a contact at all: neither merged away nor the husk of an erased person.
    present = models.GeneratedField(
        expression=models.Q(merged_into__isnull=True, erased_at__isnull=True),  # type: ignore[arg-type]  # a Q will do
        output_field=models.BooleanField(),
        db_persist=True,
    )

    class Meta:
        indexes = [
            GinIndex(fields=["search_text"], name="contact_search", opclasses=["gin_trgm_ops"]),
            models.Index(fields=["updated_at", "id"], name="contact_updated"),
            models.Index(fields=["source_channel", "id"], name="contact_source_channel"),
            # What the list of contacts is filtered by where few contacts have it, and sorted by.
            models.Index(
                fields=["source_campaign", "id"], name="contact_campaign", condition=Q(source_campaign__gt="")
            ),
            models.Index(fields=["country", "id"], name="contact_country", condition=Q(country__gt="")),
            GinIndex(fields=["attributes"], name="contact_attributes", condition=~Q(attributes={})),
            models.Index(
                sort_name(),
                "id",
                name="contact_by_name",
                condition=Q(present=True),
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=models.Q(means__in=Answer.values), name="contact_means_known"),
            models.CheckConstraint(condition=models.Q(authority__in=Answer.values), name="contact_authority_known"),
            models.CheckConstraint(
                condition=models.Q(source_direction__in=Direction.values), name="contact_direction_known"
            ),
            models.CheckConstraint(condition=models.Q(source_motion__in=Motion.values), name="contact_motion_known"),
        ]

    def __str__(self) -> str:
        return self.display_name

    @property
    def display_name(self) -> str:
        """What people call the contact."""
        is_erased = self.erased_at is not None
        return called(self.first_name, self.last_name, self.email, key=self.pk, is_erased=is_erased)


class Identity(models.Model):
    """A value that names exactly one contact. ``value`` is normalised (e-mails lower-cased).

    ``origin_contact_id`` is the contact that it was made for, where a merge has given it to another (``contact``); what
    a message under this name says belongs to that origin, and goes back with it when the merge is undone.
    """

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="identities")
    origin_contact_id = models.BigIntegerField(null=True, blank=True)
    kind = models.CharField(max_length=12, choices=IdentityKind)
    value = models.CharField(max_length=255)
    source = models.ForeignKey("contacts.Source", on_delete=models.PROTECT, null=True)
    created_at = models.DateTimeField(db_default=Now())
    # Of an e-mail address, when it first appeared in event time, as far as that was looked up.
    seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "identities"
        constraints = [
            models.UniqueConstraint(fields=["value", "kind"], name="identity_names_one_contact"),
            models.CheckConstraint(condition=models.Q(kind__in=IdentityKind.values), name="identity_kind_known"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.value}"


class AttributeChange(models.Model):
    """One attribute of a contact took this value at ``effective_at``. Append-only.

    ``name`` is a Contact column (``email``, ``job_title``, ``means``, ...), ``company`` (value: company id) or
    ``attributes.<key>``. The value in force at a moment is that of the greatest (effective_at, message) not
    later than it, whatever the order of arrival, among the rows that are not ``weak``. A weak row (what a public source
    says, the company that an address suggests) only fills: it counts where no other row is at or before it, strong or
    weak, and is kept all the same (contacts/selectors/history.py).

    Two rows are not carried by a message but follow from an e-mail address being seen (``source`` is NULL,
    ``message`` derives from the address): ``email`` from the moment the address first appeared, and the ``company``
    of its domain (weak). These move to an earlier moment when evidence of one arrives. One row goes and comes back:
    what a ``details_confirmed`` event means is true while the event is not marked (contacts/services/corrections.py).

    ``origin_contact_id``: whose row it was before a merge, where that is another contact; see Identity.
    """

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="attribute_changes", db_index=False)
    name = models.CharField(max_length=300)
    value = models.JSONField(null=True)
    effective_at = models.DateTimeField()
    received_at = models.DateTimeField(db_default=Now())
    source = models.ForeignKey("contacts.Source", on_delete=models.PROTECT, null=True, db_index=False)
    message = models.UUIDField()
    weak = models.BooleanField(default=False, db_default=False)
    origin_contact_id = models.BigIntegerField(null=True, blank=True)

    class Meta:
        constraints = [
            # Also the index of the values in force: the last of the strong rows of a name, else the first weak one. Two
            # sources may use the same message id.
            models.UniqueConstraint(
                fields=["contact", "name", "weak", "effective_at", "message", "source"],
                name="attributechange_once",
                nulls_distinct=False,
            ),
        ]
        indexes = [
            # Who was ever with a company: they are due when what is known of it changes.
            models.Index(fields=["value"], condition=models.Q(name="company"), name="attributechange_of_company"),
        ]

    def __str__(self) -> str:
        return f"{self.name} = {self.value!r}"

"""Who may be written to: purposes, the append-only consent ledger, and addresses that nothing is sent to."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from contacts.enums import ConsentAction, ConsentBasis, SuppressionReason
from contacts.models.access import Source
from contacts.models.contact import Contact


class Purpose(models.Model):
    """What people are written to for. ``at_most`` mails ``within_days`` days, where that is limited.

    ``basis`` says what it needs: ``consent`` an entry in the ledger, anything else only that nobody withdrew.
    """

    key = models.SlugField(max_length=32, unique=True)
    label = models.CharField(max_length=100)
    description = models.CharField(max_length=300, blank=True)
    basis = models.CharField(max_length=19, choices=ConsentBasis, default=ConsentBasis.CONSENT)
    at_most = models.PositiveSmallIntegerField(null=True, blank=True)
    within_days = models.PositiveSmallIntegerField(default=7)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(basis__in=ConsentBasis.values), name="purpose_basis_known"),
        ]

    def __str__(self) -> str:
        return self.label


class ConsentEntry(models.Model):
    """One thing a person said about being written to. Append-only; the state is read from all of them.

    ``proof`` tells how we know: ``{"how": "form", "form": id, "text": words shown, "version": "2", "message": id}``.
    ``origin_contact_id``: whose entry it was before a merge, where that is another contact; see Identity.
    """

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="consent_entries")
    origin_contact_id = models.BigIntegerField(null=True, blank=True)
    purpose = models.ForeignKey(Purpose, on_delete=models.PROTECT)
    action = models.CharField(max_length=9, choices=ConsentAction)
    basis = models.CharField(max_length=19, choices=ConsentBasis, default=ConsentBasis.CONSENT)
    at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())
    proof = models.JSONField(default=dict)
    source = models.ForeignKey(Source, on_delete=models.PROTECT, null=True, blank=True, db_index=False)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, db_index=False)
    # Of the message that said it: recording that again adds nothing.
    message = models.UUIDField()

    class Meta:
        verbose_name_plural = "consent entries"
        constraints = [
            models.CheckConstraint(condition=models.Q(action__in=ConsentAction.values), name="consent_action_known"),
            models.CheckConstraint(condition=models.Q(basis__in=ConsentBasis.values), name="consent_basis_known"),
            models.UniqueConstraint(fields=["message", "purpose", "action"], name="consent_once_a_message"),
        ]

    def __str__(self) -> str:
        return f"{self.purpose_id} {self.action}"


class Suppression(models.Model):
    """Nothing is sent to this address. Only a keyed hash of it is kept, so it outlives the person's erasure.

    One that was lifted stays as a row, with who did it and why: one in force an address.
    """

    address_hash = models.CharField(max_length=64)
    reason = models.CharField(max_length=12, choices=SuppressionReason)
    at = models.DateTimeField()
    source = models.ForeignKey(Source, on_delete=models.PROTECT, null=True, blank=True, db_index=False)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, db_index=False)
    lifted_at = models.DateTimeField(null=True, blank=True)
    # None where the person lifted it themselves, by a link in a mail to this very address.
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, db_index=False, related_name="+"
    )
    lifted_because = models.CharField(max_length=255, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(reason__in=SuppressionReason.values), name="suppression_known"),
            models.UniqueConstraint(
                fields=["address_hash"], condition=models.Q(lifted_at=None), name="suppression_in_force_once"
            ),
            models.CheckConstraint(
                condition=models.Q(lifted_at=None, lifted_by=None, lifted_because="")
                | models.Q(lifted_at__isnull=False) & ~models.Q(lifted_because=""),
                name="suppression_lifted_paired",
            ),
        ]

    def __str__(self) -> str:
        return f"suppressed: {self.reason}"


class ErasedName(models.Model):
    """A name of somebody who was erased, as a keyed hash: it may not come back as anybody's."""

    name_hash = models.CharField(max_length=64, unique=True)
    husk = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="erased_names")
    erased_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"a name of contact {self.husk_id}"

"""Companies and the append-only history of their attributes."""

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models.functions import Coalesce, Now, NullIf


def called_company(name: str, domain: str | None, *, key: int) -> str:
    """What people call a company: its name, else its domain."""
    return name or domain or f"Company {key}"


class Company(models.Model):
    """An organisation. The columns hold the current values; CompanyChange holds what was true when."""

    name = models.CharField(max_length=255, blank=True)
    normalised_name = models.CharField(max_length=255, blank=True, db_index=True)
    domain = models.CharField(max_length=255, unique=True, null=True, blank=True)
    industry = models.CharField(max_length=100, blank=True)
    employees = models.PositiveIntegerField(null=True, blank=True)
    country = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    # What it is called in lists: its name in the form that is compared, else its domain.
    label = models.GeneratedField(
        expression=Coalesce(NullIf("normalised_name", models.Value("")), "domain", models.Value("")),
        output_field=models.CharField(max_length=255),
        db_persist=True,
    )

    class Meta:
        verbose_name_plural = "companies"
        indexes = [
            models.Index(fields=["label", "id"], name="company_by_label"),
            GinIndex(
                OpClass("label", name="gin_trgm_ops"), OpClass("domain", name="gin_trgm_ops"), name="company_search"
            ),
        ]
        constraints = [
            # A company known by name alone is found by that name, so two writers must not both make it.
            models.UniqueConstraint(
                fields=["normalised_name"],
                condition=models.Q(domain=None) & ~models.Q(normalised_name=""),
                name="company_by_name_once",
            ),
        ]

    def __str__(self) -> str:
        return called_company(self.name, self.domain, key=self.pk)


class CompanyChange(models.Model):
    """One attribute of a company took this value at ``effective_at``. Append-only.

    The value in force at a moment is that of the greatest (effective_at, message) not later than it,
    whatever the order of arrival.
    """

    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="changes")
    name = models.CharField(max_length=64)
    value = models.JSONField(null=True)
    effective_at = models.DateTimeField()
    received_at = models.DateTimeField(db_default=Now())
    source = models.ForeignKey("contacts.Source", on_delete=models.PROTECT, null=True)
    # The person who said so, where it was one.
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, db_index=False)
    message = models.UUIDField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["company", "name", "effective_at", "message"], name="companychange_once"),
        ]

    def __str__(self) -> str:
        return f"{self.name} = {self.value!r}"

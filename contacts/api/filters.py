"""What lists of facts can be narrowed by (API.md)."""

from typing import Any

import django_filters
from django.db.models import QuerySet

from contacts.enums import IdentityKind
from contacts.ingest.identifiers import normalise_company_name
from contacts.models import Company, Contact, Event
from contacts.selectors.browse import Query, contact_filters
from contacts.selectors.search import matches_of

_LONGEST_ID = 18


class MomentFilter(django_filters.IsoDateTimeFilter):  # type: ignore[misc]  # django-filter ships no types
    """A time in ISO 8601; naive means UTC."""


class IdFilter(django_filters.CharFilter):  # type: ignore[misc]  # django-filter ships no types
    """An opaque id: what is none of ours matches nothing."""

    def filter(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Return the rows of that id."""
        if not value:
            return queryset
        if not value.isascii() or not value.isdigit() or len(value) > _LONGEST_ID:
            return queryset.none()
        return queryset.filter(**{self.field_name: int(value)})


class ContactFilters(django_filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    """Filters of the contact list; all given ones must hold."""

    email = django_filters.CharFilter(method="by_email", help_text="Any of its addresses, exactly.")
    external_id = django_filters.CharFilter(method="by_external_id", help_text="Exactly.")
    stage = django_filters.CharFilter(field_name="standing__stage", help_text="Key of the stage.")
    owner = django_filters.CharFilter(method="by_owner", help_text="Id of its owner; `none`: Marketing's.")
    source = django_filters.CharFilter(field_name="source_channel", help_text="Channel it came by, exactly.")
    tag = django_filters.CharFilter(method="by_tag", help_text="Name of a tag that it bears, whole, any case.")
    q = django_filters.CharFilter(
        method="by_text",
        help_text="Words of the name, e-mail address or company, in any order, case and accents aside. Where nobody has"
        " them: who is spelt almost so.",
    )
    updated_since = MomentFilter(field_name="updated_at", lookup_expr="gte", help_text="Changed at or after this.")

    class Meta:
        model = Contact
        fields: list[str] = []

    def by_email(self, queryset: QuerySet[Contact], name: str, value: str) -> QuerySet[Contact]:
        """Narrow by address."""
        return queryset.filter(identities__kind=IdentityKind.EMAIL, identities__value=value.strip().lower())

    def by_external_id(self, queryset: QuerySet[Contact], name: str, value: str) -> QuerySet[Contact]:
        """Narrow by external id."""
        return queryset.filter(identities__kind=IdentityKind.EXTERNAL_ID, identities__value=value)

    def by_owner(self, queryset: QuerySet[Contact], name: str, value: str) -> QuerySet[Contact]:
        """Narrow by owner."""
        if value == "none":
            return queryset.filter(standing__owner=None)
        filtered: QuerySet[Contact] = IdFilter(field_name="standing__owner").filter(queryset, value)
        return filtered

    def by_tag(self, queryset: QuerySet[Contact], name: str, value: str) -> QuerySet[Contact]:
        """Narrow by tag."""
        return queryset.filter(contact_filters(Query(tag=value)))

    def by_text(self, queryset: QuerySet[Contact], name: str, value: str) -> QuerySet[Contact]:
        """Narrow by text."""
        return queryset.filter(matches_of(value))


class EventFilters(django_filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    """Filters of event lists."""

    kind = django_filters.CharFilter(field_name="kind__name", help_text="Kind, exactly.")
    source = IdFilter(field_name="source_id", help_text="Id of the source that reported it.")
    since = MomentFilter(field_name="occurred_at", lookup_expr="gte", help_text="Happened at or after this.")
    until = MomentFilter(field_name="occurred_at", lookup_expr="lt", help_text="Happened before this.")

    class Meta:
        model = Event
        fields: list[str] = []


class CompanyFilters(django_filters.FilterSet):  # type: ignore[misc]  # django-filter ships no types
    """Filters of the company list."""

    domain = django_filters.CharFilter(method="by_domain", help_text="Exactly.")
    name = django_filters.CharFilter(field_name="normalised_name", method="by_name", help_text="Whole name, any case.")

    class Meta:
        model = Company
        fields: list[str] = []

    def by_domain(self, queryset: QuerySet[Company], name: str, value: str) -> QuerySet[Company]:
        """Narrow by domain."""
        return queryset.filter(domain=value.strip().lower())

    def by_name(self, queryset: QuerySet[Company], name: str, value: str) -> QuerySet[Company]:
        """Narrow by name."""
        return queryset.filter(normalised_name=normalise_company_name(value))

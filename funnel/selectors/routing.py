"""What routing looks at: the rules in order, what they ask of contacts, and the people who may get offers."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import Case as When_
from django.db.models import IntegerField, Max, Q, QuerySet, Value, When

from contacts.enums import Role
from contacts.models import Contact
from contacts.permissions import SELLERS
from funnel.enums import HandoffState, RoutingMode
from funnel.models import Handoff, RepProfile, RoutingRule
from funnel.routing import Case, Conditions, Rep, Rule
from funnel.selectors.people import name_of
from funnel.selectors.working import Capacity, working_times

_HELD = (HandoffState.CLAIMED, HandoffState.ACCEPTED)


def all_rules() -> "QuerySet[RoutingRule]":
    """Every rule in the order in which they are asked, whom they name loaded."""
    return RoutingRule.objects.order_by("position", "id").prefetch_related("reps")


def active_rules() -> list[Rule]:
    """The rules that are asked, in order; two queries, one where there are none."""
    return [
        Rule(
            id=row.pk,
            name=row.name,
            mode=RoutingMode(row.mode),
            conditions=Conditions.read(row.conditions),
            reps=tuple(sorted(rep.pk for rep in row.reps.all())),
        )
        for row in all_rules().filter(is_active=True)
    ]


def cases_of(
    asked: Sequence[tuple[int, str]], rules: Sequence[Rule], *, not_to: Mapping[int, Mapping[int, str]]
) -> list[Case]:
    """What rules look at in each of these (contact id, stage), in order; two queries.

    ``not_to``: for a contact id, who is passed over, by user id, and why.
    """
    contacts = Contact.objects.select_related("company").in_bulk([contact_id for contact_id, _ in asked])
    companies = {contact.company_id for contact in contacts.values() if contact.company_id is not None}
    asks_owners = any(rule.mode is RoutingMode.COMPANY_OWNER for rule in rules)
    owners = _company_reps(companies) if asks_owners else {}
    cases = []
    for contact_id, stage in asked:
        contact = contacts[contact_id]
        company = contact.company
        cases.append(
            Case(
                stage=stage,
                country=contact.country or (company.country if company else ""),
                language=language_of(contact),
                industry=company.industry if company else "",
                source=contact.source_channel,
                employees=company.employees if company else None,
                company_reps=owners.get(contact.company_id or 0, ()),
                not_to=not_to.get(contact_id, {}),
            )
        )
    return cases


def language_of(contact: Contact) -> str:
    """The contact's language as a code: its ``language`` attribute, else the first part of its ``locale``, else ""."""
    for name in ("language", "locale"):
        given = contact.attributes.get(name)
        if isinstance(given, str) and given.strip():
            return given.strip().replace("_", "-").split("-")[0].lower()
    return ""


def _company_reps(company_ids: Collection[int]) -> dict[int, tuple[int, ...]]:
    """Who has contacts of each company: those who hold one first, then those who won one, the latest first."""
    holds = When_(When(state__in=_HELD, then=Value(1)), default=Value(0), output_field=IntegerField())
    rows = (
        Handoff.objects.filter(
            contact__company__in=company_ids, claimed_by__isnull=False, state__in=[*_HELD, HandoffState.WON]
        )
        .values("contact__company", "claimed_by")
        .annotate(holds=Max(holds), latest=Max("claimed_at"))
        .order_by("-holds", "-latest", "claimed_by")
        .values_list("contact__company", "claimed_by")
    )
    found: dict[int, list[int]] = {}
    for company_id, user_id in rows:
        found.setdefault(company_id, []).append(user_id)
    return {company_id: tuple(users) for company_id, users in found.items()}


def people_for(rules: Sequence[Rule], cases: Iterable[Case]) -> list[User]:
    """Everybody whom these rules may choose for these cases, their roles loaded; two queries."""
    named = {number for rule in rules for number in rule.reps}
    named |= {number for case in cases for number in case.company_reps}
    reps = Q(groups__name=Role.REP.value, is_active=True)
    return list(User.objects.filter(reps | Q(pk__in=named)).distinct().order_by("pk").prefetch_related("groups"))


def reps_of(people: Sequence[User], capacities: Mapping[int, Capacity], *, now: datetime) -> dict[int, Rep]:
    """These people as routing sees them at ``now``; five queries."""
    ids = [person.pk for person in people]
    profiles = {profile.user_id: profile for profile in RepProfile.objects.filter(user__in=ids)}
    times = working_times(ids)
    found = {}
    for person in people:
        roles = {group.name for group in person.groups.all()}
        profile = profiles.get(person.pk) or RepProfile(user=person)
        found[person.pk] = Rep(
            id=person.pk,
            name=name_of(person),
            limit=capacities[person.pk].limit,
            taken=capacities[person.pk].taken,
            is_rep=Role.REP.value in roles,
            is_routed=profile.is_routed,
            why_not=_against(person, roles),
            away_until=times.away_until(person.pk, now),
            last_assigned_at=profile.last_assigned_at,
            countries=frozenset(country.casefold() for country in profile.countries),
            languages=frozenset(language.casefold() for language in profile.languages),
        )
    return found


def _against(person: User, roles: AbstractSet[str]) -> str:
    if not person.is_active:
        return "has been deactivated"
    if not person.is_superuser and not roles & {role.value for role in SELLERS}:
        return "is not in Sales any more"
    return ""

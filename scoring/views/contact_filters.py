"""The filters of the contact list as fields and as removable chips, those that could not be understood among them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.contrib.auth.models import User
from django.http import QueryDict
from django.utils.translation import gettext, gettext_noop, ngettext

from config.web.formats import format_points
from config.web.pages import link_with
from config.web.ui import Chip
from contacts.enums import Answer, Motion
from contacts.models import Company
from contacts.selectors.browse import FALL, NOBODY, RIPEN, Query, filter_values

LABELS: Final[Mapping[str, str]] = {
    "stage": gettext_noop("Stage"),
    "q": gettext_noop("Search"),
    "owner": gettext_noop("Owner"),
    "source": gettext_noop("Source"),
    "motion": gettext_noop("Motion"),
    "campaign": gettext_noop("Campaign"),
    "fit_from": gettext_noop("Fit from"),
    "fit_to": gettext_noop("Fit to"),
    "engagement_from": gettext_noop("Engagement from"),
    "engagement_to": gettext_noop("Engagement to"),
    "seen_within": gettext_noop("Active in the last days"),
    "unseen_for": gettext_noop("Not active for days"),
    "country": gettext_noop("Country"),
    "company": gettext_noop("Company"),
    "tag": gettext_noop("Tag"),
    "attribute": gettext_noop("Attribute"),
    "attribute_value": gettext_noop("Value of the attribute"),
    "means": gettext_noop("Means"),
    "authority": gettext_noop("Authority"),
    "soon": gettext_noop("Soon"),
    "sort": gettext_noop("Order"),
    "reverse": gettext_noop("Order"),
    "after": gettext_noop("Place in the list"),
}
SOON: Final[Mapping[str, str]] = {FALL: gettext_noop("about to fall"), RIPEN: gettext_noop("about to ripen")}


@dataclass(frozen=True, slots=True)
class FilterField:
    """A field of the filters' form: a choice where there are ``options`` (value, label), else a text or a number."""

    name: str
    label: str
    value: str
    options: tuple[tuple[str, str], ...] = ()
    is_number: bool = False
    suggestions: tuple[str, ...] = ()


def filter_fields(
    query: Query, people: Sequence[User], labels: Mapping[str, str]
) -> dict[str, tuple[FilterField, ...]]:
    """Return the fields: ``first`` stand beside the search, the others behind "More filters". One query."""
    values = filter_values()
    anything = [("", gettext("Any"))]
    owners = [(NOBODY, gettext("Marketing")), *((str(one.pk), _name(one)) for one in people)]
    answers = [(one.value, str(one.label)) for one in Answer]
    motions = [(one.value, str(one.label)) for one in Motion if one.value]
    return {
        "first": (
            FilterField("owner", gettext("Owner"), query.owner, (("", gettext("Any owner")), *owners)),
            FilterField(
                "source",
                gettext("Source"),
                query.source,
                (("", gettext("Any source")), *((name, name) for name in values.sources)),
            ),
            FilterField(
                "soon",
                gettext("Soon"),
                query.soon,
                (("", gettext("Any outlook")), *((key, gettext(text)) for key, text in SOON.items())),
            ),
        ),
        "more": (
            _numbered("fit_from", query.fit_from),
            _numbered("fit_to", query.fit_to),
            _numbered("engagement_from", query.engagement_from),
            _numbered("engagement_to", query.engagement_to),
            _days("seen_within", query.seen_within),
            _days("unseen_for", query.unseen_for),
            FilterField("motion", gettext("Motion"), query.motion, (*anything, *motions)),
            _text("campaign", query.campaign, values.campaigns),
            _text("country", query.country, values.countries),
            _text("company", query.company),
            _text("tag", query.tag, values.tags),
            FilterField("means", gettext("Means"), query.means, (*anything, *answers)),
            FilterField("authority", gettext("Authority"), query.authority, (*anything, *answers)),
            _text("attribute", query.attribute),
            _text("attribute_value", query.attribute_value),
        ),
    }


def names_of(query: Query, people: Sequence[User], labels: Mapping[str, str]) -> dict[str, str]:
    """Return what the filters' values are called: an owner, a company."""
    names = {f"owner:{one.pk}": _name(one) for one in people} | {f"owner:{NOBODY}": gettext("Marketing")}
    if query.company.isascii() and query.company.isdecimal() and len(query.company) <= 18:
        company = Company.objects.filter(pk=int(query.company)).first()
        if company is not None:
            names[f"company:{company.pk}"] = str(company)
    names |= {f"stage:{key}": label for key, label in labels.items()}
    return names


def chips_of(given: QueryDict, query: Query, names: Mapping[str, str]) -> list[Chip]:
    """Return a chip for each filter in force, and for each parameter that could not be understood, with why."""
    chips = []
    if query.text:
        chips.append(_chip(given, "q", query.text))
    if query.stage and f"stage:{query.stage}" not in names:
        said = gettext("“%(value)s” is no stage in use") % {"value": query.stage}
        chips.append(Chip(gettext("Not understood"), said, link_with(given, stage=None)))
    if query.owner:
        chips.append(_chip(given, "owner", names.get(f"owner:{query.owner}", gettext("somebody else"))))
    named = ("source", "campaign", "country", "tag")
    chips += [_chip(given, name, value) for name in named if (value := getattr(query, name))]
    if query.motion:
        chips.append(_chip(given, "motion", str(Motion(query.motion).label)))
    chips += _ranges(given, query)
    if query.company:
        chips.append(_chip(given, "company", names.get(f"company:{query.company}", query.company)))
    if query.attribute:
        said = gettext("%(name)s is there") if not query.attribute_value else "%(name)s = %(value)s"
        value = said % {"name": query.attribute, "value": query.attribute_value}
        away = link_with(given, attribute=None, attribute_value=None)
        chips.append(Chip(gettext("Attribute"), value, away))
    for name in ("means", "authority"):
        if value := getattr(query, name):
            chips.append(_chip(given, name, str(Answer(value).label)))
    if query.soon:
        chips.append(_chip(given, "soon", gettext(SOON[query.soon])))
    return chips + [_problem(given, name, value, message) for name, value, message in _problems(query)]


def _ranges(given: QueryDict, query: Query) -> list[Chip]:
    chips = []
    for name, label in (("fit", gettext("Fit")), ("engagement", gettext("Engagement"))):
        least, most = getattr(query, f"{name}_from"), getattr(query, f"{name}_to")
        if least is None and most is None:
            continue
        said = {"from": format_points(least or 0), "to": format_points(most or 0)}
        if most is None:
            value = gettext("from %(from)s") % said
        elif least is None:
            value = gettext("up to %(to)s") % said
        else:
            value = gettext("%(from)s to %(to)s") % said
        away = link_with(given, **{f"{name}_from": None, f"{name}_to": None})
        chips.append(Chip(label, value, away))
    if query.seen_within is not None:
        pattern = ngettext("in the last day", "in the last %(days)s days", query.seen_within)
        chips.append(Chip(gettext("Active"), pattern % {"days": query.seen_within}, link_with(given, seen_within=None)))
    if query.unseen_for is not None:
        pattern = ngettext("for a day", "for %(days)s days", query.unseen_for)
        away = link_with(given, unseen_for=None)
        chips.append(Chip(gettext("Not active"), pattern % {"days": query.unseen_for}, away))
    return chips


def _problems(query: Query) -> list[tuple[str, str, str]]:
    return [(one.name, one.value, one.message) for one in query.problems]


def _problem(given: QueryDict, name: str, value: str, message: str) -> Chip:
    said = gettext("%(filter)s “%(value)s”: %(problem)s") % {
        "filter": gettext(LABELS.get(name, name)),
        "value": value,
        "problem": message,
    }
    return Chip(gettext("Not understood"), said, link_with(given, **{name: None}))


def _chip(given: QueryDict, name: str, value: str) -> Chip:
    return Chip(gettext(LABELS[name]), value, link_with(given, **{name: None}))


def _name(person: User) -> str:
    return person.get_full_name() or person.email


def _numbered(name: str, millipoints: int | None) -> FilterField:
    value = "" if millipoints is None else f"{millipoints / 1000:g}"
    return FilterField(name, gettext(LABELS[name]), value, is_number=True)


def _days(name: str, days: int | None) -> FilterField:
    return FilterField(name, gettext(LABELS[name]), "" if days is None else str(days), is_number=True)


def _text(name: str, value: str, suggestions: tuple[str, ...] = ()) -> FilterField:
    return FilterField(name, gettext(LABELS[name]), value, suggestions=suggestions)

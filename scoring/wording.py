"""Definitions and judgements in plain words, in the language of whoever reads them. No database, no clock."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import reduce

from django.utils.formats import get_format
from django.utils.translation import get_language, gettext, gettext_noop, ngettext

from config.web.formats import format_day, format_number
from scoring.definition import (
    AttributeTest,
    Count,
    Counting,
    Criterion,
    DefinitionDocument,
    Group,
    Match,
    Problem,
    PropertyTest,
    Scalar,
    Signal,
)
from scoring.engine.facts import UNKNOWN_PAST
from scoring.moments import to_datetime

# What a contact did, as the end of a sentence that begins with its stage.
KIND_PHRASES: dict[str, str] = {
    "list_imported": gettext_noop("was on an imported list"),
    "email_sent": gettext_noop("was sent an e-mail"),
    "direct_mail_sent": gettext_noop("was sent direct mail"),
    "ad_shown": gettext_noop("was shown an ad"),
    "email_delivered": gettext_noop("received an e-mail"),
    "email_opened": gettext_noop("opened an e-mail"),
    "email_clicked": gettext_noop("clicked in an e-mail"),
    "email_replied": gettext_noop("answered an e-mail"),
    "email_bounced": gettext_noop("had an e-mail bounce"),
    "email_complained": gettext_noop("complained about an e-mail"),
    "unsubscribed": gettext_noop("unsubscribed"),
    "newsletter_subscribed": gettext_noop("subscribed to the newsletter"),
    "details_confirmed": gettext_noop("confirmed its details"),
    "page_viewed": gettext_noop("viewed a page"),
    "form_submitted": gettext_noop("submitted a form"),
    "asset_downloaded": gettext_noop("downloaded an asset"),
    "event_registered": gettext_noop("registered for an event"),
    "event_attended": gettext_noop("attended an event"),
    "webinar_subscribed": gettext_noop("subscribed to a webinar"),
    "blog_commented": gettext_noop("commented on the blog"),
    "social_liked": gettext_noop("liked a post"),
    "social_shared": gettext_noop("shared a post"),
    "social_question": gettext_noop("asked about the product"),
    "trade_show_conversation": gettext_noop("talked with us at a trade show"),
    "networking_met": gettext_noop("met us while networking"),
    "call_connected": gettext_noop("talked with us on the phone"),
    "chat_started": gettext_noop("started a chat"),
    "meeting_requested": gettext_noop("asked for a meeting"),
    "meeting_held": gettext_noop("met with us"),
    "demo_requested": gettext_noop("asked for a demo"),
    "pricing_requested": gettext_noop("asked for a price"),
    "trial_started": gettext_noop("started a trial"),
    "referred": gettext_noop("was referred"),
    "sequence_completed": gettext_noop("completed a sequence"),
    "purchased": gettext_noop("bought"),
    "refunded": gettext_noop("was refunded"),
    "churned": gettext_noop("churned"),
    "call_attempted": gettext_noop("was called and not reached"),
    "email_written": gettext_noop("was written a mail by one of us"),
    "note_added": gettext_noop("had a note added"),
    "handoff_claimed": gettext_noop("was claimed by Sales"),
    "handoff_accepted": gettext_noop("was accepted by Sales"),
    "handoff_returned": gettext_noop("was returned by Sales"),
    "handoff_expired": gettext_noop("waited for Sales too long"),
    "handoff_withdrawn": gettext_noop("was withdrawn from Sales"),
    "handoff_released": gettext_noop("was put back into Sales' queue"),
    "handoff_reassigned": gettext_noop("was given to another of Sales"),
    "stage_pinned": gettext_noop("was pinned to a stage"),
    "stage_unpinned": gettext_noop("was unpinned"),
    "converted": gettext_noop("was converted to a customer"),
}

# What everybody knows of contacts and companies; other attributes are called what they are named.
ATTRIBUTES: dict[str, str] = {
    "job_title": gettext_noop("job title"),
    "role": gettext_noop("role"),
    "country": gettext_noop("country"),
    "means": gettext_noop("means"),
    "authority": gettext_noop("authority"),
    "details_confirmed": gettext_noop("details confirmed"),
    "email": gettext_noop("email"),
    "phone": gettext_noop("phone"),
    "company.name": gettext_noop("company name"),
    "company.domain": gettext_noop("company domain"),
    "company.industry": gettext_noop("company industry"),
    "company.employees": gettext_noop("company employees"),
    "company.country": gettext_noop("company country"),
}


def kind_phrase(name: str) -> str:
    """What the contact did, in the past tense: ``asked for a demo``."""
    phrase = KIND_PHRASES.get(name)
    return gettext(phrase) if phrase else name.replace("_", " ")


def in_sentence(label: str) -> str:
    """A label within a sentence: English writes it small there, other languages leave it as it is."""
    return label.lower() if (get_language() or "en").startswith("en") else label


def problem_words(problem: Problem) -> str:
    """What is wrong with a definition, in the reader's language; ``problem.message`` says it in English."""
    return problem.words(gettext, lambda number: format_number(number) if isinstance(number, int) else amount(number))


def day(when: datetime, *, seen_from: datetime) -> str:
    """A day as people write it: ``3 Nov``, with the year where that is another."""
    return format_day(when, now=seen_from)


def amount(value: float) -> str:
    """A number of a definition with all its digits and none that say nothing: ``30``, ``0.5``."""
    return f"{value:.12g}".replace(".", str(get_format("DECIMAL_SEPARATOR")))


def points(millipoints: int) -> str:
    """Points with up to one decimal: ``38.3``, ``40``."""
    return f"{millipoints / 1000:.1f}".removesuffix(".0").replace(".", str(get_format("DECIMAL_SEPARATOR")))


def either(parts: Sequence[str]) -> str:
    """Several of which any will do: ``a or b or c``."""
    return reduce(lambda first, last: gettext("%(first)s or %(last)s") % {"first": first, "last": last}, parts)


def both(parts: Sequence[str]) -> str:
    """Several together: ``a and b and c``."""
    return reduce(lambda first, last: gettext("%(first)s and %(last)s") % {"first": first, "last": last}, parts)


def _plural(value: float) -> int:
    # Plural forms are for whole numbers; of the others only one is one.
    return 1 if abs(value) == 1 else 2


def describe(criterion: Criterion, document: DefinitionDocument) -> str:
    """One node of a criteria tree as a condition: ``engagement of at least 30``."""
    if criterion.all is not None:
        return gettext("all of these")
    if criterion.any is not None:
        return gettext("any of these")
    if criterion.not_ is not None:
        return gettext("not: %(criterion)s") % {"criterion": describe(criterion.not_, document)}
    if criterion.count is not None:
        return _describe_count(criterion.count, document)
    return _describe_score(criterion) or _describe_profile(criterion, document)


def _describe_score(criterion: Criterion) -> str:
    if criterion.engagement is not None:
        return gettext("engagement of at least %(points)s") % {"points": amount(criterion.engagement.at_least)}
    if criterion.score is not None:
        return gettext("fit and engagement together at least %(points)s") % {"points": amount(criterion.score.at_least)}
    if criterion.fit is not None:
        least = criterion.fit.at_least
        if least == 0:
            return gettext("fit not disqualified (0 or more)")
        return gettext("fit of at least %(points)s") % {"points": amount(least)}
    if criterion.likelihood is not None:
        share = amount(criterion.likelihood.at_least * 100)
        return gettext("a likelihood of at least %(share)s %%") % {"share": share}
    return ""


def _describe_profile(criterion: Criterion, document: DefinitionDocument) -> str:
    if criterion.attribute is not None:
        return describe_test(criterion.attribute)
    if criterion.gate is not None:
        gate = next(gate for gate in document.gates if gate.key == criterion.gate)
        is_answer = isinstance(gate.closed_when, bool)
        pattern = gettext("%(gate)s not %(answer)s") if is_answer else gettext('%(gate)s not "%(answer)s"')
        answer = _answer(gate.closed_when)
        return pattern % {"gate": in_sentence(gate.label), "answer": answer}
    if criterion.qualifiers is not None:
        asked = ", ".join(qualifier.label for qualifier in document.qualifiers)
        if not asked:
            return gettext("all qualifiers met (none is configured yet)")
        return gettext("all qualifiers met: %(qualifiers)s") % {"qualifiers": asked}
    if criterion.switch is not None:
        return gettext("%(switch)s is switched on") % {"switch": criterion.switch.replace("_", " ")}
    if criterion.origin is not None:
        if criterion.origin == "outbound":
            return gettext("we found the contact (outbound)")
        return gettext("the contact found us (inbound)")
    if criterion.reachable:
        return gettext("can be reached (e-mail or phone known)")
    return gettext("cannot be reached")


def _describe_count(count: Count, document: DefinitionDocument) -> str:
    said = document.evidence[count.of].label
    if count.at_least != 1:
        said = gettext("%(number)s %(evidence)s") % {"number": format_number(count.at_least), "evidence": said}
    if count.within_days is not None:
        days = count.within_days
        pattern = ngettext("%(evidence)s in the last day", "%(evidence)s in the last %(days)s days", _plural(days))
        said = pattern % {"evidence": said, "days": amount(days)}
    if count.after:
        parts = {"evidence": said, "later": document.evidence[count.after].label}
        said = gettext("%(evidence)s, not followed by %(later)s") % parts
    return said


def describe_test(test: AttributeTest) -> str:
    """A test of an attribute as a condition: ``company employees from 50 to 5000``."""
    name = attribute_name(test.name)
    if test.known is not None:
        pattern = gettext("%(name)s is known") if test.known else gettext("%(name)s is not known")
        return pattern % {"name": name}
    if test.equals is True:
        return name
    if test.words is not None:
        return gettext("%(name)s contains %(words)s") % {"name": name, "words": ", ".join(test.words)}
    return _comparison(name, test.equals, test.one_of, test.at_least, test.at_most, said=_answer)


def attribute_name(name: str) -> str:
    """What an attribute is called: ``job title`` for ``job_title``."""
    if name in ATTRIBUTES:
        return gettext(ATTRIBUTES[name])
    return name.removeprefix("attributes.").replace(".", " ").replace("_", " ")


def _comparison(
    name: str,
    equals: Scalar | None,
    one_of: Sequence[Scalar] | None,
    at_least: float | None,
    at_most: float | None,
    *,
    said: Callable[[Scalar], str],
) -> str:
    if equals is not None:
        return gettext("%(name)s is %(value)s") % {"name": name, "value": said(equals)}
    if one_of is not None:
        return gettext("%(name)s is one of %(values)s") % {"name": name, "values": ", ".join(map(said, one_of))}
    parts = {"name": name, "least": amount(at_least or 0), "most": amount(at_most or 0)}
    if at_least is None:
        return gettext("%(name)s to %(most)s") % parts
    if at_most is None:
        return gettext("%(name)s from %(least)s") % parts
    return gettext("%(name)s from %(least)s to %(most)s") % parts


def value_word(value: Scalar) -> str:
    """A value as it is, and whether something is true in words."""
    if isinstance(value, bool):
        return gettext("true") if value else gettext("false")
    return amount(value) if isinstance(value, float) else str(value)


def answer_word(answer: str) -> str:
    """An answer that is one of ours (yes, no, unknown, inbound, outbound) in the reader's language; others as given."""
    known = {"yes": gettext("yes"), "no": gettext("no"), "unknown": gettext("unknown")}
    known |= {"inbound": gettext("inbound"), "outbound": gettext("outbound")}
    return known.get(answer, answer)


def _answer(value: Scalar) -> str:
    """What an attribute is compared with, as people read it; a property's value is a source's own, and never ours."""
    return answer_word(value) if isinstance(value, str) else value_word(value)


def describe_match(match: Match) -> str:
    """Which events are meant: ``asked for a demo or asked for a price, begun by them, through the channel ads``."""
    parts = []
    if match.kinds:
        parts.append(either([kind_phrase(kind) for kind in match.kinds]))
    if match.initiator:
        parts.append(gettext(_INITIATORS[match.initiator]))
    if match.reach:
        parts.append(gettext("one-to-many") if match.reach == "many" else gettext("one-to-one"))
    if match.two_way is not None:
        parts.append(gettext("two-way") if match.two_way else gettext("one-way"))
    if match.channels:
        parts.append(gettext("through the channel %(names)s") % {"names": either(match.channels)})
    if match.sources:
        parts.append(gettext("through the source %(names)s") % {"names": either(match.sources)})
    parts += [describe_property_test(name, test) for name, test in match.properties.items()]
    return ", ".join(parts)


_INITIATORS = {
    "us": gettext_noop("begun by us"),
    "them": gettext_noop("begun by them"),
    "both": gettext_noop("begun by both"),
    "third": gettext_noop("begun by a third party"),
}


def describe_property_test(name: str, test: PropertyTest) -> str:
    """A test of an event's property as a condition: ``page begins with "/pricing"``."""
    if test.present is not None:
        pattern = gettext("%(name)s is named") if test.present else gettext("%(name)s is not named")
        return pattern % {"name": name}
    if test.prefix is not None:
        return gettext('%(name)s begins with "%(text)s"') % {"name": name, "text": test.prefix}
    if test.contains is not None:
        return gettext('%(name)s contains "%(text)s"') % {"name": name, "text": test.contains}
    if test.pattern is not None:
        return gettext("%(name)s fits the pattern %(pattern)s") % {"name": name, "pattern": test.pattern}
    return _comparison(name, test.equals, test.one_of, test.at_least, test.at_most, said=value_word)


def describe_counting(count: Counting) -> str:
    """Which of the matching events weigh: ``every one``, ``the first for each asset``, ``at most 2 a day``."""
    if count.once:
        return gettext("the first")
    if count.once_per:
        return gettext("the first for each %(property)s") % {"property": count.once_per}
    if count.latest is not None:
        number = count.latest
        return ngettext("the latest", "the latest %(number)s", number) % {"number": format_number(number)}
    if count.at_most is not None and count.within_days is not None:
        parts = {"number": format_number(count.at_most), "days": amount(count.within_days)}
        if count.within_days == 1:
            return gettext("at most %(number)s a day") % parts
        return gettext("at most %(number)s in every %(days)s days") % parts
    return gettext("every one")


def describe_group(group: Group) -> str:
    """A group with its bounds: ``Browsing, at most 10, never below zero``."""
    parts = {"group": group.label, "points": "" if group.cap is None else amount(group.cap)}
    if group.cap is not None and group.floor_at_zero:
        return gettext("%(group)s, at most %(points)s, never below zero") % parts
    if group.cap is not None:
        return gettext("%(group)s, at most %(points)s") % parts
    return gettext("%(group)s, never below zero") % parts if group.floor_at_zero else group.label


def describe_signal(signal: Signal) -> str:
    """What a signal weighs and for how long: ``8 points, halved every 30 days, every one``."""
    return ", ".join([in_points(signal.points), describe_fading(signal), describe_counting(signal.count)])


def in_points(value: float) -> str:
    """A number of points: ``1 point``, ``8 points``."""
    return ngettext("%(points)s point", "%(points)s points", _plural(value)) % {"points": amount(value)}


def describe_fading(signal: Signal) -> str:
    """How fast a signal's points fade: ``halved every 30 days``, ``never fading``."""
    days = signal.half_life_days
    if days == 0:
        return gettext("never fading")
    return ngettext("halved every day", "halved every %(days)s days", _plural(days)) % {"days": amount(days)}


def reason_of_count(count: Count, *, kind: str, number: int, last: int, seen_from: datetime) -> str:
    """Why a count holds: ``asked for a demo on 3 Nov``, ``clicked in an e-mail 2 times, last on 3 Nov``."""
    if last == UNKNOWN_PAST:
        return ""
    parts = {"deed": kind_phrase(kind), "day": day(to_datetime(last), seen_from=seen_from)}
    if count.at_least == 1:
        return gettext("%(deed)s on %(day)s") % parts
    pattern = ngettext(
        "%(deed)s %(number)s time, last on %(day)s", "%(deed)s %(number)s times, last on %(day)s", number
    )
    return pattern % {**parts, "number": format_number(number)}

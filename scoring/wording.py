"""Definitions and judgements in plain words. Pure: no database, no clock."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from scoring.definition import (
    AttributeTest,
    Count,
    Counting,
    Criterion,
    DefinitionDocument,
    Group,
    Match,
    PropertyTest,
    Scalar,
    Signal,
)
from scoring.engine.facts import UNKNOWN_PAST
from scoring.engine.properties import EXAMPLE
from scoring.moments import to_datetime

# What a contact did, as the end of a sentence that begins with its stage.
KIND_PHRASES: dict[str, str] = {
    "list_imported": "was on an imported list",
    "email_sent": "was sent an e-mail",
    "direct_mail_sent": "was sent direct mail",
    "ad_shown": "was shown an ad",
    "email_delivered": "received an e-mail",
    "email_opened": "opened an e-mail",
    "email_clicked": "clicked in an e-mail",
    "email_replied": "answered an e-mail",
    "email_bounced": "had an e-mail bounce",
    "email_complained": "complained about an e-mail",
    "unsubscribed": "unsubscribed",
    "newsletter_subscribed": "subscribed to the newsletter",
    "details_confirmed": "confirmed its details",
    "page_viewed": "viewed a page",
    "form_submitted": "submitted a form",
    "asset_downloaded": "downloaded an asset",
    "event_registered": "registered for an event",
    "event_attended": "attended an event",
    "webinar_subscribed": "subscribed to a webinar",
    "blog_commented": "commented on the blog",
    "social_liked": "liked a post",
    "social_shared": "shared a post",
    "social_question": "asked about the product",
    "trade_show_conversation": "talked with us at a trade show",
    "networking_met": "met us while networking",
    "call_connected": "talked with us on the phone",
    "chat_started": "started a chat",
    "meeting_requested": "asked for a meeting",
    "meeting_held": "met with us",
    "demo_requested": "asked for a demo",
    "pricing_requested": "asked for a price",
    "trial_started": "started a trial",
    "referred": "was referred",
    "sequence_completed": "completed a sequence",
    "purchased": "bought",
    "refunded": "was refunded",
    "churned": "churned",
    "call_attempted": "was called and not reached",
    "email_written": "was written a mail by one of us",
    "note_added": "had a note added",
    "handoff_claimed": "was claimed by Sales",
    "handoff_accepted": "was accepted by Sales",
    "handoff_returned": "was returned by Sales",
    "handoff_expired": "waited for Sales too long",
    "handoff_withdrawn": "was withdrawn from Sales",
    "handoff_released": "was put back into Sales' queue",
    "handoff_reassigned": "was given to another of Sales",
    "stage_pinned": "was pinned to a stage",
    "stage_unpinned": "was unpinned",
    "converted": "was converted to a customer",
}


def kind_phrase(name: str) -> str:
    """What the contact did, in the past tense: ``asked for a demo``."""
    return KIND_PHRASES.get(name, name.replace("_", " "))


def day(when: datetime, *, seen_from: datetime) -> str:
    """A day as people write it: ``3 Nov``, with the year where that is another."""
    text = f"{when.day} {when:%b}"
    return text if when.year == seen_from.year else f"{text} {when.year}"


def points(millipoints: int) -> str:
    """Points with up to one decimal: ``38.3``, ``40``."""
    return f"{millipoints / 1000:.1f}".removesuffix(".0")


def describe(criterion: Criterion, document: DefinitionDocument) -> str:
    """One node of a criteria tree as a condition: ``engagement of at least 30``."""
    if criterion.all is not None:
        return "all of these"
    if criterion.any is not None:
        return "any of these"
    if criterion.not_ is not None:
        return f"not: {describe(criterion.not_, document)}"
    if criterion.count is not None:
        return _describe_count(criterion.count, document)
    return _describe_score(criterion) or _describe_profile(criterion, document)


def _describe_score(criterion: Criterion) -> str:
    if criterion.engagement is not None:
        return f"engagement of at least {criterion.engagement.at_least:g}"
    if criterion.score is not None:
        return f"fit and engagement together at least {criterion.score.at_least:g}"
    if criterion.fit is not None:
        least = criterion.fit.at_least
        return "fit not disqualified (0 or more)" if least == 0 else f"fit of at least {least:g}"
    if criterion.likelihood is not None:
        return f"a likelihood of at least {criterion.likelihood.at_least * 100:g} %"
    return ""


def _describe_profile(criterion: Criterion, document: DefinitionDocument) -> str:
    if criterion.attribute is not None:
        return describe_test(criterion.attribute)
    if criterion.gate is not None:
        gate = next(gate for gate in document.gates if gate.key == criterion.gate)
        if isinstance(gate.closed_when, bool):
            return f"{gate.label.lower()} not {_said(gate.closed_when)}"
        return f'{gate.label.lower()} not "{gate.closed_when}"'
    if criterion.qualifiers is not None:
        asked = ", ".join(qualifier.label for qualifier in document.qualifiers)
        return f"all qualifiers met: {asked}" if asked else "all qualifiers met (none is configured yet)"
    if criterion.switch is not None:
        return f"{criterion.switch.replace('_', ' ')} is switched on"
    if criterion.origin is not None:
        return "we found the contact (outbound)" if criterion.origin == "outbound" else "the contact found us (inbound)"
    return "can be reached (e-mail or phone known)" if criterion.reachable else "cannot be reached"


def _describe_count(count: Count, document: DefinitionDocument) -> str:
    label = document.evidence[count.of].label
    text = label if count.at_least == 1 else f"{count.at_least} {label}"
    if count.within_days is not None:
        text += " in the last day" if count.within_days == 1 else f" in the last {count.within_days:g} days"
    if count.after:
        text += f", not followed by {document.evidence[count.after].label}"
    return text


def describe_test(test: AttributeTest) -> str:
    """A test of an attribute as a condition: ``company employees from 50 to 5000``."""
    name = _attribute(test.name)
    if test.known is not None:
        return f"{name} is {'' if test.known else 'not '}known"
    if test.equals is True:
        return name
    if test.words is not None:
        return f"{name} contains {', '.join(test.words)}"
    return f"{name} {_comparison(test.equals, test.one_of, test.at_least, test.at_most)}"


def _attribute(name: str) -> str:
    return name.removeprefix("attributes.").replace(".", " ").replace("_", " ")


def _comparison(
    equals: Scalar | None, one_of: Sequence[Scalar] | None, at_least: float | None, at_most: float | None
) -> str:
    if equals is not None:
        return f"is {_said(equals)}"
    if one_of is not None:
        return f"is one of {', '.join(map(_said, one_of))}"
    bounds = (("from", at_least), ("to", at_most))
    return " ".join(f"{word} {bound:.12g}" for word, bound in bounds if bound is not None)


def _said(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def describe_match(match: Match) -> str:
    """Which events are meant: ``asked for a demo or asked for a price, begun by them, through the channel ads``."""
    parts = []
    if match.kinds:
        parts.append(" or ".join(kind_phrase(kind) for kind in match.kinds))
    if match.initiator:
        parts.append("begun by a third party" if match.initiator == "third" else f"begun by {match.initiator}")
    if match.reach:
        parts.append(f"one-to-{match.reach}")
    if match.two_way is not None:
        parts.append("two-way" if match.two_way else "one-way")
    for what, names in (("channel", match.channels), ("source", match.sources)):
        if names:
            parts.append(f"through the {what} {' or '.join(names)}")
    parts += [describe_property_test(name, test) for name, test in match.properties.items()]
    return ", ".join(parts)


def describe_property_test(name: str, test: PropertyTest) -> str:
    """A test of an event's property as a condition: ``page begins with "/pricing"``."""
    if test.present is not None:
        return f"{name} is {'' if test.present else 'not '}named"
    if test.prefix is not None:
        return f'{name} begins with "{test.prefix}"'
    if test.contains is not None:
        return f'{name} contains "{test.contains}"'
    if test.pattern is not None:
        return f"{name} fits the pattern {test.pattern}"
    return f"{name} {_comparison(test.equals, test.one_of, test.at_least, test.at_most)}"


def describe_counting(count: Counting) -> str:
    """Which of the matching events weigh: ``every one``, ``the first for each asset``, ``at most 2 a day``."""
    if count.once:
        return "the first"
    if count.once_per:
        return f"the first for each {count.once_per}"
    if count.latest is not None:
        return "the latest" if count.latest == 1 else f"the latest {count.latest}"
    if count.at_most is not None and count.within_days is not None:
        period = "a day" if count.within_days == 1 else f"in every {count.within_days:g} days"
        return f"at most {count.at_most} {period}"
    return "every one"


def describe_group(group: Group) -> str:
    """A group with its bounds: ``Browsing, at most 10, never below zero``."""
    bounds = [] if group.cap is None else [f"at most {group.cap:g}"]
    bounds += ["never below zero"] if group.floor_at_zero else []
    return ", ".join([group.label, *bounds])


def describe_signal(signal: Signal) -> str:
    """What a signal weighs and for how long: ``8 points, halved every 30 days, every one``."""
    amount = f"{signal.points:g} point{'' if abs(signal.points) == 1 else 's'}"
    days = signal.half_life_days
    fading = "never fading" if days == 0 else f"halved every {'day' if days == 1 else f'{days:g} days'}"
    return f"{amount}, {fading}, {describe_counting(signal.count)}"


def reason_of_count(count: Count, *, kind: str, number: int, last: int, seen_from: datetime) -> str:
    """Why a count holds: ``asked for a demo on 3 Nov``, ``clicked in an e-mail 2 times, last on 3 Nov``."""
    if last == UNKNOWN_PAST:
        return ""
    when = day(to_datetime(last), seen_from=seen_from)
    if count.at_least == 1:
        return f"{kind_phrase(kind)} on {when}"
    return f"{kind_phrase(kind)} {number} times, last on {when}"


def step_sentence(events: Sequence[tuple[str, Mapping[str, object], int]], attributes: Mapping[str, object]) -> str:
    """What would be enough, as a sentence: it asked for a demo, its means were "yes".

    ``events``: kind, what its events must carry, and how many there are.
    """
    parts = [_deed(kind, carried) + (f" {times} times" if times > 1 else "") for kind, carried, times in events]
    parts += [_wish(name, value) for name, value in attributes.items()]
    return f"It would be enough that {' and '.join(parts)}."


def _deed(kind: str, carried: Mapping[str, object]) -> str:
    """An event in the sentence; what only stands for anything is not said."""
    said = [
        f'{name} "{_said(value)}"' if isinstance(value, str) else f"{name} {_said(value)}"
        for name, value in carried.items()
        if isinstance(value, str | int | float) and not str(value).startswith(EXAMPLE)
    ]
    return f"it {kind_phrase(kind)}" + (f" ({', '.join(said)})" if said else "")


def _wish(name: str, value: object) -> str:
    what = _attribute(name)
    if value == "known" or name in ("email", "phone"):
        return f"its {'e-mail' if name == 'email' else what} were known"
    if value is True:
        *subject, state = what.split()
        return f"its {' '.join(subject)} were {state}" if subject else f"it were {state}"
    shown = f"{value:.12g}" if isinstance(value, float) else value
    return f'its {what} were "{shown}"'

"""Judgements in plain words. Pure: no database, no clock."""

from collections.abc import Mapping
from datetime import datetime

from scoring.definition import AttributeTest, Count, Criterion, DefinitionDocument
from scoring.engine.facts import UNKNOWN_PAST
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
    "handoff_claimed": "was claimed by Sales",
    "handoff_accepted": "was accepted by Sales",
    "handoff_returned": "was returned by Sales",
    "handoff_expired": "waited for Sales too long",
    "handoff_withdrawn": "was withdrawn from Sales",
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
    return ""


def _describe_profile(criterion: Criterion, document: DefinitionDocument) -> str:
    if criterion.attribute is not None:
        return describe_test(criterion.attribute)
    if criterion.gate is not None:
        gate = next(gate for gate in document.gates if gate.key == criterion.gate)
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
        text += f" in the last {count.within_days:g} days"
    if count.after:
        text += f", not followed by {document.evidence[count.after].label}"
    return text


def describe_test(test: AttributeTest) -> str:
    """A test of an attribute as a condition: ``company employees from 50 to 5000``."""
    name = test.name.removeprefix("attributes.").replace(".", " ").replace("_", " ")
    if test.equals is True:
        return name
    if test.equals is not None:
        return f"{name} is {test.equals}"
    if test.one_of is not None:
        return f"{name} is one of {', '.join(map(str, test.one_of))}"
    if test.words is not None:
        return f"{name} contains {', '.join(test.words)}"
    bounds = [
        f"{word} {bound:g}" for word, bound in (("from", test.at_least), ("to", test.at_most)) if bound is not None
    ]
    return f"{name} {' '.join(bounds)}"


def reason_of_count(count: Count, *, kind: str, number: int, last: int, seen_from: datetime) -> str:
    """Why a count holds: ``asked for a demo on 3 Nov``, ``clicked in an e-mail 2 times, last on 3 Nov``."""
    if last == UNKNOWN_PAST:
        return ""
    when = day(to_datetime(last), seen_from=seen_from)
    if count.at_least == 1:
        return f"{kind_phrase(kind)} on {when}"
    return f"{kind_phrase(kind)} {number} times, last on {when}"


def step_sentence(times: Mapping[str, int], attributes: Mapping[str, object]) -> str:
    """What would be enough, as a sentence: it asked for a demo, its means were "yes"."""
    parts = [f"it {kind_phrase(kind)}" + (f" {number} times" if number > 1 else "") for kind, number in times.items()]
    parts += [_wish(name, value) for name, value in attributes.items()]
    return f"It would be enough that {' and '.join(parts)}."


def _wish(name: str, value: object) -> str:
    what = name.removeprefix("attributes.").replace(".", " ").replace("_", " ")
    if name == "email":
        return "its e-mail were known"
    if value is True:
        *subject, state = what.split()
        return f"its {' '.join(subject)} were {state}" if subject else f"it were {state}"
    shown = f"{value:g}" if isinstance(value, float) else value
    return f'its {what} were "{shown}"'

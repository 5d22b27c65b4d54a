"""What a call to action asks of a contact, and whether a stage of the definition allows that. Pure.

Definitions write their calls to action as people say them ("Book a demo"). Two that ask for the same thing are of one
class, so that a stage which lists "Read the blog" allows "Read our case study" too, and only a stage whose calls or
communication speak of offers and prices allows a quote.
"""

import re
from typing import Final

from scoring.definition import DefinitionDocument
from scoring.definition.document import Stage

# In this order: a call that could be of two classes is of the one that asks for more.
CLASSES: Final[dict[str, frozenset[str]]] = {
    "pricing": frozenset(
        {
            "price", "prices", "pricing", "quote", "quotes", "quotation", "proposal", "offer", "offers", "discount",
            "buy", "purchase", "order", "contract",
        }
    ),
    "demo": frozenset({"demo", "demonstration", "trial", "pilot", "tour"}),
    "referral": frozenset({"refer", "referral", "recommend", "introduce"}),
    "review": frozenset({"review", "testimonial", "rate", "rating"}),
    "meeting": frozenset({"meet", "meeting", "call", "phone", "appointment", "talk", "steps", "visit"}),
    "question": frozenset({"ask", "question", "questions", "reply", "answer"}),
    "content": frozenset(
        {
            "read", "blog", "article", "news", "newsletter", "subscribe", "guide", "download", "whitepaper", "ebook",
            "webinar", "watch", "video", "event", "register", "story", "stories", "join",
        }
    ),
    "connect": frozenset({"connect", "follow", "like", "share", "invite", "invitation"}),
}  # fmt: skip
# What a communication rules out ("no acquisition nurture") is not what it allows.
_DENIAL: Final = re.compile(r"\b(?:no|not|never|without)\b[^;,.]*")


def class_of(call: str) -> str:
    """Return the class of a call to action: by the name of the class, else by its words; ``""`` where none fits.

    A word that asks goes before one that tells what about: "Ask for a referral" asks for a referral.
    """
    text = call.strip().casefold()
    if text in CLASSES:
        return text
    words = frozenset(re.findall(r"[a-z]+", text))
    return next((name for name, known in CLASSES.items() if words & known), "")


def classes_of(stage: Stage) -> frozenset[str]:
    """Return the classes that a stage allows: those of its calls, and pricing where its communication speaks of it."""
    allowed = {class_of(call) for call in stage.calls_to_action}
    spoken = frozenset(re.findall(r"[a-z]+", _DENIAL.sub("", stage.communication.casefold())))
    if spoken & CLASSES["pricing"]:
        allowed.add("pricing")
    return frozenset(allowed - {""})


def allows(stage: Stage, call: str) -> bool:
    """Tell whether a stage allows a call to action: one that it lists, or one of the same class."""
    wanted = call.strip().casefold()
    return any(wanted == listed.casefold() for listed in stage.calls_to_action) or class_of(call) in classes_of(stage)


def stages_allowing(document: DefinitionDocument, call: str) -> list[str]:
    """Return the labels of the stages that allow a call to action, weakest first."""
    return [stage.label for stage in document.stages if allows(stage, call)]

"""How likely two contacts are one person, and what speaks for and against it. Pure.

Points are added up, like an examiner does who looks at two index cards: each line of evidence has its weight, the sum
is held between 0 and 100. The weights were settled on invented pairs; tests/contacts/test_duplicates.py measures how
much of what is suggested is right, and how much of what is right is suggested.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import msgspec
from rapidfuzz.distance import OSA
from rapidfuzz.fuzz import token_set_ratio

from contacts.ingest.free_mail import is_free_mail

# From here on a pair is worth a person's look.
SUGGESTED_FROM: Final = 60

# Mailboxes of a task, not of a person.
_SHARED_MAILBOXES: Final = frozenset(
    {
        "admin", "billing", "buchhaltung", "contact", "enquiries", "hello", "help", "hi", "hr", "info", "it", "jobs",
        "kontakt", "mail", "marketing", "newsletter", "noreply", "office", "order", "orders", "post", "press",
        "purchasing", "sales", "service", "support", "team", "verkauf", "vertrieb", "webmaster",
    }
)  # fmt: skip
# Short forms by the full one that they most often stand for.
_SHORT_FORMS: Final = {
    "alexander": ("alex", "sasha"), "andrew": ("andy", "drew"), "anthony": ("tony",), "benjamin": ("ben",),
    "charles": ("charlie", "chuck"), "christopher": ("chris", "kit"), "daniel": ("dan", "danny"),
    "deborah": ("deb", "debbie"), "edward": ("ed", "eddie", "ted"), "elizabeth": ("beth", "betty", "liz", "lisa"),
    "gregory": ("greg",), "james": ("jim", "jimmy", "jamie"), "jennifer": ("jen", "jenny"), "johannes": ("hannes",),
    "john": ("jack", "johnny"), "jonathan": ("jon", "jonny"), "joseph": ("joe", "joey"), "joshua": ("josh",),
    "katherine": ("kate", "kathy", "katie"), "kenneth": ("ken",), "lawrence": ("larry",), "margaret": ("maggie",),
    "matthew": ("matt",), "maximilian": ("max",), "michael": ("mike", "mick", "micha"), "nicholas": ("nick", "klaus"),
    "patricia": ("pat", "patty", "trish"), "peter": ("pete",), "philip": ("phil",), "rebecca": ("becky",),
    "richard": ("rich", "rick", "dick"), "robert": ("bob", "bobby", "rob"), "ronald": ("ron",), "samuel": ("sam",),
    "stephen": ("steve",), "steven": ("steve",), "susan": ("sue", "susie"), "thomas": ("tom", "tommy"),
    "timothy": ("tim",), "victoria": ("vicky",), "william": ("bill", "billy", "will", "willy"),
}  # fmt: skip
# A final letter that makes another name of one: Jan and Jana, Andrea and Andreas.
_TELLING_ENDINGS: Final = frozenset("aeonsy")
_FEWEST_DIGITS: Final = 7
_SHORTEST_TYPO: Final = 5
_LONG_MAILBOX: Final = 10


class Person(msgspec.Struct, frozen=True):
    """What is compared of a contact; ``company`` is its id, or None."""

    id: int
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    phone: str = ""
    job_title: str = ""
    country: str = ""
    company: int | None = None


class Evidence(msgspec.Struct, frozen=True):
    """One thing that speaks for (points above 0) or against it, in words that name nobody."""

    text: str
    points: int


class Likeness(msgspec.Struct, frozen=True):
    """How likely two contacts are one person: 0 to 100, with the evidence, weightiest first."""

    score: int
    evidence: list[Evidence]


def compare(one: Person, other: Person) -> Likeness:
    """Weigh what two contacts have in common against what they do not."""
    found: list[Evidence] = []

    def say(text: str, points: int) -> None:
        found.append(Evidence(text, points))

    same_company = one.company is not None and one.company == other.company
    _names(one, other, say)
    _addresses(one, other, say)
    _phones(one.phone, other.phone, say)
    if same_company:
        say("Same company", 25)
    elif one.company is not None and other.company is not None:
        say("Different companies", -10)
    if one.job_title and other.job_title and token_set_ratio(one.job_title.lower(), other.job_title.lower()) >= 90:
        say("Same job title", 8)
    if one.country and other.country and one.country.casefold() != other.country.casefold():
        say("Different countries", -10)
    found.sort(key=lambda item: -abs(item.points))
    return Likeness(min(max(sum(item.points for item in found), 0), 100), found)


Say = Callable[[str, int], None]


def _names(one: Person, other: Person, say: Say) -> None:
    first, last = fold(one.first_name), fold(one.last_name)
    other_first, other_last = fold(other.first_name), fold(other.last_name)
    if not (first or last) or not (other_first or other_last):
        if _fits(first, last, other.email) or _fits(other_first, other_last, one.email):
            say("The address fits the name", 25)
        return
    if (first, last) == (other_first, other_last):
        say("Same name", 40) if first and last else say("Same name, as far as it is known", 15)
    elif (first, last) == (other_last, other_first):
        say("Same name, the other way round", 38)
    elif f"{first}{last}" == f"{other_first}{other_last}":
        say("Same name, split differently", 38)
    elif last == other_last and last:
        _same_surname(first, other_first, say)
    elif first == other_first and first and last and other_last:
        if is_typo(last, other_last):
            say("Surnames differ in one letter", 30)
        else:
            say("Different surnames", -25)
    elif not (last and other_last):
        say("Different names, as far as they are known", -20)
    else:
        say("Different names", -45)


def _same_surname(first: str, other_first: str, say: Say) -> None:
    if not first or not other_first:
        say("Same surname; one first name is not known", 20)
    elif _is_short_form(first, other_first):
        say("Same surname, and one first name is short for the other", 34)
    elif len(first) == 1 or len(other_first) == 1:
        if first[0] == other_first[0]:
            say("Same surname, and the initial fits", 28)
        else:
            say("Same surname, but the initial does not fit", -35)
    elif is_typo(first, other_first):
        say("First names differ in one letter", 32)
    else:
        say("Same surname, but different first names", -35)


def _addresses(one: Person, other: Person, say: Say) -> None:
    if not one.email or not other.email:
        return
    local, domain = mailbox(one.email)
    other_local, other_domain = mailbox(other.email)
    if local in _SHARED_MAILBOXES or other_local in _SHARED_MAILBOXES:
        say("A mailbox that several people share", -30)
    elif (local, domain) == (other_local, other_domain):
        say("Same mailbox, but for dots or a tag", 75)
    elif local.replace(".", "") == other_local.replace(".", ""):
        if _is_mistyped_domain(domain, other_domain):
            say("Same address, but for a mistyped domain", 62)
        elif len(local) >= _SHORTEST_TYPO:
            say("Same name before the @", 25)
    elif domain == other_domain and _is_mistyped_mailbox(local, other_local):
        # The longer the address, the less likely it is that somebody else's is so near.
        say("Addresses differ in one letter", 62 if len(local) >= _LONG_MAILBOX else 38)
    elif domain == other_domain and not is_free_mail(domain):
        # Whose first name is longer tells more of it.
        whole = max(one, other, key=lambda person: len(person.first_name))
        first, last = fold(whole.first_name), fold(whole.last_name)
        if _fits(first, last, one.email) and _fits(first, last, other.email):
            say("Two addresses at one company, made of the same name", 12)
        else:
            say("Two addresses at one company", -3)


def _phones(phone: str, other: str, say: Say) -> None:
    digits, other_digits = phone_digits(phone), phone_digits(other)
    if len(digits) < _FEWEST_DIGITS or len(other_digits) < _FEWEST_DIGITS:
        return
    if digits.endswith(other_digits) or other_digits.endswith(digits):
        say("Same phone number", 35)
    else:
        say("Different phone numbers", -5)


@lru_cache(maxsize=16_384)
def fold(name: str) -> str:
    """Return a name in lower case, without accents, titles and punctuation: ``Dr. Björn Müller-Lüdenscheidt``."""
    plain = unicodedata.normalize("NFKD", name.casefold().replace("ø", "o").replace("ł", "l"))
    letters = "".join(letter for letter in plain if not unicodedata.combining(letter))
    words = re.sub(r"[^\w]+|_", " ", letters).split()
    return " ".join(word for word in words if word not in {"dr", "prof", "mr", "mrs", "ms", "jr", "sr"})


def phone_digits(phone: str) -> str:
    """Return the digits of a number without what only says from where it is dialled: zeros in front."""
    return "".join(digit for digit in phone if digit.isascii() and digit.isdigit()).lstrip("0")


@lru_cache(maxsize=16_384)
def mailbox(email: str) -> tuple[str, str]:
    """Return local part and domain of the mailbox that an address leads to: without a tag, at Google without dots."""
    local, _, domain = email.casefold().rpartition("@")
    local = local.partition("+")[0] or local
    if domain in {"gmail.com", "googlemail.com"}:
        return local.replace(".", ""), "gmail.com"
    return local, domain


def is_typo(one: str, other: str) -> bool:
    """Whether two words differ as a slip of the fingers makes them: one letter, or two neighbours exchanged.

    Not where that makes another word that means something: another number, or another name by its ending.
    """
    if min(len(one), len(other)) < _SHORTEST_TYPO - 1 or OSA.distance(one, other, score_cutoff=1) != 1:
        return False
    if len(one) == len(other):
        changed = {a for pair in zip(one, other, strict=True) if pair[0] != pair[1] for a in pair}
        is_last = one[:-1] == other[:-1]
        return not any(letter.isdigit() for letter in changed) and not (is_last and changed <= _TELLING_ENDINGS)
    short, long = sorted((one, other), key=len)
    if long.startswith(short):
        return long[-1] not in _TELLING_ENDINGS and not long[-1].isdigit()
    return not any(letter.isdigit() for letter in set(long) - set(short))


def _fits(first: str, last: str, email: str) -> bool:
    """Whether an address is made of a full name: ``ann.smith``, ``asmith``, ``smith.ann``."""
    if not first or not last or not email:
        return False
    local = re.sub(r"[^a-z]", "", fold(mailbox(email)[0]))
    given, family = first.replace(" ", ""), last.replace(" ", "")
    return local in {given + family, family + given, given[0] + family, family + given[0]} and len(local) > 4


def _is_mistyped_mailbox(one: str, other: str) -> bool:
    """Whether two local parts differ by a slip; ``jan.meyer`` and ``jana.meyer`` are two people's."""
    parts, other_parts = re.split(r"[._-]", one), re.split(r"[._-]", other)
    if len(parts) != len(other_parts):
        return is_typo(one, other)
    differing = [pair for pair in zip(parts, other_parts, strict=True) if pair[0] != pair[1]]
    return len(differing) == 1 and is_typo(*differing[0])


def _is_mistyped_domain(one: str, other: str) -> bool:
    if not is_typo(one, other):
        return False
    # Of two real companies with similar names each may be somebody's; of a big provider's near name hardly anybody is.
    return is_free_mail(one) or is_free_mail(other) or one.partition(".")[0] == other.partition(".")[0] or len(one) > 11


def _is_short_form(one: str, other: str) -> bool:
    short, long = sorted((one.partition(" ")[0], other.partition(" ")[0]), key=len)
    if short == long:
        # A middle name that only one of them has.
        return True
    return short in _SHORT_FORMS.get(long, ()) or (
        len(short) > 2 and len(long) - len(short) > 2 and long.startswith(short)
    )

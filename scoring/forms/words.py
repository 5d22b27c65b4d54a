"""What the parts of a definition are called in the editor: one table for all of them."""

from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext, gettext_noop


@dataclass(frozen=True, slots=True)
class Words:
    """Label and help of a field. ``note`` is said of an empty list or where the part is missing.

    ``add`` and ``remove`` are on the buttons of a list and of a part that may be missing.
    """

    label: str
    help: str = ""
    note: str = ""
    add: str = ""
    remove: str = ""


def words_of(struct: str, field: str) -> Words:
    """What the field of a struct is called, in the reader's language."""
    known = WORDS.get(f"{struct}.{field}")
    if known is None:
        return Words(field.replace("_", " ").capitalize())
    return Words(
        gettext(known.label), gettext(known.help), gettext(known.note), gettext(known.add), gettext(known.remove)
    )


# Keyed by struct and field.
WORDS: Final[dict[str, Words]] = {
    "DefinitionDocument.key": Words(gettext_noop("Key")),
    "DefinitionDocument.name": Words(gettext_noop("Name")),
    "DefinitionDocument.description": Words(
        gettext_noop("Description"), help=gettext_noop("What this definition calls lead and prospect, and why.")
    ),
    "DefinitionDocument.stages": Words(
        gettext_noop("Stages"),
        help=gettext_noop(
            "Weakest first. A contact stands at the strongest stage whose criteria it meets; the first is everyone's."
        ),
        note=gettext_noop("No stage yet. A definition needs at least one."),
        add=gettext_noop("Add a stage"),
    ),
    "DefinitionDocument.evidence": Words(
        gettext_noop("Evidence"),
        help=gettext_noop("Named sets of events that criteria count: “a request for a demo”, “clicks on offers”."),
        note=gettext_noop("No evidence yet. Criteria can then ask for points only."),
        add=gettext_noop("Add evidence"),
    ),
    "DefinitionDocument.signals": Words(
        gettext_noop("Signals: what engagement weighs"),
        help=gettext_noop("Each turns events into points of engagement, which fade by half every half-life."),
        note=gettext_noop("No signal yet: nobody gets points for what they do."),
        add=gettext_noop("Add a signal"),
    ),
    "DefinitionDocument.groups": Words(
        gettext_noop("Groups of signals"),
        help=gettext_noop("Signals of one group together weigh no more than its cap."),
        note=gettext_noop("No group yet. Signals then add up without a limit."),
        add=gettext_noop("Add a group"),
    ),
    "DefinitionDocument.floor_at_zero": Words(gettext_noop("Engagement never falls below zero")),
    "DefinitionDocument.fit": Words(
        gettext_noop("Fit: who we look for"), help=gettext_noop("Points for who a contact is, whatever it did.")
    ),
    "Fit.rules": Words(
        gettext_noop("Rules"),
        note=gettext_noop("No rule yet: no target is set and everybody fits."),
        add=gettext_noop("Add a fit rule"),
    ),
    "DefinitionDocument.gates": Words(
        gettext_noop("Gates"),
        help=gettext_noop("A gate is closed only by a known answer; an unknown one becomes a question for the rep."),
        note=gettext_noop("No gate yet."),
        add=gettext_noop("Add a gate"),
    ),
    "DefinitionDocument.qualifiers": Words(
        gettext_noop("Qualifiers"),
        help=gettext_noop("What both teams agreed must be known before Sales gets a contact."),
        note=gettext_noop("No qualifier yet. The criterion “all qualifiers are met” does not hold without one."),
        add=gettext_noop("Add a qualifier"),
    ),
    "DefinitionDocument.switches": Words(
        gettext_noop("Switches"),
        help=gettext_noop("Named settings that criteria can ask for, such as a waiver for retail."),
        note=gettext_noop("No switch yet."),
        add=gettext_noop("Add a switch"),
    ),
    "DefinitionDocument.approval": Words(
        gettext_noop("Who must agree before it is published"),
        help=gettext_noop("None: whoever may edit definitions may publish this one."),
    ),
    "DefinitionDocument.cool_down": Words(
        gettext_noop("After Sales returned a contact"),
        help=gettext_noop("Evidence from before the return no longer counts for a stage handed to Sales."),
    ),
    "DefinitionDocument.learned": Words(
        gettext_noop("Learned score"),
        help=gettext_noop("Weights that were learned from past purchases; train them on the page of this definition."),
        remove=gettext_noop("Remove learned score"),
    ),
    "CoolDown.days": Words(
        gettext_noop("Cool-down in days"), help=gettext_noop("For so long only the evidence named here counts.")
    ),
    "CoolDown.lifted_by": Words(
        gettext_noop("Lifted by"), help=gettext_noop("New evidence of this name counts at once.")
    ),
    "Stage.key": Words(gettext_noop("Stage")),
    "Stage.label": Words(gettext_noop("Label"), help=gettext_noop("What people read everywhere.")),
    "Stage.owner": Words(gettext_noop("Owner")),
    "Stage.description": Words(gettext_noop("Description")),
    "Stage.communication": Words(
        gettext_noop("Communication"), help=gettext_noop("How we talk with contacts of this stage.")
    ),
    "Stage.calls_to_action": Words(gettext_noop("Calls to action"), help=gettext_noop("One a line.")),
    "Stage.handoff": Words(gettext_noop("Offer contacts to Sales the moment they enter")),
    "Stage.sla_hours": Words(gettext_noop("Follow up within (business hours)"), help=gettext_noop("Empty: no limit.")),
    "Stage.enter": Words(
        gettext_noop("A contact enters when"),
        help=gettext_noop("At least one event must be needed: attributes alone never open a stage."),
        note=gettext_noop("No criteria. Only the weakest stage, everybody's floor, has none."),
        add=gettext_noop("Add criteria to enter"),
        remove=gettext_noop("Remove criteria to enter"),
    ),
    "Stage.keep": Words(
        gettext_noop("and stays while"),
        help=gettext_noop("No stricter than entering: windows as long or longer, thresholds as low or lower."),
        note=gettext_noop("It stays for as long as the criteria to enter hold."),
        add=gettext_noop("Add criteria to stay"),
        remove=gettext_noop("Remove criteria to stay"),
    ),
    "Stage.flag_unless": Words(
        gettext_noop("and is flagged unless"),
        help=gettext_noop("A flag is a remark on the contact; it changes no stage."),
        note=gettext_noop("Nobody is flagged."),
        add=gettext_noop("Add criteria for a flag"),
        remove=gettext_noop("Remove criteria for a flag"),
    ),
    "Evidence.label": Words(gettext_noop("Label"), help=gettext_noop("As in a sentence: “a request for a demo”.")),
    "Evidence.any_of": Words(
        gettext_noop("Events that count"),
        help=gettext_noop("Any of these."),
        note=gettext_noop("No events yet."),
        add=gettext_noop("Add a match"),
    ),
    "Match.kinds": Words(gettext_noop("Kinds of events")),
    "Match.initiator": Words(gettext_noop("Begun by")),
    "Match.reach": Words(gettext_noop("Reach")),
    "Match.two_way": Words(gettext_noop("Direction")),
    "Match.channels": Words(gettext_noop("Channels"), help=gettext_noop("One a line. Empty: any.")),
    "Match.sources": Words(gettext_noop("Sources"), help=gettext_noop("Empty: any.")),
    "Match.properties": Words(
        gettext_noop("Properties of the event"),
        help=gettext_noop("All of these must hold."),
        add=gettext_noop("Add a property test"),
    ),
    "PropertyTest.present": Words(gettext_noop("The property is")),
    "PropertyTest.equals": Words(gettext_noop("equals"), help=gettext_noop("Write true or false for yes and no.")),
    "PropertyTest.one_of": Words(gettext_noop("one of"), help=gettext_noop("One a line.")),
    "PropertyTest.prefix": Words(gettext_noop("begins with")),
    "PropertyTest.contains": Words(gettext_noop("contains")),
    "PropertyTest.at_least": Words(gettext_noop("at least")),
    "PropertyTest.at_most": Words(gettext_noop("at most")),
    "PropertyTest.pattern": Words(gettext_noop("matches the pattern"), help=gettext_noop("An RE2 expression.")),
    "Signal.key": Words(gettext_noop("Key"), help=gettext_noop("Empty: made from the label.")),
    "Signal.label": Words(gettext_noop("Label")),
    "Signal.match": Words(gettext_noop("Which events")),
    "Signal.points": Words(gettext_noop("Points"), help=gettext_noop("May be negative.")),
    "Signal.half_life_days": Words(
        gettext_noop("Half-life in days"), help=gettext_noop("Empty: the points never fade.")
    ),
    "Signal.count": Words(gettext_noop("Of a contact's events count")),
    "Signal.group": Words(gettext_noop("Group")),
    "Counting.once": Words(gettext_noop("Once")),
    "Counting.once_per": Words(
        gettext_noop("Property"), help=gettext_noop("The first event for each value of it counts.")
    ),
    "Counting.latest": Words(gettext_noop("So many")),
    "Counting.at_most": Words(gettext_noop("So many")),
    "Counting.within_days": Words(gettext_noop("in every period of days")),
    "Group.key": Words(gettext_noop("Key"), help=gettext_noop("Empty: made from the label.")),
    "Group.label": Words(gettext_noop("Label")),
    "Group.cap": Words(gettext_noop("At most this many points"), help=gettext_noop("Empty: no cap.")),
    "Group.floor_at_zero": Words(gettext_noop("Never less than none")),
    "FitRule.key": Words(gettext_noop("Key"), help=gettext_noop("Empty: made from the label.")),
    "FitRule.label": Words(gettext_noop("Label")),
    "FitRule.test": Words(gettext_noop("Test")),
    "FitRule.points": Words(gettext_noop("Points"), help=gettext_noop("May be negative.")),
    "AttributeTest.name": Words(
        gettext_noop("Attribute"), help=gettext_noop("For example job_title or company.employees.")
    ),
    "AttributeTest.known": Words(gettext_noop("The attribute is")),
    "AttributeTest.equals": Words(gettext_noop("equals"), help=gettext_noop("Write true or false for yes and no.")),
    "AttributeTest.one_of": Words(gettext_noop("one of"), help=gettext_noop("One a line.")),
    "AttributeTest.words": Words(
        gettext_noop("any of these words"), help=gettext_noop("One a line; a whole word or phrase.")
    ),
    "AttributeTest.at_least": Words(gettext_noop("at least")),
    "AttributeTest.at_most": Words(gettext_noop("at most")),
    "Gate.key": Words(gettext_noop("Key"), help=gettext_noop("Empty: made from the label.")),
    "Gate.label": Words(gettext_noop("Label")),
    "Gate.attribute": Words(gettext_noop("Attribute")),
    "Gate.closed_when": Words(gettext_noop("Closed when it is")),
    "Gate.question": Words(
        gettext_noop("Question for the rep"), help=gettext_noop("Asked while the answer is unknown.")
    ),
    "Qualifier.key": Words(gettext_noop("Key"), help=gettext_noop("Empty: made from the label.")),
    "Qualifier.label": Words(gettext_noop("Label")),
    "Qualifier.test": Words(gettext_noop("Test")),
    "Qualifier.question": Words(gettext_noop("Question for the rep")),
    "Threshold.at_least": Words(gettext_noop("at least")),
    "Count.of": Words(gettext_noop("Evidence")),
    "Count.at_least": Words(gettext_noop("at least"), help=gettext_noop("Empty: once.")),
    "Count.within_days": Words(gettext_noop("in the last days"), help=gettext_noop("Empty: ever.")),
    "Count.after": Words(gettext_noop("after the last"), help=gettext_noop("Only events later than this count.")),
    "Criterion.gate": Words(gettext_noop("Gate")),
    "Criterion.switch": Words(gettext_noop("Switch")),
    "Criterion.origin": Words(gettext_noop("Who found whom")),
    "Criterion.reachable": Words(gettext_noop("E-mail or phone")),
    "Criterion.below": Words(gettext_noop("Criteria"), add=gettext_noop("Add a criterion")),
    "Learned.enabled": Words(gettext_noop("Use it in criteria")),
}

# Labels of the values of closed vocabularies, by struct and field.
CHOICES: Final[dict[str, dict[str, str]]] = {
    "Match.initiator": {
        "us": gettext_noop("us"),
        "them": gettext_noop("the contact"),
        "both": gettext_noop("both sides"),
        "third": gettext_noop("a third party"),
    },
    "Match.reach": {"many": gettext_noop("one-to-many"), "one": gettext_noop("one-to-one")},
    "Match.two_way": {"yes": gettext_noop("two-way"), "no": gettext_noop("one-way")},
    "PropertyTest.present": {"yes": gettext_noop("given"), "no": gettext_noop("not given")},
    "AttributeTest.known": {"yes": gettext_noop("known"), "no": gettext_noop("unknown")},
    "Criterion.origin": {
        "inbound": gettext_noop("the contact found us (inbound)"),
        "outbound": gettext_noop("we found the contact (outbound)"),
    },
    "Criterion.reachable": {"yes": gettext_noop("at least one is known"), "no": gettext_noop("neither is known")},
    "Stage.owner": {"marketing": gettext_noop("Marketing"), "sales": gettext_noop("Sales")},
    "Stage.key": {
        "audience": gettext_noop("audience"),
        "lead": gettext_noop("lead"),
        "marketing_prospect": gettext_noop("marketing prospect"),
        "sales_prospect": gettext_noop("sales prospect"),
        "customer": gettext_noop("customer"),
    },
    "DefinitionDocument.approval": {"marketing": gettext_noop("Marketing"), "sales": gettext_noop("Sales")},
}

# The choice that leaves a part of a match open.
ANY: Final = {
    "Match.initiator": gettext_noop("anybody"),
    "Match.reach": gettext_noop("any"),
    "Match.two_way": gettext_noop("either"),
}

# Titles of parts that have no label of their own yet, by struct; "" is a switch.
PARTS: Final = {
    "Match": gettext_noop("Events %(number)s"),
    "Criterion": gettext_noop("Criterion %(number)s"),
    "PropertyTest": gettext_noop("Property %(number)s"),
    "Signal": gettext_noop("New signal %(number)s"),
    "Group": gettext_noop("New group %(number)s"),
    "FitRule": gettext_noop("New fit rule %(number)s"),
    "Gate": gettext_noop("New gate %(number)s"),
    "Qualifier": gettext_noop("New qualifier %(number)s"),
    "Stage": gettext_noop("New stage %(number)s"),
    "Evidence": gettext_noop("New evidence %(number)s"),
    "Switch": gettext_noop("Switch %(number)s"),
}

"""What the parts of a definition are called in the editor: one table for all of them."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Words:
    """Label and help of a field. ``note`` is said of an empty list or where the part is missing."""

    label: str
    help: str = ""
    note: str = ""
    one: str = ""


# Keyed by struct and field.
WORDS: Final[dict[str, Words]] = {
    "DefinitionDocument.key": Words("Key"),
    "DefinitionDocument.name": Words("Name"),
    "DefinitionDocument.description": Words("Description", "What this definition calls lead and prospect, and why."),
    "DefinitionDocument.stages": Words(
        "Stages",
        "Weakest first. A contact stands at the strongest stage whose criteria it meets; the first is everyone's.",
        "No stage yet. A definition needs at least one.",
        "stage",
    ),
    "DefinitionDocument.evidence": Words(
        "Evidence",
        "Named sets of events that criteria count: “a request for a demo”, “clicks on offers”.",
        "No evidence yet. Criteria can then ask for points only.",
        "evidence",
    ),
    "DefinitionDocument.signals": Words(
        "Signals: what engagement weighs",
        "Each turns events into points of engagement, which fade by half every half-life.",
        "No signal yet: nobody gets points for what they do.",
        "signal",
    ),
    "DefinitionDocument.groups": Words(
        "Groups of signals",
        "Signals of one group together weigh no more than its cap.",
        "No group yet. Signals then add up without a limit.",
        "group",
    ),
    "DefinitionDocument.floor_at_zero": Words("Engagement never falls below zero"),
    "DefinitionDocument.fit": Words("Fit: who we look for", "Points for who a contact is, whatever it did."),
    "Fit.rules": Words("Rules", "", "No rule yet: no target is set and everybody fits.", "fit rule"),
    "DefinitionDocument.gates": Words(
        "Gates",
        "A gate is closed only by a known answer; an unknown one becomes a question for the rep.",
        "No gate yet.",
        "gate",
    ),
    "DefinitionDocument.qualifiers": Words(
        "Qualifiers",
        "What both teams agreed must be known before Sales gets a contact.",
        "No qualifier yet. The criterion “all qualifiers are met” does not hold without one.",
        "qualifier",
    ),
    "DefinitionDocument.switches": Words(
        "Switches", "Named settings that criteria can ask for, such as a waiver for retail.", "No switch yet.", "switch"
    ),
    "DefinitionDocument.approval": Words(
        "Who must agree before it is published", "None: whoever may edit definitions may publish this one."
    ),
    "DefinitionDocument.cool_down": Words(
        "After Sales returned a contact",
        "Evidence from before the return no longer counts for a stage handed to Sales.",
    ),
    "DefinitionDocument.learned": Words(
        "Learned score", "Weights that were learned from past purchases; train them on the page of this definition."
    ),
    "CoolDown.days": Words("Cool-down in days", "For so long only the evidence named here counts."),
    "CoolDown.lifted_by": Words("Lifted by", "New evidence of this name counts at once."),
    "Stage.key": Words("Stage"),
    "Stage.label": Words("Label", "What people read everywhere."),
    "Stage.owner": Words("Owner"),
    "Stage.description": Words("Description"),
    "Stage.communication": Words("Communication", "How we talk with contacts of this stage."),
    "Stage.calls_to_action": Words("Calls to action", "One a line."),
    "Stage.handoff": Words("Offer contacts to Sales the moment they enter"),
    "Stage.sla_hours": Words("Follow up within (business hours)", "Empty: no limit."),
    "Stage.enter": Words(
        "A contact enters when",
        "At least one event must be needed: attributes alone never open a stage.",
        "No criteria. Only the weakest stage, everybody's floor, has none.",
        "criteria to enter",
    ),
    "Stage.keep": Words(
        "and stays while",
        "No stricter than entering: windows as long or longer, thresholds as low or lower.",
        "It stays for as long as the criteria to enter hold.",
        "criteria to stay",
    ),
    "Stage.flag_unless": Words(
        "and is flagged unless",
        "A flag is a remark on the contact; it changes no stage.",
        "Nobody is flagged.",
        "criteria for a flag",
    ),
    "Evidence.label": Words("Label", "As in a sentence: “a request for a demo”."),
    "Evidence.any_of": Words("Events that count", "Any of these.", "No events yet.", "match"),
    "Match.kinds": Words("Kinds of events"),
    "Match.initiator": Words("Begun by"),
    "Match.reach": Words("Reach"),
    "Match.two_way": Words("Direction"),
    "Match.channels": Words("Channels", "One a line. Empty: any."),
    "Match.sources": Words("Sources", "Empty: any."),
    "Match.properties": Words("Properties of the event", "All of these must hold.", "", "property test"),
    "PropertyTest.present": Words("The property is"),
    "PropertyTest.equals": Words("equals", "Write true or false for yes and no."),
    "PropertyTest.one_of": Words("one of", "One a line."),
    "PropertyTest.prefix": Words("begins with"),
    "PropertyTest.contains": Words("contains"),
    "PropertyTest.at_least": Words("at least"),
    "PropertyTest.at_most": Words("at most"),
    "PropertyTest.pattern": Words("matches the pattern", "An RE2 expression."),
    "Signal.key": Words("Key", "Empty: made from the label."),
    "Signal.label": Words("Label"),
    "Signal.match": Words("Which events"),
    "Signal.points": Words("Points", "May be negative."),
    "Signal.half_life_days": Words("Half-life in days", "Empty: the points never fade."),
    "Signal.count": Words("Of a contact's events count"),
    "Signal.group": Words("Group"),
    "Counting.once": Words("Once"),
    "Counting.once_per": Words("Property", "The first event for each value of it counts."),
    "Counting.latest": Words("So many"),
    "Counting.at_most": Words("So many"),
    "Counting.within_days": Words("in every period of days"),
    "Group.key": Words("Key", "Empty: made from the label."),
    "Group.label": Words("Label"),
    "Group.cap": Words("At most this many points", "Empty: no cap."),
    "Group.floor_at_zero": Words("Never less than none"),
    "FitRule.key": Words("Key", "Empty: made from the label."),
    "FitRule.label": Words("Label"),
    "FitRule.test": Words("Test"),
    "FitRule.points": Words("Points", "May be negative."),
    "AttributeTest.name": Words("Attribute", "For example job_title or company.employees."),
    "AttributeTest.known": Words("The attribute is"),
    "AttributeTest.equals": Words("equals", "Write true or false for yes and no."),
    "AttributeTest.one_of": Words("one of", "One a line."),
    "AttributeTest.words": Words("any of these words", "One a line; a whole word or phrase."),
    "AttributeTest.at_least": Words("at least"),
    "AttributeTest.at_most": Words("at most"),
    "Gate.key": Words("Key", "Empty: made from the label."),
    "Gate.label": Words("Label"),
    "Gate.attribute": Words("Attribute"),
    "Gate.closed_when": Words("Closed when it is"),
    "Gate.question": Words("Question for the rep", "Asked while the answer is unknown."),
    "Qualifier.key": Words("Key", "Empty: made from the label."),
    "Qualifier.label": Words("Label"),
    "Qualifier.test": Words("Test"),
    "Qualifier.question": Words("Question for the rep"),
    "Threshold.at_least": Words("at least"),
    "Count.of": Words("Evidence"),
    "Count.at_least": Words("at least", "Empty: once."),
    "Count.within_days": Words("in the last days", "Empty: ever."),
    "Count.after": Words("after the last", "Only events later than this count."),
    "Criterion.gate": Words("Gate"),
    "Criterion.switch": Words("Switch"),
    "Criterion.origin": Words("Who found whom"),
    "Criterion.reachable": Words("E-mail or phone"),
    "Criterion.below": Words("Criteria", "", "", "criterion"),
    "Learned.enabled": Words("Use it in criteria"),
}

# Labels of the values of closed vocabularies, by struct and field.
CHOICES: Final[dict[str, dict[str, str]]] = {
    "Match.initiator": {"us": "us", "them": "the contact", "both": "both sides", "third": "a third party"},
    "Match.reach": {"many": "one-to-many", "one": "one-to-one"},
    "Match.two_way": {"yes": "two-way", "no": "one-way"},
    "PropertyTest.present": {"yes": "given", "no": "not given"},
    "AttributeTest.known": {"yes": "known", "no": "unknown"},
    "Criterion.origin": {"inbound": "the contact found us (inbound)", "outbound": "we found the contact (outbound)"},
    "Criterion.reachable": {"yes": "at least one is known", "no": "neither is known"},
    "Stage.owner": {"marketing": "Marketing", "sales": "Sales"},
    "Stage.key": {
        "audience": "audience",
        "lead": "lead",
        "marketing_prospect": "marketing prospect",
        "sales_prospect": "sales prospect",
        "customer": "customer",
    },
    "DefinitionDocument.approval": {"marketing": "Marketing", "sales": "Sales"},
}

# The choice that leaves a part of a match open.
ANY: Final = {"Match.initiator": "anybody", "Match.reach": "any", "Match.two_way": "either"}

# Titles of parts that have no label of their own.
PARTS: Final = {"Match": "Events", "Criterion": "Criterion", "PropertyTest": "Property", "Switch": "Switch"}

"""The idea of each shipped definition in one paragraph: for whoever chooses one on the first day, and on its page."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

# In the order in which they are offered. Keyed like scoring/presets/.
IDEAS: Final[dict[str, Promise]] = {
    "default": gettext_lazy(
        "A bit of every school, and a good place to start. Any sign of interest makes a lead. A score of engagement, "
        "or a reaction to an offer, makes a marketing prospect. A dialogue or a request for a demo, a meeting or a "
        "price hands a fitting contact to Sales. Only a purchase makes a customer."
    ),
    "demand-gen": gettext_lazy(
        "There are no leads, only an audience that fits your ideal customer and two kinds of prospects. You warm the "
        "audience one-to-many, and any personal act, such as a contact form, a download or a registration, makes a "
        "prospect of Marketing. Sales gets it once the qualifiers that both teams named are met."
    ),
    "reaction": gettext_lazy(
        "Everybody on a list is a lead, strangers and bought names too. What makes a prospect is a reaction: a talk "
        "on the phone, an answer to an e-mail or a click in one, a chat at a trade show with somebody who fits, a "
        "question about the product. Whoever does not react stays a lead. For teams that reach out a lot and let "
        "Sales follow every reaction."
    ),
    "prospective-leads": gettext_lazy(
        "Marketing prospects come first: the names that you approach. Any sign of interest makes a lead at once, "
        "without a score; contacts that you found yourselves also need confirmed contact details. A sales prospect is"
        " a named person who talks with you and intends to buy, and every talk ends with an outcome."
    ),
    "bona-fide": gettext_lazy(
        "Few prospects, each of them proven. Any first connection makes a lead, even a cold e-mail. A prospect has "
        "connected with you, wants to buy, fits, has the means and has the authority; what you do not know does not "
        "count as a yes. For long sales in which a talk with the wrong person costs much. A switch waives authority "
        "for retail."
    ),
    "scored-vetted": gettext_lazy(
        "Marketing and Sales agree on a score. A lead is in the target audience and has shown interest; a prospect is"
        " a lead whose score of fit and engagement together passes the threshold. Publishing a change takes the "
        "approval of both teams. For organisations in which both teams answer for one number."
    ),
}


def idea_of(key: str) -> Promise | str:
    """Return the idea of the shipped definition with that key, in the reader's language; "" for one of your own."""
    return IDEAS.get(key, "")

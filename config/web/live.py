"""Parts of pages that keep themselves up to date: what a page says, what its script asks, and what is answered.

A region says where it is asked for and how often; static/js/live.js asks while the page is in sight::

    <div data-live="{{ request.path }}" data-live-every="10">
      {% include "components/live_state.html" %}              when it was last heard; says so when it is not
      {% include "components/live_new.html" %}                the button "n new", only for lists
      <p data-live-part="count">…</p>
      <ul data-live-list="offers"><li data-live-part="offer-7">…</li></ul>
    </div>

- The script sends ``X-Ripen-Live: 1`` and the tag of the last answer. A view answers with ``live_answer(request,
  html)``, where ``html`` is the markup of the region's parts alone: rendered from a template of its own, never the
  whole page, whose messages would be used up. 304 says that nothing changed.
- A part is replaced where the server's markup of it changed, unless somebody types in it or has opened something in
  it. The focus stays. A part that became smaller keeps its room; one that became larger waits behind the button where
  it would move what is in sight (``data-live-grows``: it may grow, nothing stands below it). Nothing in sight moves.
- In a list, what is new comes in by itself at the end where it moves nothing that is in sight; else it waits behind
  the button. Which parts a list shows comes in ``X-Ripen-Shown`` (``shown_parts``): for those that are gone the answer
  says what became of them; what it does not mention stays as it is. ``data-live-empty`` is what is said while there is
  nothing: it goes when something comes.
- Failures, the way back and the end of the session are said by static/js/connection.js, once for the whole page.
- A region asks with the person's session and must only read: an open page keeps nobody signed in.
"""

import hashlib
import re
from typing import Final

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.http.response import HttpResponseBase

MOST_SHOWN: Final = 200
# What differs from answer to answer and is no news: a form's token is masked anew, a moment's age is told anew.
_TOKEN: Final = re.compile(r'(name="csrfmiddlewaretoken" value=)"[^"]*"')
_AGE: Final = re.compile(r"(<time[^>]*data-relative[^>]*>)[^<]*")


def is_live(request: HttpRequest) -> bool:
    """Tell whether the script of an open page asks for what is new."""
    return request.headers.get("X-Ripen-Live") == "1"


def shown_parts(request: HttpRequest, prefix: str = "") -> list[int]:
    """Return the numbers of the parts that the page's lists show (``<prefix><number>``), at most ``MOST_SHOWN``."""
    keys = request.headers.get("X-Ripen-Shown", "").split(",", MOST_SHOWN)[:MOST_SHOWN]
    numbers = (key.removeprefix(prefix) for key in keys if key.startswith(prefix))
    return [int(number) for number in numbers if number.isascii() and number.isdecimal() and len(number) < 19]


def live_answer(request: HttpRequest, html: str) -> HttpResponseBase:
    """Answer the script of an open page: the parts, or 304 where they are what it has.

    The tag is made of the markup without the tokens of its forms and the words for ages, which scripts keep up to date.
    """
    steady = _AGE.sub(r"\1", _TOKEN.sub(r"\1", html))
    tag = f'"{hashlib.blake2b(steady.encode(), digest_size=16).hexdigest()}"'
    answer: HttpResponseBase
    # A server in front that compresses weakens the tag.
    if request.headers.get("If-None-Match", "").removeprefix("W/") == tag:
        answer = HttpResponseNotModified()
    else:
        answer = HttpResponse(html)
    answer["ETag"] = tag
    answer["Cache-Control"] = "private, no-store"
    return answer

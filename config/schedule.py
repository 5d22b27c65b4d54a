"""What beat wakes how often, and which worker takes it."""

from collections.abc import Mapping
from typing import Any, Final

BEAT_SCHEDULE: Final[Mapping[str, Mapping[str, Any]]] = {
    "sweep-scoring": {"task": "scoring.drain", "schedule": 2.0, "options": {"expires": 10}},
    "sweep-funnel": {"task": "funnel.drain", "schedule": 2.0, "options": {"expires": 10}},
    "count-funnel": {"task": "funnel.count", "schedule": 2.0, "options": {"expires": 10}},
    "reconcile-funnel": {"task": "funnel.reconcile", "schedule": 5.0, "options": {"expires": 10}},
    "sweep-announcements": {"task": "funnel.tell", "schedule": 2.0, "options": {"expires": 10}},
    "look-out": {"task": "funnel.look_out", "schedule": 20.0, "options": {"expires": 20}},
    "sweep-notice-mail": {"task": "funnel.notice_mail", "schedule": 5.0, "options": {"expires": 10}},
    "forget-notices": {"task": "funnel.forget_notices", "schedule": 600.0, "options": {"expires": 600}},
    "sweep-clocks": {"task": "funnel.clocks", "schedule": 5.0, "options": {"expires": 10}},
    "sweep-stranded": {"task": "funnel.stranded", "schedule": 10.0, "options": {"expires": 20}},
    "sweep-sequences": {"task": "funnel.sequences", "schedule": 5.0, "options": {"expires": 10}},
    "stray-enrolments": {"task": "funnel.stray_enrolments", "schedule": 30.0, "options": {"expires": 30}},
    "sweep-jobs": {"task": "contacts.jobs", "schedule": 5.0, "options": {"expires": 10}},
    "sweep-mail": {"task": "contacts.mail", "schedule": 5.0, "options": {"expires": 10}},
    "forget-mail": {"task": "contacts.forget_mail", "schedule": 600.0, "options": {"expires": 600}},
    "sweep-merges": {"task": "contacts.merges", "schedule": 10.0, "options": {"expires": 10}},
    "sweep-runs": {"task": "scoring.runs", "schedule": 5.0, "options": {"expires": 10}},
    "forget-exports": {"task": "contacts.forget_exports", "schedule": 600.0, "options": {"expires": 300}},
    "forget-problems": {"task": "contacts.forget_problems", "schedule": 600.0, "options": {"expires": 300}},
    "sweep-hooks": {"task": "funnel.hooks", "schedule": 2.0, "options": {"expires": 10}},
    "forget-hooks": {"task": "funnel.forget_hooks", "schedule": 600.0, "options": {"expires": 300}},
    # Rare enough to cost nothing, often enough that what does not add up is known within the hour.
    "prove-sample": {"task": "funnel.prove", "schedule": 600.0, "options": {"expires": 600}},
    # Each learned score is checked once a day; what is due is a row, so a restart forgets nothing.
    "watch-models": {"task": "scoring.watch", "schedule": 600.0, "options": {"expires": 300}},
}
# Long work has a worker of its own, so that no judgement ever waits behind it.
TASK_ROUTES: Final[Mapping[str, Mapping[str, str]]] = {
    "scoring.runs": {"queue": "runs"},
    "scoring.watch": {"queue": "runs"},
    "contacts.jobs": {"queue": "runs"},
    "funnel.prove": {"queue": "runs"},
    # The files are where the jobs wrote them; a host that only judges has none.
    "contacts.forget_exports": {"queue": "runs"},
    # And so has whatever waits for others' machines.
    "funnel.hooks": {"queue": "hooks"},
}

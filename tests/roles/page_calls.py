"""Every page, and who may use it."""

from tests.roles.calls import EVERYBODY, A, Call, L, M, R

LOGGED = {"log-kind": "note_added", "log-occurred_at": "2026-11-01T10:00", "log-note": "Wants a call."}

PAGES: dict[str, list[Call]] = {
    "overview": [Call("get", "/", EVERYBODY)],
    "search": [Call("get", "/search/?q=ann", EVERYBODY)],
    "status": [Call("get", "/status/", {A})],
    "welcome": [Call("get", "/welcome/", EVERYBODY)],
    "welcome-definition": [Call("post", "/welcome/definition/", {M, L, A})],
    "welcome-source": [Call("get", "/welcome/source/", {A}), Call("post", "/welcome/source/", {A})],
    "welcome-arrived": [Call("get", "/welcome/arrived/{source}/", {A})],
    "welcome-dismiss": [Call("post", "/welcome/dismiss/", EVERYBODY)],
    "welcome-recall": [Call("post", "/welcome/recall/", EVERYBODY)],
    "funnel": [Call("get", "/funnel/", EVERYBODY)],
    "funnel-part": [Call("get", "/funnel/part/rules/", EVERYBODY)],
    "funnel-people": [Call("get", "/funnel/people/", EVERYBODY)],
    "funnel-handoffs": [Call("get", "/funnel/handoffs/", EVERYBODY)],
    "funnel-csv": [Call("get", "/funnel/rules.csv", EVERYBODY)],
    "contacts": [Call("get", "/contacts/", EVERYBODY)],
    "contacts-act": [
        Call("get", "/contacts/acts/tag/?contact={contact}", {M, L, A}),
        Call("get", "/contacts/acts/assign/?contact={contact}", {L, A}),
        Call("post", "/contacts/acts/retract/", {M, L, A}, body={"contact": "{contact}"}),
    ],
    # Number 7 is no act.
    "contacts-act-result": [Call("get", "/contacts/acts/jobs/7/", {M, L, A})],
    "contacts-act-undo": [Call("post", "/contacts/acts/jobs/7/undo/", {M, L, A})],
    "contacts-view-save": [Call("post", "/contacts/views/", EVERYBODY, body={"name": "Mine", "view": "stage=lead"})],
    "contacts-view-restore": [Call("post", "/contacts/views/restore/?name=Mine", EVERYBODY)],
    "contacts-view-change": [Call("post", "/contacts/views/7/", EVERYBODY, body={"name": "Mine"})],
    "contacts-view-delete": [Call("post", "/contacts/views/7/delete/", EVERYBODY)],
    "contacts-columns": [Call("post", "/contacts/views/columns/", EVERYBODY, body={"column": "fit"})],
    "contact": [Call("get", "/contacts/{contact}/", EVERYBODY)],
    "why": [Call("get", "/contacts/{contact}/why/", EVERYBODY)],
    "contact-trend": [Call("get", "/contacts/{contact}/trend/", EVERYBODY)],
    "contact-head": [Call("get", "/contacts/{contact}/head/", EVERYBODY)],
    "contact-pin": [
        Call("get", "/contacts/{contact}/pin/", {M, L, A}),
        Call("post", "/contacts/{contact}/pin/", {M, L, A}),
    ],
    "contact-unpin": [Call("post", "/contacts/{contact}/unpin/", {M, L, A})],
    "contact-pin-undo": [Call("post", "/contacts/{contact}/pin/{event}/undo/", {M, L, A})],
    "journey": [Call("get", "/contacts/{contact}/journey/", EVERYBODY)],
    "contact-log": [
        Call("get", "/contacts/{contact}/log/", {M, L, A}),
        Call("get", "/contacts/{own}/log/", EVERYBODY),
        Call("post", "/contacts/{contact}/log/", {M, L, A}),
        Call("post", "/contacts/{own}/log/", EVERYBODY),
    ],
    "contact-privacy": [
        Call("get", "/contacts/{contact}/privacy/", {L, A}),
        Call("post", "/contacts/{contact}/privacy/", {L, A}, body={"action": "export"}),
        Call("post", "/contacts/{contact}/privacy/", {L, A}, body={"action": "erase"}),
    ],
    "jobs": [Call("get", "/jobs/", {M, L, A})],
    "job": [Call("get", "/jobs/{job}/", {M, L, A})],
    "job-progress": [Call("get", "/jobs/{job}/progress/", {M, L, A})],
    "job-cancel": [Call("post", "/jobs/{job}/cancel/", {L, A})],
    "job-resume": [Call("post", "/jobs/{job}/resume/", {L, A})],
    "job-file": [Call("get", "/jobs/{job}/person.json", {L, A})],
    "companies": [Call("get", "/companies/", EVERYBODY)],
    "company": [Call("get", "/companies/{company}/", EVERYBODY), Call("post", "/companies/{company}/", {M, L, A})],
    "event-correct": [Call("post", "/contacts/{contact}/events/{event}/retract/", {M, L, A})],
    # Number 7 is no import, suggestion or merge; what there is of them is tested beside their pages.
    "imports": [Call("get", "/imports/", {M, L, A})],
    "import-new": [Call("get", "/imports/new/", {M, L, A}), Call("post", "/imports/new/", {M, L, A})],
    "import": [Call("get", "/imports/7/", {M, L, A})],
    "import-mapping": [Call("get", "/imports/7/mapping/", {M, L, A}), Call("post", "/imports/7/mapping/", {M, L, A})],
    "import-preview": [Call("get", "/imports/7/preview/", {M, L, A}), Call("post", "/imports/7/preview/", {M, L, A})],
    "import-progress": [Call("get", "/imports/7/progress/", {M, L, A})],
    "import-errors": [Call("get", "/imports/7/errors/", {M, L, A})],
    "import-cancel": [Call("post", "/imports/7/cancel/", {M, L, A})],
    "import-resume": [Call("post", "/imports/7/resume/", {M, L, A})],
    "duplicates": [Call("get", "/duplicates/", {M, L, A})],
    "duplicate-search": [Call("post", "/duplicates/search/", {M, L, A})],
    "duplicate-progress": [Call("get", "/duplicates/search/7/progress/", {M, L, A})],
    "duplicate": [Call("get", "/duplicates/7/", {M, L, A}), Call("post", "/duplicates/7/", {M, L, A})],
    "merges": [Call("get", "/merges/", {M, L, A})],
    "merge-undo": [Call("post", "/merges/7/undo/", {M, L, A})],
    "contact-merge": [
        Call("get", "/contacts/{contact}/merge/", {M, L, A}),
        Call("post", "/contacts/{contact}/merge/", {M, L, A}, body={"with": "{own}", "winner": "{own}"}),
    ],
    "export-contacts": [Call("get", "/exports/contacts.csv", {M, L, A})],
    "export-events": [Call("get", "/exports/contacts/{contact}/events.csv", {M, L, A})],
    "export-companies": [Call("get", "/exports/companies.csv", {M, L, A})],
    "export-rejected": [Call("get", "/exports/sources/1/rejected.csv", {A})],
    "sources": [Call("get", "/sources/", {A}), Call("post", "/sources/", {A}, body={"source-name": "CRM"})],
    "source": [Call("get", "/sources/{source}/", {A})],
    "source-rejected": [Call("get", "/sources/{source}/rejected/", {A})],
    "source-replay": [Call("post", "/sources/{source}/rejected/replay/", {A})],
    "source-message": [
        Call("get", "/sources/{source}/rejected/{rejected}/", {A}),
        Call("post", "/sources/{source}/rejected/{rejected}/", {A}, body={"payload": "{}"}),
    ],
    "source-warnings": [
        Call("get", "/sources/{source}/warnings/", {A}),
        Call("post", "/sources/{source}/warnings/", {A}),
    ],
    "source-kinds": [Call("get", "/sources/{source}/kinds/", {A})],
    "source-kind": [
        Call("get", "/sources/{source}/kinds/{kind}/", {A}),
        Call("post", "/sources/{source}/kinds/{kind}/", {A}, body={"action": "ignore"}),
    ],
    "source-key": [
        Call("get", "/sources/{source}/key/", {A}),
        Call("post", "/sources/{source}/key/", {A}, body={"names": "Paid = purchased"}),
    ],
    "email-hooks": [
        Call("get", "/sources/{source}/email/", {A}),
        Call("post", "/sources/{source}/email/", {A}, body={"provider": "postmark"}),
    ],
    "email-hook-revoke": [Call("post", "/sources/{source}/email/7/revoke/", {A})],
    "hooks": [Call("get", "/hooks/", {A})],
    "hook-new": [Call("get", "/hooks/new/", {A}), Call("post", "/hooks/new/", {A}, body={"url": "http://[oops"})],
    "hook": [Call("get", "/hooks/{hook}/", {A})],
    "hook-edit": [Call("get", "/hooks/{hook}/edit/", {A}), Call("post", "/hooks/{hook}/edit/", {A})],
    **{
        f"hook-{act}": [Call("post", f"/hooks/{{hook}}/{act}/", {A})]
        for act in ("secret", "rotate", "test", "disable", "enable", "delete", "replay")
    },
    "hook-delivery": [Call("get", "/hooks/deliveries/{delivery}/", {A})],
    "hook-delivery-replay": [Call("post", "/hooks/deliveries/{delivery}/replay/", {A})],
    "suspects": [Call("get", "/suspects/", {M, L, A}), Call("post", "/suspects/", {M, L, A})],
    "source-rotate": [Call("post", "/sources/{source}/key/rotate/", {A})],
    "source-revoke": [Call("post", "/sources/{source}/key/revoke/", {A})],
    "contact-consent": [
        Call("get", "/contacts/{contact}/consent/", EVERYBODY),
        Call("post", "/contacts/{contact}/consent/", {M, L, A}),
        Call("post", "/contacts/{own}/consent/", EVERYBODY),
    ],
    "forms": [
        Call("get", "/sources/{source}/forms/", {A}),
        Call("post", "/sources/{source}/forms/", {A}, body={"name": "New"}),
    ],
    "form-edit": [Call("get", "/forms/{form}/", {A}), Call("post", "/forms/{form}/", {A})],
    "suppressions": [
        Call("get", "/suppressions/", {M, L, A}),
        Call("post", "/suppressions/", {M, L, A}, body={"email": "ann@acme.example"}),
    ],
    "suppression-lift": [Call("post", "/suppressions/lift/", {L, A}, body={"email": "ann@acme.example"})],
    "team": [
        Call("get", "/team/", {A}),
        Call("post", "/team/", {A}, body={"email": "new@acme.example", "role": "rep"}),
    ],
    "audit": [Call("get", "/team/audit/", {A})],
    # Number 7 is no invitation.
    "invitation-act": [Call("post", f"/team/invitations/7/{act}/", {A}) for act in ("resend", "withdraw")],
    "member": [
        Call("get", "/team/members/{rep}/", {A}),
        Call("post", "/team/members/{rep}/", {A}, body={"roles": ["rep"]}),
    ],
    "member-act": [
        Call(method, f"/team/members/{{rep}}/{act}/", {A})
        for method in ("get", "post")
        for act in ("deactivate", "reactivate", "reset-second-factor")
    ],
    "sales-settings": [
        Call("get", "/team/sales/", {L, A}),
        Call("post", "/team/sales/", {L, A}, body={"do": "settings"}),
    ],
    "calendar": [
        Call("get", "/team/calendars/{calendar}/", {R, L, A}),
        Call("post", "/team/calendars/{calendar}/", {L, A}, body={"do": "holidays", "days": "2026-12-25"}),
    ],
    "my-hours": [Call("get", "/team/people/me/", {R, L, A}), Call("post", "/team/people/me/", {R, L, A})],
    # A colleague's page is tested in tests/funnel/test_planning_pages.py.
    "rep": [
        Call("get", "/team/people/{rep}/", {R, L, A}),
        Call("post", "/team/people/{rep}/", {R, L, A}, body={"do": "absence"}),
        Call("post", "/team/people/{rep}/", {L, A}, body={"do": "rep", "claim_limit": "30"}),
    ],
    "routing": [
        Call("get", "/routing/", {L, A}),
        Call("post", "/routing/", {L, A}, body={"do": "try", "contact": "ann@acme.example"}),
    ],
    "routing-rule-new": [
        Call("get", "/routing/new/", {L, A}),
        Call("post", "/routing/new/", {L, A}, body={"name": "All in turn", "mode": "round_robin"}),
    ],
    # Number 7 is no rule.
    "routing-rule": [Call("get", "/routing/7/", {L, A}), Call("post", "/routing/7/", {L, A})],
    "definitions": [Call("get", "/definitions/", EVERYBODY)],
    "definition": [Call("get", "/definitions/1/", EVERYBODY)],
    "definition-import": [
        Call("get", "/definitions/import/", {M, L, A}),
        Call("post", "/definitions/import/", {M, L, A}, body={"yaml": "key: mine"}),
    ],
    # Number 2 is a draft as shipped; number 1 is published and leads back to its page.
    "definition-edit": [
        Call("get", "/definitions/2/edit/", {M, L, A}),
        Call("post", "/definitions/2/edit/", {M, L, A}, body={"revision": "1", "view": "yaml", "yaml": "key: mine"}),
    ],
    "definition-check": [Call("post", "/definitions/2/edit/check/", {M, L, A}, body={"revision": "1"})],
    "definition-copy": [Call("post", "/definitions/1/copy/", {M, L, A})],
    "definition-discard": [
        Call("get", "/definitions/2/discard/", {M, L, A}),
        Call("post", "/definitions/2/discard/", {M, L, A}),
    ],
    "definition-what-if": [
        Call("get", "/definitions/1/what-if/", EVERYBODY),
        Call("post", "/definitions/1/what-if/", {M, L, A}),
    ],
    "definition-compare": [
        Call("get", "/definitions/1/compare/", EVERYBODY),
        Call("post", "/definitions/1/compare/", {M, L, A}),
    ],
    "definition-backtest": [
        Call("get", "/definitions/1/backtest/", EVERYBODY),
        Call("post", "/definitions/1/backtest/", {M, L, A}),
    ],
    "definition-publish": [Call("get", "/definitions/1/publish/", EVERYBODY)],
    "definition-publish-now": [Call("post", "/definitions/1/publish/now/", {M, L, A})],
    # Who may speak for which team is tested with the approvals; without a team this answers with a message.
    "definition-approve": [Call("post", "/definitions/1/publish/approve/", EVERYBODY)],
    "definition-roll-back": [Call("post", "/definitions/1/publish/roll-back/", {M, L, A})],
    "definition-learn": [
        Call("get", "/definitions/1/learn/", EVERYBODY),
        Call("post", "/definitions/1/learn/", {M, L, A}),
    ],
    "definition-use-model": [Call("post", "/definitions/1/learn/7/use/", {M, L, A})],
    "notice-dismiss": [Call("post", "/notices/7/dismiss/", {M, L, A})],
    "run": [Call("get", "/runs/7/", EVERYBODY)],
    "run-progress": [Call("get", "/runs/7/progress/", EVERYBODY)],
    "run-cancel": [Call("post", "/runs/7/cancel/", {M, L, A})],
    "run-retry": [Call("post", "/runs/7/retry/", {M, L, A})],
    "run-contacts": [Call("get", "/runs/7/contacts/", EVERYBODY)],
    "definition-yaml": [Call("get", "/definitions/1/definition.yaml", EVERYBODY)],
    "sequences": [Call("get", "/sequences/", EVERYBODY)],
    "sequence-new": [
        Call("get", "/sequences/new/", {M, L, A}),
        Call("post", "/sequences/new/", {M, L, A}, body={"name": "New", "stage": "lead", "purpose": "newsletter"}),
    ],
    "sequence": [
        Call("get", "/sequences/{sequence}/", EVERYBODY),
        Call("post", "/sequences/{sequence}/", {M, L, A}, body={"contact": "{contact}"}),
    ],
    "sequence-edit": [
        Call("get", "/sequences/{sequence}/edit/", {M, L, A}),
        Call("post", "/sequences/{sequence}/edit/", {M, L, A}, body={"do": "add"}),
    ],
    "sequence-preview": [Call("get", "/sequences/{sequence}/preview/", EVERYBODY)],
    "sequence-activate": [
        Call("get", "/sequences/{sequence}/activate/", {M, L, A}),
        Call("post", "/sequences/{sequence}/activate/", {M, L, A}),
    ],
    "sequence-pause": [Call("post", "/sequences/{sequence}/pause/", {M, L, A})],
    "sequence-delete": [
        Call("get", "/sequences/{sequence}/delete/", {M, L, A}),
        Call("post", "/sequences/{sequence}/delete/", {M, L, A}),
    ],
    "enrolment-stop": [Call("post", "/sequences/enrolments/7/stop/", {M, L, A})],
    "contact-enrol": [Call("post", "/contacts/{contact}/enrol/", {M, L, A}, body={"sequence": "7"})],
    "queue": [Call("get", "/queue/", EVERYBODY)],
    # Number 7 was told to nobody; what one was told is one's own.
    "notifications": [Call("get", "/notifications/", EVERYBODY)],
    "notifications-read": [Call("post", "/notifications/read/", EVERYBODY)],
    "notifications-live": [Call("get", "/notifications/live/", EVERYBODY)],
    "notification": [Call("get", "/notifications/7/", EVERYBODY)],
    "notification-read": [Call("post", "/notifications/7/read/", EVERYBODY)],
    "mine": [Call("get", "/mine/", EVERYBODY)],
    "handoff": [Call("get", "/handoffs/{handoff}/", EVERYBODY)],
    "handoff-claim": [Call("post", "/handoffs/{handoff}/claim/", {R, L, A})],
    # These answer a refusal with a message on the handoff's page; see test_pages_change_nothing_for_strangers.
    "handoff-claim-next": [Call("post", "/handoffs/claim-next/", {R, L, A})],
    "handoff-accept": [Call("post", "/handoffs/{claimed}/accept/", EVERYBODY)],
    "handoff-return": [Call("post", "/handoffs/{claimed}/return/", EVERYBODY, body={"return-reason": "other"})],
    "handoff-win": [Call("post", "/handoffs/{claimed}/win/", EVERYBODY, body={"win-note": "Signed."})],
    "handoff-outcome": [
        Call("get", "/handoffs/{claimed}/outcome/", EVERYBODY),
        Call("post", "/handoffs/{claimed}/outcome/", EVERYBODY, body={"outcome-outcome": "in_talks"}),
    ],
    "handoff-log": [
        Call("post", "/handoffs/{claimed}/log/", EVERYBODY, body=LOGGED),
    ],
    "handoff-release": [Call("post", "/handoffs/{claimed}/release/", EVERYBODY)],
    "handoff-reassign": [Call("post", "/handoffs/{claimed}/reassign/", {L, A})],
    "handoff-take-over": [Call("post", "/handoffs/{claimed}/take-over/", {L, A})],
}

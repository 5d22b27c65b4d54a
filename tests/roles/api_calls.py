"""Every address of the API, and who may use it."""

from contacts.enums import Scope
from tests.roles.calls import CONSENT, EVERYBODY, A, Call, L, M, R

API: dict[str, list[Call]] = {
    "api-events": [
        Call("get", "/api/v1/events/", EVERYBODY, Scope.CONTACTS_READ),
        Call("post", "/api/v1/events/", {M, L, A}, Scope.EVENTS_WRITE, {"events": []}),
    ],
    "api-events-retract": [Call("post", "/api/v1/events/retract/", {M, L, A}, Scope.EVENTS_WRITE, {"events": []})],
    "api-events-restore": [Call("post", "/api/v1/events/restore/", {M, L, A}, Scope.EVENTS_WRITE, {"events": []})],
    "api-events-reclassify": [
        Call("post", "/api/v1/events/reclassify/", {M, L, A}, Scope.EVENTS_WRITE, {"events": [], "reason": ""}),
    ],
    "api-contact-list": [
        Call("get", "/api/v1/contacts/", EVERYBODY, Scope.CONTACTS_READ),
        Call("post", "/api/v1/contacts/", {M, L, A}, Scope.CONTACTS_WRITE, {"email": "new@acme.example"}),
    ],
    "api-contact-detail": [
        Call("get", "/api/v1/contacts/{contact}/", EVERYBODY, Scope.CONTACTS_READ),
        Call("patch", "/api/v1/contacts/{contact}/", {M, L, A}, Scope.CONTACTS_WRITE, {"phone": "1"}),
        Call("patch", "/api/v1/contacts/{own}/", EVERYBODY, Scope.CONTACTS_WRITE, {"phone": "1"}),
        Call("delete", "/api/v1/contacts/{contact}/", {L, A}, Scope.CONTACTS_WRITE),
    ],
    "api-contact-merge": [Call("post", "/api/v1/contacts/merge/", {M, L, A}, Scope.CONTACTS_WRITE)],
    "api-merge-list": [Call("get", "/api/v1/merges/", EVERYBODY, Scope.CONTACTS_READ)],
    "api-merge-detail": [Call("get", "/api/v1/merges/7/", EVERYBODY, Scope.CONTACTS_READ)],
    "api-merge-undo": [Call("post", "/api/v1/merges/7/undo/", {M, L, A}, Scope.CONTACTS_WRITE)],
    "api-merge-suggestion-list": [Call("get", "/api/v1/merge-suggestions/", EVERYBODY, Scope.CONTACTS_READ)],
    "api-merge-suggestion-dismiss": [
        Call("post", "/api/v1/merge-suggestions/7/dismiss/", {M, L, A}, Scope.CONTACTS_WRITE),
    ],
    "api-contact-events": [Call("get", "/api/v1/contacts/{contact}/events/", EVERYBODY, Scope.CONTACTS_READ)],
    "api-contact-consent": [
        Call("get", "/api/v1/contacts/{contact}/consent/", EVERYBODY, Scope.CONTACTS_READ),
        Call("post", "/api/v1/contacts/{contact}/consent/", {M, L, A}, Scope.CONTACTS_WRITE, CONSENT),
        Call("post", "/api/v1/contacts/{own}/consent/", EVERYBODY, Scope.CONTACTS_WRITE, CONSENT),
    ],
    "api-may-contact": [Call("get", "/api/v1/contacts/{contact}/may-contact/", EVERYBODY, Scope.CONTACTS_READ)],
    "api-suppressions": [
        Call("get", "/api/v1/suppressions/", EVERYBODY, Scope.CONTACTS_READ),
        Call("post", "/api/v1/suppressions/", {M, L, A}, Scope.CONTACTS_WRITE, {"email": "ann@acme.example"}),
    ],
    "api-company-list": [
        Call("get", "/api/v1/companies/", EVERYBODY, Scope.CONTACTS_READ),
        Call("post", "/api/v1/companies/", {M, L, A}, Scope.CONTACTS_WRITE, {"domain": "new.example"}),
    ],
    "api-company-detail": [
        Call("get", "/api/v1/companies/{company}/", EVERYBODY, Scope.CONTACTS_READ),
        Call("patch", "/api/v1/companies/{company}/", {M, L, A}, Scope.CONTACTS_WRITE, {"industry": "retail"}),
    ],
    "api-contact-export": [Call("post", "/api/v1/contacts/{contact}/export/", {L, A}, Scope.CONTACTS_WRITE)],
    "api-job-list": [Call("get", "/api/v1/jobs/", {M, L, A}, Scope.CONTACTS_READ)],
    "api-job-detail": [Call("get", "/api/v1/jobs/{job}/", {M, L, A}, Scope.CONTACTS_READ)],
    "api-job-cancel": [Call("post", "/api/v1/jobs/{job}/cancel/", {L, A}, Scope.CONTACTS_WRITE)],
    "api-job-resume": [Call("post", "/api/v1/jobs/{job}/resume/", {L, A}, Scope.CONTACTS_WRITE)],
    "api-job-file": [Call("get", "/api/v1/jobs/{job}/file/", {L, A}, Scope.CONTACTS_WRITE)],
    "contact-why": [Call("get", "/api/v1/contacts/{contact}/why/", EVERYBODY, Scope.CONTACTS_READ)],
    "contact-transitions": [Call("get", "/api/v1/contacts/{contact}/transitions/", EVERYBODY, Scope.CONTACTS_READ)],
    "transition-feed": [Call("get", "/api/v1/transitions/", EVERYBODY, Scope.CONTACTS_READ)],
    "definition-list": [
        Call("get", "/api/v1/definitions/", EVERYBODY, Scope.DEFINITIONS_READ),
        Call("post", "/api/v1/definitions/", {M, L, A}, Scope.DEFINITIONS_WRITE, {"copy_of": "1"}),
    ],
    "definition-detail": [
        Call("get", "/api/v1/definitions/1/", EVERYBODY, Scope.DEFINITIONS_READ),
        Call("patch", "/api/v1/definitions/1/", {M, L, A}, Scope.DEFINITIONS_WRITE, {"document": {}, "revision": 1}),
        Call("delete", "/api/v1/definitions/1/", {M, L, A}, Scope.DEFINITIONS_WRITE),
    ],
    "api-what-if": [Call("post", "/api/v1/definitions/1/what-if/", {M, L, A}, Scope.DEFINITIONS_WRITE)],
    "api-compare": [Call("post", "/api/v1/definitions/1/compare/", {M, L, A}, Scope.DEFINITIONS_WRITE)],
    "api-backtest": [Call("post", "/api/v1/definitions/1/backtest/", {M, L, A}, Scope.DEFINITIONS_WRITE)],
    "api-publish": [Call("post", "/api/v1/definitions/1/publish/", {M, L, A}, Scope.DEFINITIONS_WRITE)],
    "api-rollback": [Call("post", "/api/v1/definitions/1/rollback/", {M, L, A}, Scope.DEFINITIONS_WRITE)],
    # Who may speak for which team is tested beside it; a source speaks for nobody.
    "api-approve": [Call("post", "/api/v1/definitions/1/approve/", {M, L, A})],
    "run-list": [Call("get", "/api/v1/runs/", EVERYBODY, Scope.DEFINITIONS_READ)],
    "run-detail": [Call("get", "/api/v1/runs/7/", EVERYBODY, Scope.DEFINITIONS_READ)],
    "run-cancel-api": [Call("post", "/api/v1/runs/7/cancel/", {M, L, A}, Scope.DEFINITIONS_WRITE)],
    "run-retry-api": [Call("post", "/api/v1/runs/7/retry/", {M, L, A}, Scope.DEFINITIONS_WRITE)],
    "run-contacts-api": [Call("get", "/api/v1/runs/7/contacts/", EVERYBODY, Scope.CONTACTS_READ)],
    "api-funnel": [Call("get", "/api/v1/funnel/", EVERYBODY, Scope.FUNNEL_READ)],
    "api-hook-list": [
        Call("get", "/api/v1/hooks/", {A}, Scope.HOOKS_WRITE),
        Call("post", "/api/v1/hooks/", {A}, Scope.HOOKS_WRITE, {"url": "https://hooks.example/"}),
    ],
    "api-hook-detail": [
        Call("get", "/api/v1/hooks/{hook}/", {A}, Scope.HOOKS_WRITE),
        Call("patch", "/api/v1/hooks/{hook}/", {A}, Scope.HOOKS_WRITE, {"types": []}),
        Call("delete", "/api/v1/hooks/{hook}/", {A}, Scope.HOOKS_WRITE),
    ],
    "api-hook-secret": [Call("get", "/api/v1/hooks/{hook}/secret/", {A}, Scope.HOOKS_WRITE)],
    **{
        f"api-hook-{act}": [Call("post", f"/api/v1/hooks/{{hook}}/{act}/", {A}, Scope.HOOKS_WRITE)]
        for act in ("rotate", "test", "disable", "enable", "replay")
    },
    "api-hook-deliveries": [Call("get", "/api/v1/hooks/{hook}/deliveries/", {A}, Scope.HOOKS_WRITE)],
    "api-hook-delivery": [Call("get", "/api/v1/hook-deliveries/{delivery}/", {A}, Scope.HOOKS_WRITE)],
    "api-hook-delivery-replay": [
        Call("post", "/api/v1/hook-deliveries/{delivery}/replay/", {A}, Scope.HOOKS_WRITE),
    ],
    "api-notification-list": [Call("get", "/api/v1/notifications/", EVERYBODY)],
    "api-notification-read-all": [Call("post", "/api/v1/notifications/read/", EVERYBODY)],
    "api-notification-read": [Call("post", "/api/v1/notifications/7/read/", EVERYBODY)],
    "api-notification-settings": [
        Call("get", "/api/v1/notifications/settings/", EVERYBODY),
        Call("patch", "/api/v1/notifications/settings/", EVERYBODY),
    ],
    "api-handoff-list": [Call("get", "/api/v1/handoffs/", EVERYBODY, Scope.HANDOFFS_READ)],
    "api-handoff-detail": [Call("get", "/api/v1/handoffs/{handoff}/", EVERYBODY, Scope.HANDOFFS_READ)],
    "api-contact-handoffs": [Call("get", "/api/v1/contacts/{contact}/handoffs/", EVERYBODY, Scope.HANDOFFS_READ)],
    "api-handoff-claim": [Call("post", "/api/v1/handoffs/{handoff}/claim/", {R, L, A})],
    "api-handoff-claim-next": [Call("post", "/api/v1/handoffs/claim-next/", {R, L, A})],
    "api-handoff-accept": [
        Call("post", "/api/v1/handoffs/{handoff}/accept/", {L, A}),
        Call("post", "/api/v1/handoffs/{claimed}/accept/", {R, L, A}),
    ],
    "api-handoff-return": [
        Call("post", "/api/v1/handoffs/{handoff}/return/", {L, A}, body={"reason": "other"}),
        Call("post", "/api/v1/handoffs/{claimed}/return/", {R, L, A}, body={"reason": "other"}),
    ],
    "api-handoff-release": [
        Call("post", "/api/v1/handoffs/{handoff}/release/", {L, A}),
        Call("post", "/api/v1/handoffs/{claimed}/release/", {R, L, A}),
    ],
    "api-handoff-reassign": [Call("post", "/api/v1/handoffs/{claimed}/reassign/", {L, A}, body={"to": "1"})],
    "api-handoff-take-over": [Call("post", "/api/v1/handoffs/{claimed}/take-over/", {L, A})],
    "api-handoff-outcome": [
        Call("post", "/api/v1/handoffs/{handoff}/outcome/", {L, A}, body={"outcome": "in_talks"}),
        Call("post", "/api/v1/handoffs/{claimed}/outcome/", {R, L, A}, body={"outcome": "in_talks"}),
    ],
    "api-handoff-log": [
        Call("post", "/api/v1/handoffs/{handoff}/log/", {L, A}, body={"kind": "note_added", "note": "Hm."}),
        Call("post", "/api/v1/handoffs/{claimed}/log/", {R, L, A}, body={"kind": "note_added", "note": "Hm."}),
    ],
    "api-handoff-win": [
        Call("post", "/api/v1/handoffs/{handoff}/win/", {L, A}, body={"note": "Signed."}),
        Call("post", "/api/v1/handoffs/{claimed}/win/", {R, L, A}, body={"note": "Signed."}),
    ],
    "api-sequence-list": [
        Call("get", "/api/v1/sequences/", EVERYBODY, Scope.DEFINITIONS_READ),
        Call("post", "/api/v1/sequences/", {M, L, A}, Scope.DEFINITIONS_WRITE, {"name": "New"}),
    ],
    "api-sequence-detail": [
        Call("get", "/api/v1/sequences/{sequence}/", EVERYBODY, Scope.DEFINITIONS_READ),
        Call("patch", "/api/v1/sequences/{sequence}/", {M, L, A}, Scope.DEFINITIONS_WRITE, {"name": "Other"}),
        Call("delete", "/api/v1/sequences/{sequence}/", {M, L, A}, Scope.DEFINITIONS_WRITE),
    ],
    "api-sequence-activate": [
        Call("post", "/api/v1/sequences/{sequence}/activate/", {M, L, A}, Scope.DEFINITIONS_WRITE),
    ],
    "api-sequence-pause": [Call("post", "/api/v1/sequences/{sequence}/pause/", {M, L, A}, Scope.DEFINITIONS_WRITE)],
    "api-sequence-figures": [
        Call("get", "/api/v1/sequences/{sequence}/figures/", EVERYBODY, Scope.DEFINITIONS_READ),
    ],
    "api-sequence-enrolments": [
        Call("get", "/api/v1/sequences/{sequence}/enrolments/", EVERYBODY, Scope.CONTACTS_READ),
        Call("post", "/api/v1/sequences/{sequence}/enrolments/", {M, L, A}, Scope.CONTACTS_WRITE, {"contact": "1"}),
    ],
    "api-enrolment-stop": [Call("post", "/api/v1/enrolments/7/stop/", {M, L, A}, Scope.CONTACTS_WRITE)],
}

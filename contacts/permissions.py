"""Who may do what: one rule for page, API and button.

``check_x()`` raises ``PermissionDenied`` with a sentence for the person, ``can_x()`` answers. A role is a group of
that name; a superuser counts as an administrator. What a role may ask of the API is its set of scopes, so a personal
token (or a session) may do what its person may do, no more and no less.
"""

from collections.abc import Callable, Iterable
from typing import Concatenate, Final, ParamSpec, TypeAlias

from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.utils.translation import gettext, gettext_noop

from contacts.enums import JobKind, Role, Scope
from contacts.models import Contact

Person: TypeAlias = User | AnonymousUser

P = ParamSpec("P")

EVERYBODY = frozenset(Role)
EDITORS = frozenset({Role.MARKETER, Role.MANAGER, Role.ADMIN})
SELLERS = frozenset({Role.REP, Role.MANAGER, Role.ADMIN})
LEADERS = frozenset({Role.MANAGER, Role.ADMIN})
ADMINS = frozenset({Role.ADMIN})

_REMEMBERED: Final = "_ripen_roles"

# Who speaks for a team (the values of scoring's Team).
_VOICES = {
    "marketing": (frozenset({Role.MARKETER, Role.ADMIN}), gettext_noop("agree for Marketing")),
    "sales": (LEADERS, gettext_noop("agree for Sales")),
}

_READ = frozenset({Scope.CONTACTS_READ, Scope.HANDOFFS_READ, Scope.DEFINITIONS_READ, Scope.FUNNEL_READ})

ROLE_SCOPES: dict[Role, frozenset[Scope]] = {
    # A rep writes contacts (their own: see check_edit_contact) but no raw events: those could forge a purchase.
    Role.REP: _READ | {Scope.CONTACTS_WRITE, Scope.HANDOFFS_WRITE},
    Role.MARKETER: _READ | {Scope.CONTACTS_WRITE, Scope.EVENTS_WRITE, Scope.DEFINITIONS_WRITE},
    Role.MANAGER: _READ | {Scope.CONTACTS_WRITE, Scope.EVENTS_WRITE, Scope.DEFINITIONS_WRITE, Scope.HANDOFFS_WRITE},
    Role.ADMIN: frozenset(Scope),
}


def roles_of(user: Person) -> frozenset[Role]:
    """Return the roles that ``user`` holds; none for anonymous or deactivated people.

    One query, remembered on the object: a request asks many times.
    """
    if isinstance(user, AnonymousUser) or not user.is_active:
        return frozenset()
    # Through the lazy object that a request has for its person, so that it is noted on the person.
    remembered: frozenset[Role] | None = getattr(user, _REMEMBERED, None)
    return remember_roles(user, user.groups.values_list("name", flat=True)) if remembered is None else remembered


def remember_roles(user: User, groups: Iterable[str]) -> frozenset[Role]:
    """Note on the object which roles its groups (their names) and being a superuser mean, and return them."""
    names = set(groups)
    roles = frozenset(role for role in Role if role.value in names or (role is Role.ADMIN and user.is_superuser))
    setattr(user, _REMEMBERED, roles)
    return roles


def forget_roles(user: User) -> None:
    """Have the roles asked for again, after they have changed."""
    if hasattr(user, _REMEMBERED):
        delattr(user, _REMEMBERED)


def scopes_of(user: Person) -> frozenset[str]:
    """Return the API scopes of a person's session or personal token: all that their roles allow."""
    return frozenset(scope.value for role in roles_of(user) for scope in ROLE_SCOPES[role])


def is_sales_only(user: Person) -> bool:
    """Tell whether ``user`` is a rep and nothing wider: such a person edits only what is theirs."""
    return bool(roles_of(user)) and not roles_of(user) & EDITORS


def owner_id_of(contact: Contact) -> int | None:
    """Return the id of the person who owns ``contact``; None means Marketing owns it."""
    try:
        return contact.standing.owner_id
    except ObjectDoesNotExist:
        return None


def require_role(user: Person, roles: frozenset[Role], what: str) -> None:
    """Raise ``PermissionDenied`` unless ``user`` holds one of ``roles``; ``what`` (English) completes "may not ..."."""
    if not roles_of(user) & roles:
        raise PermissionDenied(gettext("Your role may not %(what)s.") % {"what": gettext(what)})


def answers(check: Callable[Concatenate[Person, P], None]) -> Callable[Concatenate[Person, P], bool]:
    """Make the ``can_x`` of a ``check_x``: the same rule, answered instead of raised."""

    def can(user: Person, /, *args: P.args, **kwargs: P.kwargs) -> bool:
        try:
            check(user, *args, **kwargs)
        except PermissionDenied:
            return False
        return True

    can.__doc__ = f"Answer whether ``{check.__name__}`` would let ``user`` pass."
    return can


def check_view_contacts(user: Person) -> None:
    """Everybody with a role looks at contacts, timelines, reasons and figures."""
    require_role(user, EVERYBODY, gettext_noop("see contacts"))


def check_edit_contact(user: Person, contact: Contact) -> None:
    """Marketers, managers and administrators edit any contact; a rep only one they own."""
    require_role(user, EVERYBODY, gettext_noop("edit contacts"))
    if is_sales_only(user) and owner_id_of(contact) != user.pk:
        raise PermissionDenied(gettext("This contact is not yours: a sales rep edits only contacts they have claimed."))


def check_log_activity(user: Person, contact: Contact) -> None:
    """Logging a call, meeting or note adds evidence to a contact: the same people as may edit it."""
    require_role(user, EVERYBODY, gettext_noop("log activities"))
    if is_sales_only(user) and owner_id_of(contact) != user.pk:
        raise PermissionDenied(
            gettext("This contact is not yours: a sales rep logs activities of contacts they have claimed.")
        )


def check_correct_events(user: Person) -> None:
    """Retracting and reclassifying changes what is true of a contact at any time: those who may send raw events."""
    require_role(user, EDITORS, gettext_noop("correct events"))


def check_pin_stage(user: Person) -> None:
    """A pin says in everybody's sight where a contact stands: those who may edit all contacts."""
    require_role(user, EDITORS, gettext_noop("pin a stage"))


def check_create_contacts(user: Person) -> None:
    """New contacts come from people who may edit all of them (a rep would create what is not theirs)."""
    require_role(user, EDITORS, gettext_noop("create contacts"))


def check_erase_contacts(user: Person) -> None:
    """Erasing cannot be undone: managers and administrators."""
    require_role(user, LEADERS, gettext_noop("erase contacts"))


def check_export_person(user: Person) -> None:
    """All that is known of a person, in one file: managers and administrators, who answer for it."""
    require_role(user, LEADERS, gettext_noop("export a person's data"))


def check_see_jobs(user: Person) -> None:
    """Who ordered which long work when, and what came of it: those who may order some."""
    require_role(user, EDITORS, gettext_noop("see jobs"))


def check_steer_job(user: Person, kind: str) -> None:
    """Stopping and resuming a job: those who may order one of its kind."""
    check = {JobKind.ERASE: check_erase_contacts, JobKind.EXPORT_PERSON: check_export_person}
    check.get(JobKind(kind), check_see_jobs)(user)


def check_record_consent(user: Person, contact: Contact) -> None:
    """What somebody said about being written to is recorded by those who may edit the contact."""
    require_role(user, EVERYBODY, gettext_noop("record consent"))
    if is_sales_only(user) and owner_id_of(contact) != user.pk:
        raise PermissionDenied(
            gettext("This contact is not yours: a sales rep records consent of contacts they have claimed.")
        )


def check_suppress_addresses(user: Person) -> None:
    """Seeing which addresses are suppressed, and adding one: those who may edit all contacts."""
    require_role(user, EDITORS, gettext_noop("suppress addresses"))


def check_lift_suppressions(user: Person) -> None:
    """Letting mail through again that was stopped is answered for: managers and administrators."""
    require_role(user, LEADERS, gettext_noop("lift suppressions"))


def check_manage_forms(user: Person) -> None:
    """A form opens the installation to the world, as a write key does: administrators."""
    require_role(user, ADMINS, gettext_noop("manage forms"))


def check_import(user: Person) -> None:
    """Imports change many contacts at once: those who may edit all of them."""
    require_role(user, EDITORS, gettext_noop("import files"))


def check_export(user: Person) -> None:
    """An export takes many contacts out of the house at once: those who may edit all of them."""
    require_role(user, EDITORS, gettext_noop("export lists"))


def check_merge(user: Person) -> None:
    """Merging says that two contacts are one person, which changes what counts for both: those who may edit all."""
    require_role(user, EDITORS, gettext_noop("merge contacts"))


def check_act_on_contacts(user: Person) -> None:
    """Tagging contacts, and acting on many at once: those who may edit all of them."""
    require_role(user, EDITORS, gettext_noop("act on many contacts"))


def check_see_handoffs(user: Person) -> None:
    """Everybody sees what was handed over and what became of it."""
    require_role(user, EVERYBODY, gettext_noop("see handoffs"))


def check_work_handoffs(user: Person) -> None:
    """Claiming and working handoffs is Sales' part: reps, managers, administrators."""
    require_role(user, SELLERS, gettext_noop("claim or work handoffs"))


def check_see_definitions(user: Person) -> None:
    """Everybody reads the definition that both teams share."""
    require_role(user, EVERYBODY, gettext_noop("see definitions"))


def check_edit_definitions(user: Person) -> None:
    """Marketers tune the definition; managers and administrators too."""
    require_role(user, EDITORS, gettext_noop("change definitions"))


def check_run_definitions(user: Person) -> None:
    """What-ifs, comparisons, backtests and trainings keep a worker busy: those who tune the definition."""
    require_role(user, EDITORS, gettext_noop("try out definitions"))


def check_publish_definitions(user: Person) -> None:
    """Publishing and rolling back: those who tune the definition, once the teams it asks for have agreed."""
    require_role(user, EDITORS, gettext_noop("publish definitions"))


def check_approve_definition(user: Person, team: str) -> None:
    """A team's word on a draft: a marketer's for ``marketing``, a manager's for ``sales``, an administrator's for both.

    Not a rep's: reps write no definitions, so their managers speak for them.
    """
    roles, what = _VOICES[team]
    require_role(user, roles, what)


def check_manage_sources(user: Person) -> None:
    """Write keys open the installation to machines: administrators."""
    require_role(user, ADMINS, gettext_noop("manage sources"))


def check_manage_hooks(user: Person) -> None:
    """Webhooks carry what happens out of the house: administrators."""
    require_role(user, ADMINS, gettext_noop("manage webhooks"))


def check_manage_team(user: Person) -> None:
    """People and roles: administrators."""
    require_role(user, ADMINS, gettext_noop("manage the team"))


can_view_contacts = answers(check_view_contacts)
can_edit_contact = answers(check_edit_contact)
can_log_activity = answers(check_log_activity)
can_correct_events = answers(check_correct_events)
can_pin_stage = answers(check_pin_stage)
can_create_contacts = answers(check_create_contacts)
can_erase_contacts = answers(check_erase_contacts)
can_export_person = answers(check_export_person)
can_see_jobs = answers(check_see_jobs)
can_steer_job = answers(check_steer_job)
can_record_consent = answers(check_record_consent)
can_suppress_addresses = answers(check_suppress_addresses)
can_lift_suppressions = answers(check_lift_suppressions)
can_manage_forms = answers(check_manage_forms)
can_import = answers(check_import)
can_export = answers(check_export)
can_merge = answers(check_merge)
can_act_on_contacts = answers(check_act_on_contacts)
can_see_handoffs = answers(check_see_handoffs)
can_work_handoffs = answers(check_work_handoffs)
can_see_definitions = answers(check_see_definitions)
can_edit_definitions = answers(check_edit_definitions)
can_run_definitions = answers(check_run_definitions)
can_publish_definitions = answers(check_publish_definitions)
can_approve_definition = answers(check_approve_definition)
can_manage_sources = answers(check_manage_sources)
can_manage_hooks = answers(check_manage_hooks)
can_manage_team = answers(check_manage_team)

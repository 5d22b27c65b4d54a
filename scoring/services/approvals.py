"""Approvals: a definition that asks for it is published only once each of its teams has agreed to this revision."""

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.utils.translation import gettext

from contacts.audit import AuditAct, AuditThing
from contacts.permissions import check_approve_definition
from contacts.services.auditing import audited
from scoring.enums import DefinitionState, Team
from scoring.models import Approval, Definition


class NotPublishable(ValueError):
    """The definition cannot be approved, put in force or taken back; the message says why."""


def asked_teams(definition: Definition) -> list[Team]:
    """The teams whose word the definition asks for, Marketing first."""
    asked = definition.document.get("approval") or ()
    return [team for team in Team if team.value in asked]


def current_approvals(definition: Definition) -> dict[Team, Approval]:
    """Who agreed to the definition as it stands now, by team; one query."""
    rows = Approval.objects.filter(definition=definition, revision=definition.revision, withdrawn_at=None)
    return {Team(row.team): row for row in rows.select_related("approved_by")}


def missing_approvals(definition: Definition) -> list[Team]:
    """The teams that have yet to agree to the definition as it stands now; empty where none is asked."""
    asked = asked_teams(definition)
    given = current_approvals(definition) if asked else {}
    return [team for team in asked if team not in given]


@audited(AuditAct.DEFINITION_APPROVED, "definition_id", thing=AuditThing.DEFINITION, keep=["team", "result.revision"])
def approve_definition(*, definition_id: int, team: Team, by: User, now: datetime) -> Approval:
    """Agree to a draft as it stands now, for a team. Agreeing twice changes nothing.

    Raises:
        PermissionDenied: ``by`` does not speak for the team.
        NotPublishable: it is published, asks for no word of that team, has one of another person already, or ``by``
            has agreed for the other team.
        Definition.DoesNotExist: there is no such definition.
    """
    check_approve_definition(by, team.value)
    with transaction.atomic():
        row = _locked(definition_id)
        if team not in asked_teams(row):
            raise NotPublishable(
                gettext("%(definition)s does not ask for the approval of %(team)s.")
                % {"definition": row, "team": team.label}
            )
        given = current_approvals(row)
        if team in given:
            if given[team].approved_by_id == by.pk:
                return given[team]
            who = {"name": _name(given[team].approved_by), "team": team.label}
            raise NotPublishable(gettext("%(name)s has agreed for %(team)s already.") % who)
        for other, approval in given.items():
            if approval.approved_by_id == by.pk:
                message = gettext("You agreed for %(other)s; somebody else must agree for %(team)s.")
                raise NotPublishable(message % {"other": other.label, "team": team.label})
        return Approval.objects.create(
            definition=row, revision=row.revision, team=team, approved_by=by, approved_at=now
        )


@audited(AuditAct.APPROVAL_WITHDRAWN, "definition_id", thing=AuditThing.DEFINITION, keep=["team", "result.revision"])
def withdraw_approval(*, definition_id: int, team: Team, by: User, now: datetime) -> Approval:
    """Take a team's word on a draft back; whoever speaks for the team may. Who had agreed is kept.

    Raises:
        PermissionDenied: ``by`` does not speak for the team.
        NotPublishable: it is published, or the team has not agreed to it as it stands now.
        Definition.DoesNotExist: there is no such definition.
    """
    check_approve_definition(by, team.value)
    with transaction.atomic():
        row = _locked(definition_id)
        approval = current_approvals(row).get(team)
        if approval is None:
            message = gettext("%(team)s has not agreed to %(definition)s as it stands now.")
            raise NotPublishable(message % {"team": team.label, "definition": row})
        approval.withdrawn_by, approval.withdrawn_at = by, now
        approval.save(update_fields=["withdrawn_by", "withdrawn_at"])
        return approval


def _locked(definition_id: int) -> Definition:
    row = Definition.objects.select_for_update().get(pk=definition_id)
    if row.state != DefinitionState.DRAFT:
        message = gettext("%(definition)s is published; there is nothing to agree to any more.")
        raise NotPublishable(message % {"definition": row})
    return row


def _name(user: User) -> str:
    return user.get_full_name() or user.get_username()

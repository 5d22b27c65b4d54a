"""Lead-capture forms: making and changing them, and counting what is sent to them too often."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext

from contacts.audit import AuditAct
from contacts.enums import SHIPPED_KINDS, Initiator, SourceKind
from contacts.ingest.form_fields import FormField, read_fields
from contacts.ingest.incoming import Refused
from contacts.models import Form, Purpose, Source
from contacts.permissions import check_manage_forms
from contacts.services.auditing import audited
from contacts.services.kinds import NOT_FROM_PUBLIC

# What somebody may do by filling in a form: what a public key may report, and people do in forms.
KINDS: Final = tuple(
    kind.name
    for kind in SHIPPED_KINDS
    if kind.initiator == Initiator.THEM
    and kind.name not in NOT_FROM_PUBLIC
    and not kind.name.startswith(("email_", "social_liked", "social_shared", "page_", "chat_"))
)
# So many from one address of the network in so many seconds; a whole office may sit behind one.
SENT_AT_MOST: Final = 10
SENT_WITHIN: Final = 600


@dataclass(frozen=True, slots=True)
class FormPlan:
    """What an administrator says about a form; see the model for the meaning of each."""

    name: str
    title: str
    introduction: str = ""
    kind: str = "form_submitted"
    fields: Sequence[Mapping[str, Any]] = ()
    button: str = "Send"
    thanks: str = "Thank you."
    redirect_url: str = ""
    allowed_origins: Sequence[str] = field(default_factory=list)
    purpose: Purpose | None = None
    consent_text: str = ""
    consent_required: bool = False
    double_opt_in: bool = True
    is_open: bool = True


@audited(AuditAct.FORM_CREATED, "result", keep=["source", "name"])
def create_form(*, source: Source, name: str, by: User) -> Form:
    """Make a form of a source, with what most ask; nobody finds its address before it is given out.

    Raises:
        PermissionDenied: ``by`` may not manage forms.
        ValidationError: the name is empty or taken; the source is Ripen's own.
    """
    check_manage_forms(by)
    if source.kind == SourceKind.INTERNAL:
        raise ValidationError({"name": gettext("This source is Ripen's own; make one for the website.")})
    asked = [
        {"name": "first_name", "label": "First name"},
        {"name": "last_name", "label": "Last name"},
        {"name": "company", "label": "Company"},
    ]
    form = Form(
        source=source,
        token=secrets.token_urlsafe(12).replace("_", "-"),
        name=name.strip(),
        title=name.strip(),
        fields=stored_fields(read_fields(asked)),
        created_by=by,
    )
    form.full_clean()
    form.save()
    return form


@audited(AuditAct.FORM_CHANGED, "form", keep=["form.name"])
def save_form(*, form: Form, plan: FormPlan, by: User) -> Form:
    """Change a form. Another text of the consent is a new version: what people agreed to before stays what it was.

    Raises:
        PermissionDenied: ``by`` may not manage forms.
        ValidationError: by field; those of a row are named ``fields.<row>.<column>``.
    """
    check_manage_forms(by)
    with transaction.atomic():
        stored = Form.objects.select_for_update().get(pk=form.pk)
        # The one that was passed shows what was asked for, also where it is refused.
        apply_plan(form, plan)
        form.consent_version = stored.consent_version
        if stored.consent_text and form.consent_text != stored.consent_text:
            form.consent_version += 1
        form.full_clean()
        form.save()
    return form


def apply_plan(form: Form, plan: FormPlan) -> None:
    """Put what was said into the form, without saving it.

    Raises:
        ValidationError: by field.
    """
    try:
        form.fields = stored_fields(read_fields(plan.fields))
    except Refused as refused:
        raise ValidationError({refused.field: refused.message}) from None
    if plan.kind not in KINDS:
        raise ValidationError({"kind": gettext("A form cannot report this.")})
    if plan.purpose is not None and not plan.consent_text.strip():
        raise ValidationError({"consent_text": gettext("Write what people agree to; it is kept with their consent.")})
    if plan.purpose is None and plan.consent_text.strip():
        raise ValidationError({"purpose": gettext("Choose what the consent is for.")})
    form.name = plan.name.strip()
    form.title = plan.title.strip()
    form.introduction = plan.introduction.strip()
    form.kind = plan.kind
    form.button = plan.button.strip()
    form.thanks = plan.thanks.strip()
    form.redirect_url = plan.redirect_url
    form.allowed_origins = list(dict.fromkeys(plan.allowed_origins))
    form.purpose = plan.purpose
    form.consent_text = plan.consent_text.strip()
    form.consent_required = plan.consent_required and plan.purpose is not None
    form.double_opt_in = plan.double_opt_in
    form.is_open = plan.is_open


def fields_of(form: Form) -> list[FormField]:
    """Return what a form asks beside the e-mail address."""
    return msgspec.convert(form.fields, list[FormField])


def stored_fields(fields: Sequence[FormField]) -> list[dict[str, Any]]:
    """Return fields as they are stored."""
    rows: list[dict[str, Any]] = msgspec.to_builtins(list(fields))
    return rows


def count_bot(form: Form) -> None:
    """Count what a machine sent; nothing else of it is kept."""
    Form.objects.filter(pk=form.pk).update(bots=F("bots") + 1)


def is_too_often(form: Form, *, network_address: str) -> bool:
    """Count one sending, and tell whether there were too many from this network address since the first counted."""
    key = f"form:{form.pk}:{network_address}"
    cache.add(key, 0, SENT_WITHIN)
    try:
        return int(cache.incr(key)) > SENT_AT_MOST
    except ValueError:
        # It expired in between: a new period has begun.
        return False

"""From a draft to what is in force and back, on the shell: parts of ``manage.py definition``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.management.base import CommandError, OutputWrapper
from django.utils import timezone

from contacts.enums import WorkState
from scoring.definition import DefinitionDocument, load_yaml
from scoring.enums import Team
from scoring.models import Definition, Run
from scoring.selectors import find_draft, published_definition
from scoring.services.approvals import approve_definition, missing_approvals, withdraw_approval
from scoring.services.drafts import NotADraft, change_draft, discard_draft, known_names, store_draft
from scoring.services.evaluate import drain_due
from scoring.services.publish import order_publication, order_roll_back
from scoring.services.work import work_in_foreground


def add_actions(actions: Any) -> None:
    """Declare import, discard, approve, publish and rollback."""
    action = actions.add_parser("import", help="store a YAML file as a draft")
    action.add_argument("file", metavar="FILE", type=Path, help="a definition as YAML")
    action.add_argument("--replace", metavar="KEY", help="change this draft instead of making a new one")
    action = actions.add_parser("discard", help="delete a draft with its trials")
    action.add_argument("definition", metavar="KEY", help="key@version, or key for its latest draft")
    action = actions.add_parser("approve", help="agree to a draft for a team, where the draft asks for it")
    action.add_argument("definition", metavar="KEY", help="key@version, or key for its latest draft")
    action.add_argument("--team", required=True, choices=[team.value for team in Team], help="whose word it is")
    action.add_argument("--by", required=True, metavar="EMAIL", help="who gives it")
    action.add_argument("--withdraw", action="store_true", help="take the team's word back instead")
    action = actions.add_parser("publish", help="put a definition in force and judge every contact by it")
    action.add_argument("definition", metavar="KEY", help="key@version, or key for its latest draft")
    action.add_argument("--quiet", action="store_true", help="send no notifications of what it changes")
    action.add_argument(
        "--connections", type=int, choices=range(1, 17), default=1, metavar="N", help="judge N ranges at once, 1-16"
    )
    actions.add_parser("rollback", help="take the latest publication back, as if it had not happened")


def read_file(path: Path) -> DefinitionDocument:
    """Read a definition from a file; DefinitionError with every problem, CommandError where there is no such file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: {error}") from error
    return load_yaml(text, **known_names())


def _import(options: dict[str, Any], stdout: OutputWrapper) -> None:
    document = read_file(options["file"])
    if options["replace"]:
        draft = _find(options["replace"])
        row = change_draft(definition_id=draft.pk, document=document, by=None, revision=None, now=timezone.now())
        stdout.write(f"{row.key}@{row.version} changed, revision {row.revision}")
    else:
        row = store_draft(document=document, by=None)
        stdout.write(f"{row.key}@{row.version} stored as a draft")


def _discard(options: dict[str, Any], stdout: OutputWrapper) -> None:
    row = _find(options["definition"])
    discard_draft(definition_id=row.pk, by=None)
    stdout.write(f"{row} discarded")


def _approve(options: dict[str, Any], stdout: OutputWrapper) -> None:
    row, team = _find(options["definition"]), Team(options["team"])
    person = User.objects.filter(email__iexact=options["by"], is_active=True).first()
    if person is None:
        raise CommandError(f"There is nobody with the address {options['by']!r}.")
    act = withdraw_approval if options["withdraw"] else approve_definition
    act(definition_id=row.pk, team=team, by=person, now=timezone.now())
    missing = [str(other.label) for other in missing_approvals(row)]
    have = "has" if len(missing) == 1 else "have"
    left = f"{' and '.join(missing)} {have} yet to agree" if missing else "it may be published"
    told = f"{team.label} no longer agrees to {row}" if options["withdraw"] else f"{team.label} agrees to {row}"
    stdout.write(f"{told}; {left}")


def _publish(options: dict[str, Any], stdout: OutputWrapper) -> None:
    row = _find(options["definition"])
    run = _work(
        lambda: order_publication(
            definition_id=row.pk,
            by=None,
            now=timezone.now(),
            quiet=options["quiet"],
            connections=options["connections"],
        )
    )
    changed = (run.result or {}).get("changed", 0)
    while judged := drain_due(now=timezone.now(), clock=timezone.now):
        changed += judged
    stdout.write(f"{row} is in force; {changed} contacts judged anew")


def _roll_back(options: dict[str, Any], stdout: OutputWrapper) -> None:
    run = _work(lambda: order_roll_back(by=None, now=timezone.now()))
    row, _ = published_definition()
    stdout.write(f"{run.definition} taken back; {row} is in force")


def _work(order: Callable[[], Run]) -> Run:
    """Do a run here and now; CommandError where it does not come to its end."""
    try:
        run = work_in_foreground(order)
    except KeyboardInterrupt:
        raise CommandError("Stopped here; the worker of `manage.py up` goes on with it.") from None
    if run.state == WorkState.FINISHED:
        return run
    if run.state == WorkState.CANCELLED:
        raise CommandError(f"{run.definition} has been rolled back meanwhile.")
    raise CommandError(run.error or "This attempt failed, the log says why; the worker of `manage.py up` tries again.")


def _find(name: str) -> Definition:
    try:
        return find_draft(name)
    except Definition.DoesNotExist as error:
        raise CommandError(str(error)) from None


def act(options: dict[str, Any], stdout: OutputWrapper) -> bool:
    """Do the action where it is one of these; False where it is not. CommandError with one line where it fails."""
    action = _ACTIONS.get(options["action"])
    if action is None:
        return False
    try:
        action(options, stdout)
    except (NotADraft, PermissionDenied) as error:
        raise CommandError(str(error)) from error
    return True


_ACTIONS: dict[str, Callable[[dict[str, Any], OutputWrapper], None]] = {
    "import": _import,
    "discard": _discard,
    "approve": _approve,
    "publish": _publish,
    "rollback": _roll_back,
}

"""The whole proof by several processes, and a sample drawn from pages: both find what one process finds."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from contacts.models import Standing
from funnel.services import verification
from funnel.services.parallel_verification import verify_in_parallel
from funnel.services.verification import draw_contacts, parts_of
from scoring.services.evaluate import drain_due
from tests.factories import make_contact


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_processes_find_what_does_not_hold_and_tell_how_far_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "PART_SIZE", 2)
    contacts = [make_contact() for _ in range(5)]
    while drain_due(now=timezone.now()):
        pass
    wrong = {contacts[0].pk, contacts[4].pk}
    Standing.objects.filter(contact__in=wrong).update(fit_mp=1)
    told: list[tuple[int, int]] = []
    found = list(
        verify_in_parallel(now=timezone.now(), processes=2, progress=lambda done, total: told.append((done, total)))
    )
    of_3 = [(one.invariant, one.contact_id) for one in found if one.invariant == 3]
    assert sorted(of_3) == sorted((3, pk) for pk in wrong)
    assert told[-1] == (5, 5)


@pytest.mark.django_db
def test_ranges_leave_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "PART_SIZE", 3)
    ids = [make_contact().pk for _ in range(7)]
    ranges = [part.among for part in parts_of() if part.contacts]
    assert [sum(one.first <= pk <= one.last for one in ranges) for pk in ids] == [1] * 7  # type: ignore[operator]  # both set


@pytest.mark.django_db
def test_a_sample_of_many_is_drawn_from_pages_and_as_large_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "_FEW", 10)
    ids = {make_contact().pk for _ in range(90)}
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE contacts_contact")
    drawn = draw_contacts(4)
    assert len(set(drawn)) == 4
    assert set(drawn) <= ids


@pytest.mark.django_db
def test_inside_a_transaction_one_process_sees_what_is_not_committed() -> None:
    make_contact()
    while drain_due(now=timezone.now()):
        pass
    Standing.objects.update(fit_mp=1)
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("verify", "--processes", "2", stdout=out, stderr=StringIO())
    assert "fit (millipoints) is stored as 1" in out.getvalue()

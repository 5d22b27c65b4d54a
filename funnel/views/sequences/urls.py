"""Addresses of the pages of sequences."""

from django.urls import path

from funnel.views.sequences.acting import contact_enrol, enrolment_stop, sequence_activate, sequence_pause
from funnel.views.sequences.editing import sequence_delete, sequence_edit, sequence_new, sequence_preview
from funnel.views.sequences.listing import sequence, sequences

urlpatterns = [
    path("sequences/", sequences, name="sequences"),
    path("sequences/new/", sequence_new, name="sequence-new"),
    path("sequences/<int:sequence_id>/", sequence, name="sequence"),
    path("sequences/<int:sequence_id>/edit/", sequence_edit, name="sequence-edit"),
    path("sequences/<int:sequence_id>/preview/", sequence_preview, name="sequence-preview"),
    path("sequences/<int:sequence_id>/activate/", sequence_activate, name="sequence-activate"),
    path("sequences/<int:sequence_id>/pause/", sequence_pause, name="sequence-pause"),
    path("sequences/<int:sequence_id>/delete/", sequence_delete, name="sequence-delete"),
    path("sequences/enrolments/<int:enrolment_id>/stop/", enrolment_stop, name="enrolment-stop"),
    path("contacts/<int:contact_id>/enrol/", contact_enrol, name="contact-enrol"),
]

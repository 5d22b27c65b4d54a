"""What people of ours keep for themselves: tags on contacts, saved views of the list, and the columns they look at."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower, Now

from contacts.models.contact import Contact


class Tag(models.Model):
    """A word that people of ours put on contacts. It is no fact about the contact and counts for no judgement.

    Two tags never differ by case alone.
    """

    name = models.CharField(max_length=50)
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(Lower("name"), name="tag_once")]

    def __str__(self) -> str:
        return self.name


class ContactTag(models.Model):
    """A contact bears a tag. ``origin_contact_id``: whose it was before a merge, where that is another contact."""

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="contact_tags", db_index=False)
    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, related_name="contact_tags", db_index=False)
    origin_contact_id = models.BigIntegerField(null=True, blank=True)
    tagged_at = models.DateTimeField(db_default=Now())
    tagged_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["contact", "tag", "origin_contact_id"], name="contacttag_once", nulls_distinct=False
            )
        ]
        indexes = [models.Index(fields=["tag", "contact"], name="contacttag_of_tag")]

    def __str__(self) -> str:
        return f"{self.contact_id} {self.tag_id}"


class SavedView(models.Model):
    """A way to look at the list of contacts that somebody keeps: its parameters by name, and its columns.

    ``shared``: everybody sees it; only its owner changes it. ``columns`` empty: everybody's own.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views")
    name = models.CharField(max_length=60)
    shared = models.BooleanField(default=False, db_default=False)
    query = models.JSONField(default=dict)
    columns = models.JSONField(default=list)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint("owner", Lower("name"), name="savedview_once")]
        indexes = [models.Index(fields=["id"], condition=models.Q(shared=True), name="savedview_shared")]

    def __str__(self) -> str:
        return self.name


class ListColumns(models.Model):
    """The columns of the list of contacts that one person chose, in order."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="list_columns"
    )
    columns = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"{self.user_id}: {', '.join(map(str, self.columns))}"

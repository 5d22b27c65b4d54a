import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Coalesce, Concat, Lower, NullIf, Trim


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contacts", "0010_people"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ContactTag",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("origin_contact_id", models.BigIntegerField(blank=True, null=True)),
                ("tagged_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name="ListColumns",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="list_columns",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("columns", models.JSONField(default=list)),
            ],
        ),
        migrations.CreateModel(
            name="SavedView",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=60)),
                ("shared", models.BooleanField(db_default=False, default=False)),
                ("query", models.JSONField(default=dict)),
                ("columns", models.JSONField(default=list)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name="Tag",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=50)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="job",
            name="job_kind_known",
        ),
        migrations.AlterField(
            model_name="job",
            name="kind",
            field=models.CharField(
                choices=[
                    ("import_contacts", "import of contacts"),
                    ("import_events", "import of events"),
                    ("find_duplicates", "search for duplicates"),
                    ("erase", "erasure"),
                    ("export_person", "export of a person's data"),
                    ("act", "act on many contacts"),
                ],
                max_length=16,
            ),
        ),
        migrations.AddIndex(
            model_name="contact",
            index=models.Index(
                condition=models.Q(("source_campaign__gt", "")),
                fields=["source_campaign", "id"],
                name="contact_campaign",
            ),
        ),
        migrations.AddIndex(
            model_name="contact",
            index=models.Index(
                condition=models.Q(("country__gt", "")), fields=["country", "id"], name="contact_country"
            ),
        ),
        migrations.AddIndex(
            model_name="contact",
            index=django.contrib.postgres.indexes.GinIndex(
                condition=models.Q(("attributes", {}), _negated=True), fields=["attributes"], name="contact_attributes"
            ),
        ),
        migrations.AddIndex(
            model_name="contact",
            index=models.Index(
                Coalesce(
                    NullIf(
                        Lower(Trim(Concat("last_name", models.Value(" "), "first_name", models.Value(" "), "email"))),
                        models.Value(""),
                    ),
                    models.Value("zzzzzzzz"),
                ),
                models.F("id"),
                condition=models.Q(("present", True)),
                name="contact_by_name",
            ),
        ),
        migrations.AddIndex(
            model_name="standing",
            index=models.Index(fields=["stage", "-fit_mp", "-contact"], name="standing_by_fit"),
        ),
        migrations.AddIndex(
            model_name="standing",
            index=models.Index(fields=["stage", "-stage_since", "-contact"], name="standing_by_since"),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        ["import_contacts", "import_events", "find_duplicates", "erase", "export_person", "act"],
                    )
                ),
                name="job_kind_known",
            ),
        ),
        migrations.AddField(
            model_name="contacttag",
            name="contact",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="contact_tags",
                to="contacts.contact",
            ),
        ),
        migrations.AddField(
            model_name="contacttag",
            name="tagged_by",
            field=models.ForeignKey(
                blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="savedview",
            name="owner",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="saved_views", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="tag",
            name="created_by",
            field=models.ForeignKey(
                blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="contacttag",
            name="tag",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="contact_tags",
                to="contacts.tag",
            ),
        ),
        migrations.AddIndex(
            model_name="savedview",
            index=models.Index(condition=models.Q(("shared", True)), fields=["id"], name="savedview_shared"),
        ),
        migrations.AddConstraint(
            model_name="savedview",
            constraint=models.UniqueConstraint(models.F("owner"), Lower("name"), name="savedview_once"),
        ),
        migrations.AddConstraint(
            model_name="tag",
            constraint=models.UniqueConstraint(Lower("name"), name="tag_once"),
        ),
        migrations.AddIndex(
            model_name="contacttag",
            index=models.Index(fields=["tag", "contact"], name="contacttag_of_tag"),
        ),
        migrations.AddConstraint(
            model_name="contacttag",
            constraint=models.UniqueConstraint(
                fields=("contact", "tag", "origin_contact_id"), name="contacttag_once", nulls_distinct=False
            ),
        ),
    ]

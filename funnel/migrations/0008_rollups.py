import django.contrib.postgres.fields
import django.db.models.functions.datetime
from django.db import migrations, models

# Bucket 0 holds no time at all; bucket n from 1.04 ** (n - 1) seconds up to 1.04 times that (funnel/analytics.py).
FUNCTIONS = """
CREATE FUNCTION funnel_wait_bucket(seconds integer) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN seconds < 1 THEN 0 ELSE 1 + floor(ln(seconds::float8) / ln(1.04::float8))::integer END
$$;

-- Times by bucket, as an array over all buckets from 0 on.
CREATE FUNCTION funnel_histogram(buckets integer[], times integer[]) RETURNS integer[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    histogram integer[] := array_fill(0, ARRAY[1 + (SELECT max(bucket) FROM unnest(buckets) AS bucket)]);
BEGIN
    FOR place IN 1 .. cardinality(buckets) LOOP
        histogram[1 + buckets[place]] := times[place];
    END LOOP;
    RETURN histogram;
END $$;

-- Element by element; the shorter one is filled up with 0.
CREATE FUNCTION funnel_add_up(a integer[], b integer[]) RETURNS integer[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN cardinality(b) = 0 THEN a WHEN cardinality(a) = 0 THEN b ELSE ARRAY(
        SELECT coalesce(one, 0) + coalesce(other, 0)
        FROM unnest(a, b) WITH ORDINALITY AS both_of (one, other, place) ORDER BY place) END
$$;

-- Waits with others added; one that is told as -1 minus itself is taken out, once.
CREATE FUNCTION funnel_change_waits(waits integer[], changes integer[]) RETURNS integer[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN 0 <= ALL (changes) THEN waits || changes ELSE ARRAY(
        SELECT wait FROM (
            SELECT CASE WHEN told < 0 THEN -1 - told ELSE told END AS wait,
                   sum(CASE WHEN told < 0 THEN -1 ELSE 1 END)::integer AS times
            FROM (SELECT unnest(waits) UNION ALL SELECT unnest(changes)) AS all_told (told) GROUP BY 1
        ) AS counted, generate_series(1, times)) END
$$;

CREATE FUNCTION funnel_recount_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO funnel_recount (contact_id) SELECT DISTINCT contact_id FROM fresh;
    RETURN NULL;
END $$;

-- Whoever is not counted needs no counting anew once their moves are somebody else's.
CREATE FUNCTION funnel_recount_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO funnel_recount (contact_id)
    SELECT fresh.contact_id FROM fresh JOIN were USING (id)
    WHERE (were.superseded_at IS NULL) <> (fresh.superseded_at IS NULL) OR (
        fresh.superseded_at IS NULL
        AND (were.contact_id, were.effective_at, were.from_stage, were.to_stage)
            <> (fresh.contact_id, fresh.effective_at, fresh.from_stage, fresh.to_stage))
    UNION
    SELECT were.contact_id FROM fresh JOIN were USING (id)
    WHERE were.contact_id <> fresh.contact_id
      AND EXISTS (SELECT FROM funnel_reached WHERE funnel_reached.contact_id = were.contact_id);
    RETURN NULL;
END $$;

CREATE FUNCTION funnel_recount_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO funnel_recount (contact_id)
    SELECT DISTINCT contact_id FROM were
    WHERE EXISTS (SELECT FROM funnel_reached WHERE funnel_reached.contact_id = were.contact_id);
    RETURN NULL;
END $$;

CREATE FUNCTION funnel_recount_contact() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO funnel_recount (contact_id) VALUES (NEW.id);
    RETURN NULL;
END $$;

CREATE TRIGGER funnel_recount_written AFTER INSERT ON scoring_transition
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION funnel_recount_written();
CREATE TRIGGER funnel_recount_changed AFTER UPDATE ON scoring_transition
    REFERENCING OLD TABLE AS were NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION funnel_recount_changed();
CREATE TRIGGER funnel_recount_deleted AFTER DELETE ON scoring_transition
    REFERENCING OLD TABLE AS were FOR EACH STATEMENT EXECUTE FUNCTION funnel_recount_deleted();
CREATE TRIGGER funnel_recount_contact
    AFTER UPDATE OF source_channel, source_motion, source_direction, source_campaign, country, company_id
    ON contacts_contact FOR EACH ROW
    WHEN ((OLD.source_channel, OLD.source_motion, OLD.source_direction, OLD.source_campaign, OLD.country,
           OLD.company_id)
        IS DISTINCT FROM
          (NEW.source_channel, NEW.source_motion, NEW.source_direction, NEW.source_campaign, NEW.country,
           NEW.company_id))
    EXECUTE FUNCTION funnel_recount_contact();

-- The same few rows of today change with every drain.
ALTER TABLE funnel_tally SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE funnel_reached SET (fillfactor = 85);
"""
NO_FUNCTIONS = """
DROP TRIGGER funnel_recount_contact ON contacts_contact;
DROP TRIGGER funnel_recount_deleted ON scoring_transition;
DROP TRIGGER funnel_recount_changed ON scoring_transition;
DROP TRIGGER funnel_recount_written ON scoring_transition;
DROP FUNCTION funnel_recount_contact();
DROP FUNCTION funnel_recount_deleted();
DROP FUNCTION funnel_recount_changed();
DROP FUNCTION funnel_recount_written();
DROP FUNCTION funnel_change_waits(integer[], integer[]);
DROP FUNCTION funnel_add_up(integer[], integer[]);
DROP FUNCTION funnel_histogram(integer[], integer[]);
DROP FUNCTION funnel_wait_bucket(integer);
"""

# Whatever was judged before there were rollups: the drain counts it.
COUNT_ALL = "INSERT INTO funnel_recount (contact_id) SELECT DISTINCT contact_id FROM scoring_transition"


class Migration(migrations.Migration):
    dependencies = [
        ("contacts", "0009_kinds_of_sales"),
        ("scoring", "0005_sound_and_immutable"),
        ("funnel", "0007_sequences"),
    ]

    operations = [
        migrations.CreateModel(
            name="Counting",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "stages",
                    django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=32), size=None),
                ),
                ("counted_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name="Recount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("contact_id", models.BigIntegerField()),
                ("queued_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "indexes": [models.Index(fields=["contact_id"], name="recount_of_contact")],
            },
        ),
        migrations.CreateModel(
            name="Passage",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "contact_id", "at", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("contact_id", models.BigIntegerField()),
                ("at", models.DateTimeField()),
                ("origin", models.SmallIntegerField()),
                ("target", models.SmallIntegerField()),
            ],
            options={
                "indexes": [models.Index(fields=["target", "at"], name="passage_by_target")],
            },
        ),
        migrations.CreateModel(
            name="Reached",
            fields=[
                ("contact_id", models.BigIntegerField(primary_key=True, serialize=False)),
                (
                    "moments",
                    django.contrib.postgres.fields.ArrayField(base_field=models.DateTimeField(), size=None),
                ),
                ("strict", models.IntegerField()),
                ("skipped", models.IntegerField()),
                ("source", models.CharField(max_length=100)),
                ("motion", models.CharField(max_length=20)),
                ("direction", models.CharField(max_length=10)),
                ("campaign", models.CharField(max_length=255)),
                ("country", models.CharField(max_length=100)),
                ("company_id", models.BigIntegerField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Tally",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "facet",
                        "grain",
                        "origin",
                        "target",
                        "value",
                        "day",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("facet", models.SmallIntegerField()),
                ("grain", models.CharField(max_length=1)),
                ("origin", models.SmallIntegerField()),
                ("target", models.SmallIntegerField()),
                ("value", models.CharField(max_length=255)),
                ("day", models.DateField()),
                ("moves", models.IntegerField()),
                ("reached", models.IntegerField()),
                ("loose", models.IntegerField()),
                ("strict", models.IntegerField()),
                ("skipped", models.IntegerField()),
                ("waited", models.IntegerField()),
                ("ages", django.contrib.postgres.fields.ArrayField(base_field=models.IntegerField(), size=None)),
                ("waits", django.contrib.postgres.fields.ArrayField(base_field=models.IntegerField(), size=None)),
            ],
        ),
        migrations.RunSQL(FUNCTIONS, NO_FUNCTIONS),
        migrations.RunSQL(COUNT_ALL, migrations.RunSQL.noop),
    ]

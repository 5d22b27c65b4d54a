"""What the database itself guarantees: no broken definition is stored, and no published one ever changes."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# A net below the one place of the rules (scoring/definition/validation.py), for what goes around the application. It
# proves the shape: parts of the right types, references that lead somewhere, criteria of one test each. It does not
# know what only the rules know: that entering implies keeping, that no stage above the weakest is entered without an
# event, that kinds and sources exist, which tests and counts go together. Whatever the rules accept, it accepts.
#
# IMMUTABLE, and with the search path of today, so that a dump restores: its checks run before anything names a schema.
SOUND = r"""
CREATE FUNCTION scoring_is_number(value jsonb, low numeric, high numeric) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN jsonb_typeof(value) = 'number'
                THEN (value #>> '{}')::numeric BETWEEN coalesce(low, '-infinity') AND coalesce(high, 'infinity')
                ELSE false END
$$;

-- An object that has these texts. None of them need say anything.
CREATE FUNCTION scoring_has_texts(part jsonb, VARIADIC names text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(jsonb_typeof(part) = 'object'
                    AND NOT EXISTS (SELECT FROM unnest(names) AS name
                                    WHERE jsonb_typeof(part -> name) IS DISTINCT FROM 'string'), false)
$$;

-- The parts of a list; an empty one where it is missing.
CREATE FUNCTION scoring_parts(list jsonb) RETURNS SETOF jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT jsonb_array_elements(CASE WHEN jsonb_typeof(list) = 'array' THEN list ELSE '[]' END)
$$;

CREATE FUNCTION scoring_document_is_sound(raw jsonb) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path FROM CURRENT AS $$
DECLARE
    document jsonb := jsonb_strip_nulls(raw);
    part text;
    evidence text[];
    switches text[];
    gates text[];
    groups text[];
BEGIN
    IF document IS NULL OR NOT scoring_has_texts(document, 'key', 'name', 'description')
       OR document ->> 'key' = '' THEN
        RETURN false;
    END IF;
    IF EXISTS (SELECT FROM jsonb_object_keys(document) AS known (name) WHERE name <> ALL (ARRAY[
            'key', 'name', 'description', 'stages', 'evidence', 'signals', 'groups', 'floor_at_zero', 'fit', 'gates',
            'qualifiers', 'switches', 'approval', 'cool_down', 'learned'])) THEN
        RETURN false;
    END IF;
    FOREACH part IN ARRAY ARRAY['stages', 'signals', 'groups', 'gates', 'qualifiers', 'approval'] LOOP
        IF document ? part AND jsonb_typeof(document -> part) <> 'array' THEN
            RETURN false;
        END IF;
    END LOOP;
    FOREACH part IN ARRAY ARRAY['evidence', 'switches', 'fit', 'cool_down', 'learned'] LOOP
        IF document ? part AND jsonb_typeof(document -> part) <> 'object' THEN
            RETURN false;
        END IF;
    END LOOP;

    evidence := ARRAY(SELECT jsonb_object_keys(coalesce(document -> 'evidence', '{}')));
    switches := ARRAY(SELECT jsonb_object_keys(coalesce(document -> 'switches', '{}')));
    gates := ARRAY(SELECT gate ->> 'key' FROM scoring_parts(document -> 'gates') AS gate);
    groups := ARRAY(SELECT one ->> 'key' FROM scoring_parts(document -> 'groups') AS one);

    -- Evidence: each at least one match.
    IF EXISTS (SELECT FROM jsonb_each(coalesce(document -> 'evidence', '{}')) AS one (name, value)
               WHERE NOT scoring_has_texts(value, 'label')
                  OR NOT coalesce(jsonb_typeof(value -> 'any_of') = 'array', false)
                  OR (SELECT count(*) FROM scoring_parts(value -> 'any_of')) = 0
                  OR EXISTS (SELECT FROM scoring_parts(value -> 'any_of') AS match
                             WHERE jsonb_typeof(match) <> 'object')) THEN
        RETURN false;
    END IF;
    IF EXISTS (SELECT FROM jsonb_each(coalesce(document -> 'switches', '{}')) AS one (name, value)
               WHERE jsonb_typeof(value) <> 'boolean') THEN
        RETURN false;
    END IF;

    -- Signals: what they match, finite points, a half-life that is none or positive, a group that exists.
    IF EXISTS (SELECT FROM scoring_parts(document -> 'signals') AS signal
               WHERE NOT scoring_has_texts(signal, 'key', 'label')
                  OR NOT coalesce(jsonb_typeof(signal -> 'match') = 'object', false)
                  OR NOT scoring_is_number(signal -> 'points', -1000000, 1000000)
                  OR (signal ? 'half_life_days' AND NOT scoring_is_number(signal -> 'half_life_days', 0, NULL))
                  OR NOT coalesce(signal ->> 'group', '') = ANY (groups || ''::text)) THEN
        RETURN false;
    END IF;
    IF EXISTS (SELECT FROM scoring_parts(document -> 'groups') AS one WHERE NOT scoring_has_texts(one, 'key', 'label'))
       OR EXISTS (SELECT FROM scoring_parts(document -> 'gates') AS gate
                  WHERE NOT scoring_has_texts(gate, 'key', 'label', 'attribute', 'question'))
       OR EXISTS (SELECT FROM scoring_parts(document -> 'qualifiers') AS one
                  WHERE NOT scoring_has_texts(one, 'key', 'label', 'question')
                     OR NOT scoring_has_texts(one -> 'test', 'name')) THEN
        RETURN false;
    END IF;
    IF EXISTS (SELECT FROM scoring_parts(document -> 'fit' -> 'rules') AS rule
               WHERE NOT scoring_has_texts(rule, 'key', 'label') OR NOT scoring_has_texts(rule -> 'test', 'name')
                  OR NOT scoring_is_number(rule -> 'points', -1000000, 1000000)) THEN
        RETURN false;
    END IF;
    IF EXISTS (SELECT FROM scoring_parts(document -> 'approval') AS team
               WHERE team NOT IN ('"marketing"', '"sales"')) THEN
        RETURN false;
    END IF;
    IF document ? 'learned' AND NOT scoring_is_number(document -> 'learned' -> 'intercept', NULL, NULL) THEN
        RETURN false;
    END IF;
    IF NOT coalesce(document -> 'cool_down' ->> 'lifted_by', '') = ANY (evidence || ''::text) THEN
        RETURN false;
    END IF;

    -- Stages: some, known, each once; the weakest is everyone's floor, every other one is entered.
    IF NOT coalesce(jsonb_typeof(document -> 'stages') = 'array', false)
       OR (SELECT count(*) FROM scoring_parts(document -> 'stages')) = 0
       OR (SELECT count(*) <> count(DISTINCT stage ->> 'key') FROM scoring_parts(document -> 'stages') AS stage)
       OR EXISTS (SELECT FROM scoring_parts(document -> 'stages') WITH ORDINALITY AS listed (stage, place)
                  WHERE NOT scoring_has_texts(stage, 'key', 'label', 'owner', 'description', 'communication')
                     OR stage ->> 'key' <> ALL (ARRAY['audience', 'lead', 'marketing_prospect', 'sales_prospect',
                                                      'customer'])
                     OR stage ->> 'owner' <> ALL (ARRAY['marketing', 'sales'])
                     OR (place = 1 AND (stage ? 'enter' OR stage ? 'keep'))
                     OR (place > 1 AND NOT stage ? 'enter')) THEN
        RETURN false;
    END IF;

    -- Criteria: every node of every tree is one test that is known, and means something that exists.
    RETURN (
        WITH RECURSIVE node (node) AS (
            SELECT stage -> name
            FROM scoring_parts(document -> 'stages') AS stage, unnest(ARRAY['enter', 'keep', 'flag_unless']) AS name
            WHERE stage ? name
          UNION ALL
            SELECT child FROM node CROSS JOIN LATERAL (
                SELECT scoring_parts(node -> 'all') UNION ALL SELECT scoring_parts(node -> 'any')
                UNION ALL SELECT node -> 'not' WHERE node ? 'not') AS below (child)
            WHERE jsonb_typeof(node) = 'object'
        )
        SELECT coalesce(bool_and(CASE
            WHEN jsonb_typeof(node) <> 'object' THEN false
            WHEN (SELECT count(*) FROM jsonb_object_keys(node)) <> 1 THEN false
            WHEN node ? 'all' THEN jsonb_typeof(node -> 'all') = 'array' AND node -> 'all' <> '[]'
            WHEN node ? 'any' THEN jsonb_typeof(node -> 'any') = 'array' AND node -> 'any' <> '[]'
            WHEN node ? 'not' THEN true
            WHEN node ? 'engagement' THEN scoring_is_number(node -> 'engagement' -> 'at_least', NULL, NULL)
            WHEN node ? 'fit' THEN scoring_is_number(node -> 'fit' -> 'at_least', NULL, NULL)
            WHEN node ? 'score' THEN scoring_is_number(node -> 'score' -> 'at_least', NULL, NULL)
            WHEN node ? 'likelihood' THEN scoring_is_number(node -> 'likelihood' -> 'at_least', 0, 1)
            WHEN node ? 'count' THEN
                scoring_has_texts(node -> 'count', 'of')
                AND node -> 'count' ->> 'of' = ANY (evidence)
                AND coalesce(node -> 'count' ->> 'after', '') = ANY (evidence || ''::text)
                AND (NOT node -> 'count' ? 'at_least' OR scoring_is_number(node -> 'count' -> 'at_least', 1, NULL))
                AND (NOT node -> 'count' ? 'within_days'
                     OR (scoring_is_number(node -> 'count' -> 'within_days', 0, NULL)
                         AND node -> 'count' -> 'within_days' <> '0'))
            WHEN node ? 'attribute' THEN scoring_has_texts(node -> 'attribute', 'name')
            WHEN node ? 'gate' THEN node ->> 'gate' = ANY (gates)
            WHEN node ? 'qualifiers' THEN node -> 'qualifiers' = '"met"'
            WHEN node ? 'switch' THEN node ->> 'switch' = ANY (switches)
            WHEN node ? 'origin' THEN node -> 'origin' IN ('"inbound"', '"outbound"')
            WHEN node ? 'reachable' THEN jsonb_typeof(node -> 'reachable') = 'boolean'
            ELSE false END IS TRUE), true)
        FROM node);
END
$$;

ALTER TABLE scoring_definition
    ADD CONSTRAINT definition_document_sound CHECK (scoring_document_is_sound(document) IS TRUE),
    ADD CONSTRAINT definition_key_of_document CHECK ((document ->> 'key') IS NOT DISTINCT FROM key);
"""

NOT_SOUND = """
ALTER TABLE scoring_definition DROP CONSTRAINT definition_key_of_document;
ALTER TABLE scoring_definition DROP CONSTRAINT definition_document_sound;
DROP FUNCTION scoring_document_is_sound(jsonb);
DROP FUNCTION scoring_parts(jsonb);
DROP FUNCTION scoring_has_texts(jsonb, text[]);
DROP FUNCTION scoring_is_number(jsonb, numeric, numeric);
"""

IMMUTABLE = """
CREATE FUNCTION scoring_keep_published() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.key, NEW.version, NEW.name, NEW.document, NEW.state)
            IS NOT DISTINCT FROM (OLD.key, OLD.version, OLD.name, OLD.document, OLD.state) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% v% is published and never changes again: make a new draft of it', OLD.key, OLD.version
        USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
END
$$;
CREATE TRIGGER definition_published_stays BEFORE UPDATE OR DELETE ON scoring_definition
    FOR EACH ROW WHEN (OLD.state = 'published') EXECUTE FUNCTION scoring_keep_published();

CREATE FUNCTION scoring_keep_publication() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what was published when is history: roll the publication back instead'
        USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
END
$$;
CREATE TRIGGER publication_moment_stays BEFORE UPDATE ON scoring_publication FOR EACH ROW
    WHEN ((OLD.definition_id, OLD.effective_at) IS DISTINCT FROM (NEW.definition_id, NEW.effective_at))
    EXECUTE FUNCTION scoring_keep_publication();
"""

MUTABLE = """
DROP TRIGGER publication_moment_stays ON scoring_publication;
DROP FUNCTION scoring_keep_publication();
DROP TRIGGER definition_published_stays ON scoring_definition;
DROP FUNCTION scoring_keep_published();
"""

# Every publication there was has been judged by the command that made it.
JUDGED = "UPDATE scoring_publication SET judged_at = coalesce(retracted_at, now()) WHERE judged_at IS NULL"


class Migration(migrations.Migration):
    dependencies = [
        ("scoring", "0004_runs_and_drafts"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="approval",
            name="approval_once_a_team",
        ),
        migrations.RemoveConstraint(
            model_name="approval",
            name="approval_one_team_a_person",
        ),
        migrations.AddField(
            model_name="approval",
            name="withdrawn_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="approval",
            name="withdrawn_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="run",
            name="reached",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddConstraint(
            model_name="approval",
            constraint=models.UniqueConstraint(
                condition=models.Q(("withdrawn_at", None)),
                fields=("definition", "revision", "team"),
                name="approval_once_a_team",
            ),
        ),
        migrations.AddConstraint(
            model_name="approval",
            constraint=models.UniqueConstraint(
                condition=models.Q(("withdrawn_at", None)),
                fields=("definition", "revision", "approved_by"),
                name="approval_one_team_a_person",
            ),
        ),
        migrations.AddConstraint(
            model_name="approval",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("withdrawn_at", None), ("withdrawn_by", None)),
                    models.Q(("withdrawn_at__isnull", False), ("withdrawn_by__isnull", False)),
                    _connector="OR",
                ),
                name="approval_withdrawn_paired",
            ),
        ),
        migrations.RunSQL(SOUND, NOT_SOUND),
        migrations.RunSQL(IMMUTABLE, MUTABLE),
        migrations.RunSQL(JUDGED, migrations.RunSQL.noop),
    ]

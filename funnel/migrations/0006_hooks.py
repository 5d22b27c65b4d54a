import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.datetime
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('funnel', '0005_notifications'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='HookEndpoint',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('url', models.CharField(max_length=2000)),
                ('description', models.CharField(blank=True, max_length=200)),
                ('types', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=32), blank=True, default=list, size=None)),
                ('generation', models.PositiveIntegerField(default=1)),
                ('rotated_at', models.DateTimeField(blank=True, null=True)),
                ('disabled_at', models.DateTimeField(blank=True, null=True)),
                ('disabled_for', models.CharField(blank=True, choices=[('by_hand', 'Disabled by a person'), ('gone', 'Its receiver answered 410 Gone'), ('failing', 'It failed for too long')], max_length=8)),
                ('failing_since', models.DateTimeField(blank=True, null=True)),
                ('failed', models.PositiveIntegerField(default=0)),
                ('ran_out', models.PositiveIntegerField(default=0)),
                ('flagged_at', models.DateTimeField(blank=True, null=True)),
                ('paused_until', models.DateTimeField(blank=True, null=True)),
                ('last_success_at', models.DateTimeField(blank=True, null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('created_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='HookMessage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uid', models.CharField(max_length=40, unique=True)),
                ('type', models.CharField(max_length=32)),
                ('contact_ids', django.contrib.postgres.fields.ArrayField(base_field=models.BigIntegerField(), blank=True, default=list, size=None)),
                ('body', models.TextField()),
                ('at', models.DateTimeField()),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('announcement', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='hook_message', to='funnel.announcement')),
            ],
        ),
        migrations.CreateModel(
            name='HookDelivery',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(choices=[('waiting', 'waiting'), ('delivered', 'delivered'), ('dead', 'dead letter')], default='waiting', max_length=9)),
                ('due_at', models.DateTimeField(blank=True, null=True)),
                ('leased_until', models.DateTimeField(blank=True, null=True)),
                ('takes', models.PositiveSmallIntegerField(default=0)),
                ('attempts', models.PositiveIntegerField(default=0)),
                ('failed', models.PositiveSmallIntegerField(default=0)),
                ('last_fault', models.CharField(blank=True, choices=[('refused_destination', 'Destination not allowed'), ('name_not_found', 'Name not found'), ('unreachable', 'Cannot be reached'), ('tls', 'No secure connection'), ('timeout', 'No answer in time'), ('broken_answer', 'Broken answer'), ('redirect', 'Redirect'), ('gone', 'Gone'), ('status', 'Refused by the receiver'), ('interrupted', 'Interrupted again and again'), ('disabled', 'Endpoint disabled')], max_length=20)),
                ('last_status', models.PositiveSmallIntegerField(blank=True, null=True)),
                ('closed_at', models.DateTimeField(blank=True, null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('endpoint', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='funnel.hookendpoint')),
                ('message', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='deliveries', to='funnel.hookmessage')),
            ],
        ),
        migrations.CreateModel(
            name='HookAttempt',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.PositiveIntegerField()),
                ('at', models.DateTimeField()),
                ('took_ms', models.PositiveIntegerField(default=0)),
                ('fault', models.CharField(blank=True, choices=[('refused_destination', 'Destination not allowed'), ('name_not_found', 'Name not found'), ('unreachable', 'Cannot be reached'), ('tls', 'No secure connection'), ('timeout', 'No answer in time'), ('broken_answer', 'Broken answer'), ('redirect', 'Redirect'), ('gone', 'Gone'), ('status', 'Refused by the receiver'), ('interrupted', 'Interrupted again and again'), ('disabled', 'Endpoint disabled')], max_length=20)),
                ('status', models.PositiveSmallIntegerField(blank=True, null=True)),
                ('answer', models.TextField(blank=True)),
                ('delivery', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='tries', to='funnel.hookdelivery')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('delivery', 'number'), name='hookattempt_number_once')],
            },
        ),
        migrations.AddConstraint(
            model_name='hookendpoint',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('disabled_at', None), ('disabled_for', '')), models.Q(('disabled_at__isnull', False), ('disabled_for__in', ['by_hand', 'gone', 'failing'])), _connector='OR'), name='hookendpoint_disabled_paired'),
        ),
        migrations.AddIndex(
            model_name='hookmessage',
            index=django.contrib.postgres.indexes.GinIndex(fields=['contact_ids'], name='hookmessage_of_contact'),
        ),
        migrations.AddIndex(
            model_name='hookmessage',
            index=models.Index(fields=['created_at'], name='hookmessage_by_age'),
        ),
        migrations.AddIndex(
            model_name='hookdelivery',
            index=models.Index(condition=models.Q(('state', 'waiting')), fields=['endpoint', 'due_at', 'id'], name='hookdelivery_waiting'),
        ),
        migrations.AddIndex(
            model_name='hookdelivery',
            index=models.Index(fields=['endpoint', '-id'], name='hookdelivery_of_endpoint'),
        ),
        migrations.AddIndex(
            model_name='hookdelivery',
            index=models.Index(condition=models.Q(('state', 'dead')), fields=['endpoint', '-id'], name='hookdelivery_dead'),
        ),
        migrations.AddConstraint(
            model_name='hookdelivery',
            constraint=models.UniqueConstraint(fields=('message', 'endpoint'), name='hookdelivery_once'),
        ),
        migrations.AddConstraint(
            model_name='hookdelivery',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('closed_at', None), ('due_at__isnull', False), ('state', 'waiting')), models.Q(('closed_at__isnull', False), ('due_at', None), ('leased_until', None), ('state__in', ['delivered', 'dead'])), _connector='OR'), name='hookdelivery_state_paired'),
        ),
    ]

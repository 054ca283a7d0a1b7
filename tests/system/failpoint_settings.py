"""The project's settings, and the failpoint beside its apps."""

import os

# The package `config` makes its Celery application, which asks for settings while these are half made: not for these.
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.system.failpoint.FailpointConfig"]

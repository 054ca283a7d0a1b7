"""The stream role: `gunicorn config.asgi:application -c config/gunicorn.py --worker-class asgi`."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_asgi_application()

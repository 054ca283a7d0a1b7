from django.apps import AppConfig

from brokerage import logins


class BrokerageConfig(AppConfig):
    name = "brokerage"
    verbose_name = "The firm"

    def ready(self) -> None:
        logins.listen()

from django.apps import AppConfig

from brokerage.observability import auth_log


class BrokerageConfig(AppConfig):
    name = "brokerage"
    verbose_name = "The firm"

    def ready(self) -> None:
        auth_log.connect_receivers()

"""The AMQP link between broker and exchange: durable queues, publishing with confirms, consuming in batches."""

from exchange.link.connection import ORDERS, REPORTS, LinkDown, Queue, declare
from exchange.link.consumer import Consumer, Delivery
from exchange.link.publisher import WINDOW, Outgoing, Publisher

__all__ = [
    "ORDERS",
    "REPORTS",
    "WINDOW",
    "Consumer",
    "Delivery",
    "LinkDown",
    "Outgoing",
    "Publisher",
    "Queue",
    "declare",
]

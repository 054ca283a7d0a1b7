"""The AMQP link between broker and exchange: durable queues, publishing with confirms, consuming in batches."""

from exchange.amqp.connection import ORDERS, REPORTS, LinkDown, Queue, declare
from exchange.amqp.consumer import Consumer, Delivery
from exchange.amqp.publisher import WINDOW, OutboundMessage, Publisher

__all__ = [
    "ORDERS",
    "REPORTS",
    "WINDOW",
    "Consumer",
    "Delivery",
    "LinkDown",
    "OutboundMessage",
    "Publisher",
    "Queue",
    "declare",
]

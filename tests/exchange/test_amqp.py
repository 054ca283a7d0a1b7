"""The promises of the link, on a real RabbitMQ: confirmed or not believed; in order, once handled, never lost."""

import os
import threading
import time
from contextlib import ExitStack, contextmanager, suppress

import amqp
import pytest
from django.conf import settings
from django.db import OperationalError

from exchange.amqp import ORDERS, REPORTS, WINDOW, Consumer, LinkDown, OutboundMessage, Publisher, declare
from tests.exchange.relay import Relay


def messages(*names):
    return [OutboundMessage(str(name), f"body {name}".encode()) for name in names]


def names(deliveries):
    return [delivery.message_id for delivery in deliveries]


def depth(channel, queue):
    return channel.connection.channel().queue_declare(queue.name, passive=True).message_count


def take_all(channel, queue):
    channel.basic_qos(0, 1000, False)
    found = []
    while message := channel.basic_get(queue.name, no_ack=True):
        found.append(message)
    return found


@pytest.fixture
def relay():
    relay = Relay(settings.EXCHANGE_URL)
    yield relay
    relay.close()


@pytest.fixture
def publisher(queue):
    publisher = Publisher(settings.EXCHANGE_URL, queue)
    yield publisher
    publisher.close()


@contextmanager
def consuming(queue, handle, *, url=None, **options):
    consumer = Consumer(url or settings.EXCHANGE_URL, queue, handle, **options)
    thread = threading.Thread(target=consumer.run, daemon=True)
    thread.start()
    try:
        yield consumer
    finally:
        consumer.stop()
        thread.join(10)
        assert not thread.is_alive()


def wait_for(condition, timeout=15):
    until = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)


class TestDeclare:
    def test_makes_the_two_queues_of_the_link(self, channel):
        declare(channel)
        for queue in (ORDERS, REPORTS):
            channel.queue_declare(queue.name, passive=True)
        assert ORDERS.arguments == {"x-queue-type": "quorum"}
        assert REPORTS.arguments == {"x-queue-type": "quorum", "x-single-active-consumer": True}


class TestPublisher:
    def test_what_is_confirmed_is_in_the_queue_in_order(self, publisher, channel, queue):
        publisher.publish(messages(*range(WINDOW)))
        publisher.publish(messages("last"))
        found = take_all(channel, queue)
        assert [message.properties["message_id"] for message in found] == [*map(str, range(WINDOW)), "last"]
        assert found[0].properties["content_type"] == "application/json"
        assert found[0].properties["delivery_mode"] == 2
        assert bytes(found[0].body, "utf-8") if isinstance(found[0].body, str) else found[0].body == b"body 0"

    def test_a_window_has_a_limit(self, publisher):
        with pytest.raises(ValueError, match="at most"):
            publisher.publish(messages(*range(WINDOW + 1)))

    def test_a_broker_that_is_not_there(self, queue):
        with pytest.raises(LinkDown):
            Publisher("amqp://guest:guest@127.0.0.1:1//", queue).publish(messages("a"))

    def test_silence_after_publishing_is_not_a_confirm(self, queue, relay, channel):
        publisher = Publisher(relay.url, queue, confirm_timeout_s=0.5)
        publisher.publish(messages("a"))
        relay.silent_downstream = True
        with pytest.raises(LinkDown, match="not confirmed"):
            publisher.publish(messages("b", "c"))
        wait_for(lambda: depth(channel, queue) == 3)  # they were there, and nobody could know

    def test_a_late_confirm_is_not_taken_for_another_message(self, queue, relay, channel):
        publisher = Publisher(relay.url, queue, confirm_timeout_s=0.5)
        publisher.publish(messages("a"))
        relay.silent_downstream = True
        with pytest.raises(LinkDown):
            publisher.publish(messages("b"))
        relay.silent_downstream = False
        publisher.publish(messages("c"))
        assert relay.connections == 2

    def test_counts_confirms_by_their_tag(self, publisher):
        publisher._unconfirmed = {1, 2, 3, 4, 5}
        publisher._on_ack(4, False)
        assert publisher._unconfirmed == {1, 2, 3, 5}
        publisher._on_ack(2, True)
        assert publisher._unconfirmed == {3, 5}

    def test_a_refused_message_is_not_sent(self, publisher):
        publisher.publish(messages("a"))
        publisher._on_nack(1, False)
        with pytest.raises(LinkDown, match="refused"):
            publisher.publish(messages("b"))
        publisher.publish(messages("c"))

    def test_a_connection_that_breaks_is_replaced_by_the_next_call(self, queue, relay):
        publisher = Publisher(relay.url, queue)
        publisher.publish(messages("a"))
        relay.cut()
        with pytest.raises(LinkDown):
            publisher.publish(messages("b"))
        publisher.publish(messages("c"))

    def test_a_queue_that_was_deleted_is_noticed_and_made_again(self, publisher, channel, queue):
        publisher.publish(messages("a"))
        channel.queue_delete(queue.name)
        with pytest.raises(LinkDown, match="not there"):
            publisher.publish(messages("b"))
        publisher.publish(messages("c"))
        assert [message.properties["message_id"] for message in take_all(channel, queue)] == ["c"]

    def test_says_when_the_queue_had_to_be_made(self, channel, queue):
        made = []
        publisher = Publisher(settings.EXCHANGE_URL, queue, queue_was_missing=lambda: made.append(1))
        publisher.publish(messages("a"))
        assert made == []
        channel.connection.channel().queue_delete(queue.name)
        with pytest.raises(LinkDown):
            publisher.publish(messages("b"))
        publisher.publish(messages("b"))
        assert made == [1]
        publisher.close()

    def test_a_connection_that_was_idle_for_a_heartbeat_is_replaced(self, queue, relay):
        now = [100.0]
        publisher = Publisher(relay.url, queue, clock=lambda: now[0])
        publisher.publish(messages("a"))
        now[0] += 4.9
        publisher.publish(messages("b"))
        assert relay.connections == 1
        now[0] += 5
        publisher.publish(messages("c"))
        assert relay.connections == 2

    def test_publishes_over_the_connection_there_was_or_not_at_all(self, queue, relay):
        """What was seen before a new connection may not be true any more."""
        now = [100.0]
        publisher = Publisher(relay.url, queue, clock=lambda: now[0])
        publisher.connect()
        publisher.publish(messages("a"), connected=True)
        now[0] += 60
        relay.cut()
        with pytest.raises(LinkDown):
            publisher.publish(messages("b"), connected=True)
        with pytest.raises(LinkDown, match="not connected"):
            publisher.publish(messages("b"), connected=True)
        assert relay.connections == 1
        publisher.connect()
        publisher.publish(messages("b"), connected=True)
        assert relay.connections == 2

    def test_a_sender_that_does_not_publish_is_cut_off_by_the_broker(self, queue):
        publisher = Publisher(settings.EXCHANGE_URL, queue)
        publisher.publish(messages("a"))
        sock = publisher._connection.transport.sock
        sock.settimeout(20)
        begun = time.monotonic()
        with suppress(ConnectionResetError):
            while sock.recv(4096):  # the broker's heartbeats, then the end
                pass
        assert time.monotonic() - begun < 18, "before a lease of 20 s is over"

    def test_a_forked_child_opens_its_own_connection_and_leaves_the_parents_alone(self, publisher, channel, queue):
        publisher.publish(messages("parent"))
        pid = os.fork()
        if pid == 0:
            try:
                publisher.publish(messages("child"))
                os._exit(0)
            except BaseException:
                os._exit(1)
        assert os.waitpid(pid, 0)[1] == 0
        before = publisher._connection
        publisher.publish(messages("parent again"))
        assert publisher._connection is before
        found = [message.properties["message_id"] for message in take_all(channel, queue)]
        assert found == ["parent", "child", "parent again"]


class TestConsumer:
    def test_hands_on_what_is_there_in_order_and_acknowledges_it(self, publisher, channel, queue):
        publisher.publish(messages(*range(95)))
        batches = []
        with consuming(queue, lambda batch: batches.append(names(batch)), batch=40):
            wait_for(lambda: sum(map(len, batches)) == 95)
            publisher.publish(messages("alone"))  # never waits for more
            wait_for(lambda: batches[-1] == ["alone"])
        assert [name for batch in batches for name in batch] == [*map(str, range(95)), "alone"]
        assert max(map(len, batches)) == 40
        assert depth(channel, queue) == 0

    def test_bytes_stay_bytes(self, channel, queue):
        received = []
        with consuming(queue, received.extend):
            publisher = Publisher(settings.EXCHANGE_URL, queue)
            publisher.publish([OutboundMessage("a", b"\xff\x00")])
            wait_for(lambda: received)
        assert (received[0].body, received[0].message_id, received[0].redelivered) == (b"\xff\x00", "a", False)

    @pytest.mark.parametrize("name", ["message_id", "correlation_id", "app_id"])
    def test_properties_that_are_no_text_stop_nothing(self, channel, publisher, queue, name):
        """The body, and the next message, are read all the same."""
        odd = amqp.Message(b"odd", **{"message_id": "1", name: b"\xff\xfe"})
        channel.connection.channel().basic_publish(odd, routing_key=queue.name)
        wait_for(lambda: depth(channel, queue) == 1)
        publisher.publish(messages("next"))
        received = []
        with consuming(queue, received.extend):
            wait_for(lambda: len(received) == 2)
        assert [(delivery.body, delivery.message_id) for delivery in received] == [(b"odd", ""), (b"body next", "next")]

    def test_what_was_handled_and_not_acknowledged_comes_again_in_order(self, publisher, queue, relay):
        publisher.publish(messages(*range(10)))
        seen = []

        def handle(batch):
            seen.append(names(batch))
            if len(seen) == 1:
                relay.cut()

        with consuming(queue, handle, url=relay.url, batch=4):
            wait_for(lambda: seen and seen[-1][-1] == "9")
        assert seen[0] == ["0", "1", "2", "3"]
        # What had arrived before the cut may still be handled; then all of it comes again, in order.
        assert [name for batch in seen for name in batch][-10:] == [str(n) for n in range(10)]

    def test_a_batch_that_fails_for_a_passing_reason_is_tried_again_in_place(self, publisher, queue, channel):
        publisher.publish(messages(*range(6)))
        attempts, done, again = [], [], []

        def handle(batch):
            attempts.append(names(batch))
            again.append(batch[0].redelivered)
            if len(attempts) <= 2:
                raise OperationalError("the database is away")
            done.extend(names(batch))

        with consuming(queue, handle, batch=3):
            wait_for(lambda: len(done) == 6)
        assert attempts[0] == attempts[1] == attempts[2] == ["0", "1", "2"]
        assert again == [False, True, True, False], "nobody knows how far a batch came that failed"
        assert done == [str(n) for n in range(6)]
        assert depth(channel, queue) == 0

    def test_the_link_stays_up_while_a_batch_is_tried_again(self, publisher, queue, relay):
        publisher.publish(messages("a"))
        until = time.monotonic() + 3
        done = []

        def handle(batch):
            if time.monotonic() < until:
                raise LinkDown("the other way round")
            done.extend(batch)

        with consuming(queue, handle, url=relay.url):
            wait_for(lambda: done)
        assert relay.connections == 1

    def test_stops_in_the_middle_of_trying_and_gives_the_batch_back(self, publisher, queue, channel):
        publisher.publish(messages("a"))
        tried = threading.Event()

        def handle(batch):
            tried.set()
            raise OperationalError("the database is away")

        with consuming(queue, handle):
            assert tried.wait(10)
        wait_for(lambda: depth(channel, queue) == 1)

    def test_an_error_of_its_own_ends_it(self, publisher, queue, channel):
        publisher.publish(messages("a"))

        def handle(batch):
            raise ZeroDivisionError("a bug")

        with pytest.raises(ZeroDivisionError):
            Consumer(settings.EXCHANGE_URL, queue, handle).run()
        wait_for(lambda: depth(channel, queue) == 1)

    def test_a_queue_that_is_deleted_is_made_again(self, publisher, queue, channel):
        received = []
        with consuming(queue, received.extend):
            publisher.publish(messages("a"))
            wait_for(lambda: names(received) == ["a"])
            channel.queue_delete(queue.name)
            wait_for(lambda: _exists(channel, queue))
            wait_for(lambda: _published(publisher, "b"))
            wait_for(lambda: names(received) == ["a", "b"])

    def test_a_queue_that_is_deleted_again_and_again_stops_neither_side(self, publisher, queue, channel):
        """Both declare it while its process starts or ends, which RabbitMQ answers with an error of the connection."""
        received = []
        with consuming(queue, lambda batch: received.extend(names(batch))):
            for number in range(25):
                channel.queue_delete(queue.name)
                _published(publisher, number)
            wait_for(lambda: _published(publisher, "last"))
            wait_for(lambda: "last" in received)

    def test_says_when_messages_may_have_been_lost(self, publisher, queue, channel, relay):
        """Not at the first connection to a queue that is there; but after a cut, and when the queue is gone."""
        gaps, received = [], []
        channel.connection.channel().queue_declare(queue.name, passive=True)
        options = {"url": relay.url, "after_gap": lambda: gaps.append(len(received))}
        with consuming(queue, lambda batch: received.extend(names(batch)), **options):
            publisher.publish(messages("before"))
            wait_for(lambda: received == ["before"])
            assert gaps == []
            relay.cut()
            wait_for(lambda: gaps == [1])
            channel.connection.channel().queue_delete(queue.name)
            wait_for(lambda: len(gaps) == 2)
            wait_for(lambda: _published(publisher, "after"))  # a queue just made may still refuse: then it is down
            wait_for(lambda: received == ["before", "after"])

    def test_says_so_when_the_queue_was_not_there_at_the_start(self, queue, channel):
        channel.connection.channel().queue_delete(queue.name)
        gaps = []
        with consuming(queue, lambda batch: None, after_gap=lambda: gaps.append(1)):
            wait_for(lambda: gaps)

    def test_says_so_again_until_it_was_heard(self, queue, channel):
        """The database may be away at that moment, too."""
        channel.connection.channel().queue_delete(queue.name)
        attempts = []

        def after_gap():
            attempts.append(1)
            if len(attempts) < 3:
                raise OperationalError("the database is away")

        with consuming(queue, lambda batch: None, after_gap=after_gap):
            wait_for(lambda: len(attempts) == 3)

    def test_of_two_on_the_reports_one_stands_by_and_takes_over(self, make_queue):
        queue = make_queue(single_active=True)
        publisher = Publisher(settings.EXCHANGE_URL, queue)
        first, second = [], []
        with ExitStack() as standing_by:
            with consuming(queue, first.extend):
                publisher.publish(messages("a"))
                wait_for(lambda: names(first) == ["a"])
                standing_by.enter_context(consuming(queue, second.extend))
                publisher.publish(messages("b"))
                wait_for(lambda: names(first) == ["a", "b"])
            publisher.publish(messages("c"))
            wait_for(lambda: names(second) == ["c"])

    def test_waits_for_a_broker_that_is_not_there_and_can_be_stopped(self, queue):
        with consuming(queue, lambda batch: None, url="amqp://guest:guest@127.0.0.1:1//"):
            time.sleep(0.5)


def _published(publisher, name):
    """A queue that somebody else is just making may refuse its first message."""
    try:
        publisher.publish(messages(name))
    except LinkDown:
        return False
    return True


def _exists(channel, queue):
    probe = channel.connection.channel()
    try:
        probe.queue_declare(queue.name, passive=True)
    except Exception:
        return False
    return True

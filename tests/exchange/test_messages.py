"""What comes from the exchange is read strictly, and whatever the bytes are, nothing but MalformedMessage is raised."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.fix.messages import (
    CancelReject,
    ExecType,
    ExecutionReport,
    MalformedMessage,
    encode,
    new_order_single,
    order_cancel_replace_request,
    order_cancel_request,
    order_status_request,
    parse,
)
from exchange.simulator.requests import parse_request

NOW = datetime(2026, 11, 22, 10, 15, 30, 123456, tzinfo=UTC)
FILL = {
    "ExecID": "E1",
    "ExecType": "F",
    "OrdStatus": "1",
    "ClOrdID": "C1",
    "SecondaryClOrdID": "T1",
    "Symbol": "INFY",
    "Side": "1",
    "OrderQty": "10",
    "Price": "101.50",
    "LastQty": "4",
    "LastPx": "101.25",
    "CumQty": "4",
    "LeavesQty": "6",
    "TransactTime": "20261122-10:15:30.123",
}
REJECT = {"ClOrdID": "C2", "OrigClOrdID": "C1", "CxlRejReason": "0", "CxlRejResponseTo": "1", "Text": "too late"}
TERMS = {
    "account": 7,
    "symbol": "INFY",
    "side": "SELL",
    "quantity": 10,
    "price": Decimal("101.50000000"),
    "time_in_force": "GTC",
    "transact_time": NOW,
    "trade_id": "T1",
}


def message(body, msg_type="8", **header):
    return json.dumps({"Header": {"MsgType": msg_type, **header}, "Body": body}).encode()


def without(body, *names):
    return {name: value for name, value in body.items() if name not in names}


class TestReports:
    def test_reads_a_fill(self):
        report = parse(message(FILL, PossResend="Y"))
        assert isinstance(report, ExecutionReport)
        assert (report.exec_id, report.exec_type, report.cl_ord_id, report.trade_ref) == ("E1", "F", "C1", "T1")
        assert (report.last_qty, report.last_px, report.order_qty) == (4, Decimal("101.25"), 10)
        assert report.transact_time == datetime(2026, 11, 22, 10, 15, 30, 123000, tzinfo=UTC)
        assert report.side == "BUY"
        assert report.poss_resend
        assert report.body == FILL

    def test_reads_a_cancel_reject(self):
        reject = parse(message(REJECT, "9"))
        assert isinstance(reject, CancelReject)
        assert (reject.cl_ord_id, reject.orig_cl_ord_id, reject.cxl_rej_response_to) == ("C2", "C1", "1")

    def test_either_name_of_the_order_is_enough(self):
        assert parse(message(without(FILL, "ClOrdID"))).cl_ord_id is None
        assert parse(message(without(FILL, "SecondaryClOrdID"))).trade_ref is None

    def test_keeps_and_ignores_fields_it_does_not_know(self):
        assert parse(message(FILL | {"9730": "A", "AvgPx": "x"})).body["9730"] == "A"

    @pytest.mark.parametrize("name", ["OrderQty", "Price", "CumQty", "LeavesQty", "TransactTime", "Side", "OrderID"])
    def test_an_optional_field_that_cannot_be_read_counts_as_absent(self, name):
        report = parse(message(FILL | {name: "1e3" + "x" * 200}))
        field = {"OrderQty": "order_qty", "CumQty": "cum_qty", "LeavesQty": "leaves_qty"}.get(name, name.lower())
        field = {"transacttime": "transact_time", "orderid": "order_id"}.get(field, field)
        assert getattr(report, field) is None
        assert report.body[name].startswith("1e3")

    @pytest.mark.parametrize("time", ["20261122-10:15:30", "20261122-10:15:30.1", "20261122-10:15:30.123456789"])
    def test_reads_a_time_with_any_fraction(self, time):
        assert parse(message(FILL | {"TransactTime": time})).transact_time.replace(microsecond=0) == NOW.replace(
            microsecond=0
        )

    @pytest.mark.parametrize("time", ["20260230-10:15:30", "2026-11-22T10:15:30Z", "20261122-10:15:60", "", "20261122"])
    def test_a_time_that_is_none_counts_as_absent(self, time):
        assert parse(message(FILL | {"TransactTime": time})).transact_time is None

    @pytest.mark.parametrize(("quantity", "whole"), [("4", 4), ("0004", 4), ("4.0", 4), (str(2**63 - 1), 2**63 - 1)])
    def test_reads_a_whole_quantity(self, quantity, whole):
        assert parse(message(FILL | {"LastQty": quantity})).last_qty == whole

    @pytest.mark.parametrize(
        ("price", "value"), [("0", "0"), ("100", "100"), ("0.00000001", "0.00000001"), ("9" * 16 + "." + "9" * 8, None)]
    )
    def test_reads_any_price_that_the_database_can_hold(self, price, value):
        assert parse(message(FILL | {"LastPx": price})).last_px == Decimal(value or price)

    def test_text_that_no_database_can_hold_is_replaced(self):
        report = parse(message(FILL | {"Text": "a\x00b\ud800"}))
        assert report.text == report.body["Text"] == "a\ufffdb\ufffd"


class TestMalformed:
    @pytest.mark.parametrize("name", ["ExecID", "ExecType", "LastQty", "LastPx"])
    def test_a_fill_without(self, name):
        with pytest.raises(MalformedMessage, match=name):
            parse(message(without(FILL, name)))

    def test_a_report_that_names_no_order(self):
        with pytest.raises(MalformedMessage, match="ClOrdID"):
            parse(message(without(FILL, "ClOrdID", "SecondaryClOrdID")))

    @pytest.mark.parametrize("exec_type", ["G", "H"])
    def test_a_bust_or_correction_of_nothing(self, exec_type):
        with pytest.raises(MalformedMessage, match="ExecRefID"):
            parse(message(FILL | {"ExecType": exec_type}))

    @pytest.mark.parametrize(
        "quantity",
        ["0", "-4", "+4", "4.5", "4e3", "NaN", "Infinity", "", " 4", "4\n", "٤", str(2**63), "9" * 70],
    )
    def test_a_fill_of_no_whole_quantity(self, quantity):
        with pytest.raises(MalformedMessage, match="LastQty"):
            parse(message(FILL | {"LastQty": quantity}))

    @pytest.mark.parametrize(
        "price", ["-1", "+1", "1e2", "NaN", "Infinity", "", ".5", "5.", "1.000000001", "1" + "0" * 16, "1,5", "0x1"]
    )
    def test_a_fill_at_no_price(self, price):
        with pytest.raises(MalformedMessage, match="LastPx"):
            parse(message(FILL | {"LastPx": price}))

    @pytest.mark.parametrize("exec_id", ["", "x" * 129, "a\x00b"])
    def test_an_id_that_is_none(self, exec_id):
        with pytest.raises(MalformedMessage, match="ExecID"):
            parse(message(FILL | {"ExecID": exec_id}))

    def test_a_cancel_reject_that_names_no_request(self):
        with pytest.raises(MalformedMessage, match="ClOrdID"):
            parse(message(without(REJECT, "ClOrdID"), "9"))

    @pytest.mark.parametrize("exec_type", ["", "1", "Z", "FF"])
    def test_an_exec_type_it_does_not_know(self, exec_type):
        with pytest.raises(MalformedMessage, match="ExecType"):
            parse(message(FILL | {"ExecType": exec_type}))

    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"{",
            b"null",
            b"[]",
            b'"8"',
            b"\xff\xfe",
            b"[" * 50_000,
            b'{"Header":{"MsgType":"8"}}',
            b'{"Header":{"MsgType":"8"},"Body":[]}',
            b'{"Header":{},"Body":{}}',
            b'{"Header":{"MsgType":8},"Body":{}}',
            b'{"Header":{"MsgType":"8"},"Body":{"ExecID":1}}',
            b'{"Header":{"MsgType":"8"},"Body":{"ExecID":"1","ExecID":"2"}}',
            b'{"Header":{"MsgType":"0"},"Body":{}}',
            message(FILL | {"Text": "x" * 65_536}),
        ],
    )
    def test_bytes_that_are_no_message(self, raw):
        with pytest.raises(MalformedMessage) as caught:
            parse(raw)
        assert caught.value.code == "MALFORMED"

    @pytest.mark.parametrize("msg_type", ["D", "F", "G", "H"])
    def test_a_message_in_the_wrong_direction_is_unsupported(self, msg_type):
        with pytest.raises(MalformedMessage) as caught:
            parse(message({"ClOrdID": "C1"}, msg_type))
        assert (caught.value.code, caught.value.msg_type) == ("UNSUPPORTED", msg_type)


class TestRequests:
    def test_a_new_order_has_the_fields_of_the_contract(self):
        assert new_order_single(cl_ord_id="C1", **TERMS) == {
            "ClOrdID": "C1",
            "Account": "7",
            "Symbol": "INFY",
            "Side": "2",
            "OrderQty": "10",
            "OrdType": "2",
            "Price": "101.50",
            "TimeInForce": "1",
            "TransactTime": "20261122-10:15:30.123456",
            "SecondaryClOrdID": "T1",
        }

    def test_an_amendment_has_the_full_wished_terms(self):
        body = order_cancel_replace_request(cl_ord_id="C2", orig_cl_ord_id="C1", **TERMS)
        assert body == new_order_single(cl_ord_id="C2", **TERMS) | {"OrigClOrdID": "C1"}

    def test_a_cancellation_and_a_status_request(self):
        terms = {name: TERMS[name] for name in ("symbol", "side", "quantity", "transact_time", "trade_id")}
        cancel = order_cancel_request(cl_ord_id="C2", orig_cl_ord_id="C1", **terms)
        assert set(cancel) == {
            "ClOrdID", "OrigClOrdID", "Symbol", "Side", "OrderQty", "TransactTime", "SecondaryClOrdID",
        }  # fmt: skip
        status = order_status_request(ord_status_req_id="S", cl_ord_id="C", symbol="INFY", side="BUY", trade_id="T")
        assert set(status) == {"OrdStatusReqID", "ClOrdID", "Symbol", "Side", "SecondaryClOrdID"}

    def test_a_resend_differs_in_the_header_only(self):
        body = new_order_single(cl_ord_id="C1", **TERMS)
        first = json.loads(encode("D", body, sending_time=NOW))
        again = json.loads(encode("D", body, sending_time=NOW + timedelta(seconds=9), poss_resend=True))
        assert first["Header"] == {
            "MsgType": "D",
            "SenderCompID": "BROKER",
            "TargetCompID": "EXCHANGE",
            "SendingTime": "20261122-10:15:30.123",
        }
        assert again["Header"]["PossResend"] == "Y"
        assert again["Body"] == first["Body"] == body

    def test_times_are_utc_and_never_without_a_zone(self):
        india = timezone(timedelta(hours=5, minutes=30))
        body = new_order_single(cl_ord_id="C1", **TERMS | {"transact_time": NOW.astimezone(india)})
        assert body["TransactTime"] == "20261122-10:15:30.123456"
        with pytest.raises(ValueError, match="zone"):
            new_order_single(cl_ord_id="C1", **TERMS | {"transact_time": NOW.replace(tzinfo=None)})


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)
field_names = st.sampled_from([*FILL, "ExecRefID", "OrigClOrdID", "OrdStatusReqID", "Text"])
field_values = st.sampled_from(["", "0", "1", "F", "G", "H", "I", "NaN", "1e9", "-1", "C1"]) | st.text(max_size=140)
near_messages = st.builds(
    message,
    st.dictionaries(field_names, field_values).map(lambda changes: FILL | changes),
    st.sampled_from(["8", "9", "D", "G", "F", "H"]) | st.text(max_size=3),
)


class TestAnyBytes:
    @given(st.binary(max_size=400) | json_values.map(lambda value: json.dumps(value).encode()) | near_messages)
    def test_are_a_message_or_malformed_and_nothing_else(self, raw):
        for read in (parse, parse_request):
            try:
                result = read(raw)
            except MalformedMessage:
                continue
            assert result.cl_ord_id or result.trade_ref
            assert "\x00" not in repr(result)

    @given(
        exec_type=st.sampled_from(ExecType),
        exec_id=st.text(min_size=1, max_size=128, alphabet=st.characters(exclude_categories=["Cs", "Cc"])).filter(
            lambda text: "\ufffd" not in text
        ),
        last_qty=st.integers(1, 2**63 - 1),
        last_px=st.decimals(min_value=0, max_value=10**16 - 1, places=8),
        moment=st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    )
    def test_what_is_written_is_read_again(self, exec_type, exec_id, last_qty, last_px, moment):
        body = FILL | {
            "ExecID": exec_id,
            "ExecType": exec_type,
            "ExecRefID": "E0",
            "LastQty": str(last_qty),
            "LastPx": f"{last_px:f}",
            "TransactTime": moment.strftime("%Y%m%d-%H:%M:%S.%f"),
        }
        report = parse(encode("8", body, sending_time=NOW))
        assert (report.exec_type, report.exec_id) == (exec_type, exec_id)
        assert (report.last_qty, report.last_px, report.transact_time) == (last_qty, last_px, moment)
        assert report.body == body

    @given(
        side=st.sampled_from(["BUY", "SELL"]),
        time_in_force=st.sampled_from(["DAY", "GTC", "IOC", "FOK"]),
        quantity=st.integers(1, 10**12),
        price=st.decimals(min_value=Decimal("0.00000001"), max_value=10**12, places=8),
    )
    def test_the_exchange_reads_the_terms_that_the_broker_wrote(self, side, time_in_force, quantity, price):
        terms = TERMS | {"side": side, "time_in_force": time_in_force, "quantity": quantity, "price": price}
        body = order_cancel_replace_request(cl_ord_id="C2", orig_cl_ord_id="C1", **terms)
        request = parse_request(encode("G", body, sending_time=NOW))
        assert (request.side, request.time_in_force) == (side, time_in_force)
        assert (request.quantity, request.price) == (quantity, price)
        assert (request.cl_ord_id, request.orig_cl_ord_id, request.trade_ref) == ("C2", "C1", "T1")
        assert request.is_limit

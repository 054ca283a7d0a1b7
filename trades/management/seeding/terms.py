"""Inventing the terms of an order: such as its trader can meet, or wrong in the way that its scenario names."""

from decimal import Decimal
from random import Random

from brokerage.models import Instrument
from brokerage.trading_rules import price_band
from holdings import selectors as holdings
from trades.intake.accept import Order
from trades.lifecycle import Side
from wallets import selectors as wallets


def invent_order(
    scenario: str, trader_id: int, symbol: str, *, instruments: dict[str, Instrument], rng: Random
) -> Order:
    """Return an order for some lots of `symbol`, or of a halted or an unknown one where the scenario is about that."""
    halted = [name for name, instrument in instruments.items() if instrument.halted]
    if scenario == "halted" and halted:
        symbol = rng.choice(halted)
    instrument = instruments[symbol]
    price = _invent_price(instrument, scenario, rng)
    cost = price * instrument.lot
    affordable = int(wallets.wallet_of(trader_id).available / cost)
    owned = holdings.holding_of(trader_id, symbol).available // instrument.lot
    side = Side.SELL if scenario == "too few shares" or (owned and rng.random() < 0.55) else Side.BUY
    covered = owned if side is Side.SELL else affordable
    lots = max(1, int(Decimal(rng.lognormvariate(10.2, 1.0)) / cost))
    if scenario in ("too few shares", "too little cash"):
        lots += covered
    elif scenario == "over the limit":
        lots += (instrument.max_quantity or 0) // instrument.lot
    else:
        lots = max(1, min(lots, covered))
    symbol = "INFOSYS" if scenario == "unknown symbol" else symbol
    return Order(symbol, str(side), lots * instrument.lot, price, "GTC" if scenario == "left open" else "DAY")


def _invent_price(instrument: Instrument, scenario: str, rng: Random) -> Decimal:
    """Return a price around the reference price, on a tick and well within the band, unless the scenario says so."""
    tick, (low, high) = instrument.tick, price_band(instrument)
    middle, spread = float(instrument.reference_price), float(instrument.band_percent) / 800
    price = min(max(Decimal(rng.gauss(middle, middle * spread)), low + 10 * tick), high - 10 * tick)
    if scenario == "out of the band":
        price = high + rng.randint(1, 200) * tick
    price = max(price // tick, 1) * tick
    return price + tick / 5 if scenario == "off the tick" else price

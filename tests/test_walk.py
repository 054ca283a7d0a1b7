"""How far a trade goes through the code: what is counted, that a detour shows, and how long the walk may be."""

import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.walking.calls import Count, Entry, Recorder, count, stretches
from tests.walking.project import ROOT

FILES_BAR = 45
FUNCTIONS_BAR = 169
RETURNS_BAR = 136

SHOP = {
    "__init__": "",
    "till": """
        from shop.goods import Goods, each, price

        def sell(names):
            return sum(price(name) for name in names)

        def sell_by_hand(names):
            total = 0
            for name in each(names):
                total += price(name)
            return total

        def sell_with_care(names):
            price("coat")
            check = lambda name: price(name) > 0
            return Goods(names)(check)
        """,
    "goods": """
        prices = {"coat": 60, "hat": 20}
        is_cheap = lambda name: prices[name] < 50

        def price(name):
            return prices[name]

        def each(names):
            for name in names:
                yield name

        class Goods:
            def __init__(self, names):
                self.names = [str(name) for name in names]

            def __call__(self, check):
                return all(check(name) for name in self.names)
        """,
    "detour": """
        from shop.goods import price
        from shop.migrations.first import forward
        from shop.street import walk

        def sell(names):
            forward()
            walk()
            return sum(price(name) for name in names)
        """,
    "street": "from shop.square import cross\ndef walk():\n    cross()",
    "square": "from shop.bridge import pass_over\ndef cross():\n    pass_over()",
    "bridge": "def pass_over():\n    pass",
    "migrations/__init__": "",
    "migrations/first": "def forward():\n    pass",
}
"""A little package that is ours: module → text."""

Watch = Callable[..., list[Entry]]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Finds `module.function` of the little package, which is written to disk and can be imported."""
    for name, text in SHOP.items():
        file = tmp_path / "shop" / f"{name}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(re.sub(r"^ {8}", "", text, flags=re.MULTILINE))
    monkeypatch.syspath_prepend(tmp_path)

    def find(name: str) -> Any:
        module, _, function = name.rpartition(".")
        __import__(f"shop.{module}")
        return getattr(sys.modules[f"shop.{module}"], function)

    yield find
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    """Calls a function and returns what of the little package was entered meanwhile."""

    def call(function: Callable[..., Any], *arguments: Any, others: tuple[str, ...] = ()) -> list[Entry]:
        recorder = Recorder(tmp_path, ["shop"], others)
        with recorder.installed(), recorder.leg() as entries:
            function(*arguments)
        return entries

    return call


def told(entries: list[Entry]) -> list[str]:
    return [f"{Path(entry.file).stem}.{entry.function}" for entry in entries]


class TestTheCount:
    def test_of_a_detour_over_three_files_rises_by_three(self, shop: Callable, watch: Watch) -> None:
        straight = count(watch(shop("till.sell"), ["coat"]))
        around = count(watch(shop("detour.sell"), ["coat"]))
        assert straight.files == 2
        assert around.files == straight.files + 3
        assert around.functions == straight.functions + 3

    def test_of_several_legs_counts_a_file_once_and_returns_leg_by_leg(self) -> None:
        there, back = Entry("a.py", "f"), Entry("b.py", "g")
        assert count([there, back]) == Count(files=2, functions=2, returns=0)
        assert count([there, back], [back, there], [there, back, there]) == Count(files=2, functions=2, returns=1)


class TestAReturn:
    def test_is_a_file_that_was_left_before(self) -> None:
        leg = [Entry(file, "f") for file in "aabbacab"]
        assert [(stretch.file, stretch.is_return) for stretch in stretches(leg)] == [
            *(("a", False), ("b", False), ("a", True), ("c", False), ("a", True), ("b", True)),
        ]
        assert count(leg).returns == 3

    def test_is_not_that_a_call_is_over(self, shop: Callable, watch: Watch) -> None:
        entries = watch(shop("till.sell_by_hand"), ["coat", "hat"])
        assert told(entries) == ["till.sell_by_hand", "goods.each", "goods.price", "goods.price"]
        assert count(entries) == Count(files=2, functions=3, returns=0)


class TestAnEntry:
    def test_of_a_generator_is_its_first_run(self, shop: Callable, watch: Watch) -> None:
        each = shop("goods.each")
        assert told(watch(each, ["coat"])) == []  # made, and thrown away
        assert told(watch(lambda: list(each(["coat", "hat", "coat"])))) == ["goods.each"]

    def test_of_a_generator_that_runs_already_is_none(self, shop: Callable, watch: Watch) -> None:
        running = shop("goods.each")(["coat", "hat"])
        next(running)
        assert told(watch(next, running)) == []

    def test_of_an_object_that_is_called_is_its_call(self, shop: Callable, watch: Watch) -> None:
        goods = shop("goods.Goods")([])
        assert told(watch(goods, bool)) == ["goods.Goods.__call__", "goods.Goods.__call__"]

    def test_of_a_lambda_or_a_generator_expression_is_one_of_the_function_it_stands_in(
        self, shop: Callable, watch: Watch
    ) -> None:
        assert told(watch(shop("till.sell_with_care"), ["hat"])) == [
            "till.sell_with_care",
            "goods.price",
            "goods.Goods.__init__",  # and nothing of the list comprehension in it
            "goods.Goods.__call__",
            "goods.Goods.__call__",  # its generator expression
            "till.sell_with_care",  # its lambda
            "goods.price",
        ]

    def test_of_a_lambda_that_stands_in_no_function_is_its_own(self, shop: Callable, watch: Watch) -> None:
        assert told(watch(shop("goods.is_cheap"), "hat")) == ["goods.<lambda> in line 3"]

    def test_is_not_that_of_a_module(self, shop: Callable, watch: Watch) -> None:
        assert told(watch(shop, "bridge.pass_over")) == []

    def test_in_another_thread_counts(self, shop: Callable, watch: Watch) -> None:
        def sell_elsewhere() -> None:
            thread = threading.Thread(target=shop("goods.price"), args=["hat"])
            thread.start()
            thread.join()

        assert told(watch(sell_elsewhere)) == ["goods.price"]

    def test_of_equal_code_in_two_files_is_in_the_file_it_stands_in(
        self, shop: Callable, watch: Watch, tmp_path: Path
    ) -> None:
        (tmp_path / "shop" / "twin.py").write_text((tmp_path / "shop" / "bridge.py").read_text())
        one, other = shop("bridge.pass_over"), shop("twin.pass_over")
        assert one.__code__ == other.__code__
        assert told(watch(lambda: (one(), other()))) == ["bridge.pass_over", "twin.pass_over"]

    def test_in_what_is_not_ours_is_none(self, shop: Callable, watch: Watch) -> None:
        entries = watch(shop("detour.sell"), ["coat"], others=("shop/square.py", "shop/goods.py"))
        assert told(entries) == ["detour.sell", "street.walk", "bridge.pass_over", "detour.sell"]


@pytest.mark.timeout(600)  # it migrates a database of its own
class TestTheWalkOfABuy:
    def test_is_not_longer_than_it_was(self, record_property: Callable[[str, object], None]) -> None:
        walked = subprocess.run(
            [sys.executable, "-m", "tests.walk"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert walked.returncode == 0, walked.stderr
        last = walked.stdout.splitlines()[-1]
        found = re.fullmatch(r"one buy: (\d+) files, (\d+) functions, (\d+) returns", last)
        assert found, last
        files, functions, returns = map(int, found.groups())
        record_property("files, for one buy", files)
        record_property("functions, for one buy", functions)
        record_property("returns, for one buy", returns)
        assert files <= FILES_BAR
        assert functions <= FUNCTIONS_BAR
        assert returns <= RETURNS_BAR

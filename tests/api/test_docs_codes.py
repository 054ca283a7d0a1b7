"""docs/api.md names every code that a client can meet."""

import re
from pathlib import Path

from brokerage.api.codes import PROBLEMS
from brokerage.reasons import Code

ROOT = Path(__file__).resolve().parents[2]
FOR_STAFF_ONLY = {Code.CUM_QTY_DIFFERS, Code.ORDER_NOT_KNOWN}


def test_every_code_of_a_refusal_is_on_the_page() -> None:
    page = (ROOT / "docs/api.md").read_text()
    known = {str(code) for code in Code if code not in FOR_STAFF_ONLY}
    known |= set(PROBLEMS)
    assert {code for code in known if f"`{code}`" not in page} == set()


def test_every_code_of_a_field_is_on_the_page() -> None:
    page = (ROOT / "docs/api.md").read_text()
    sources = [*ROOT.glob("brokerage/api/*.py"), *ROOT.glob("trades/api/*.py")]
    raised = re.compile(r'(?:self\.fail\(|invalid\([^,]+, |ErrorDetail\([^,]+, )"([a-z_]+)"')
    known = {code.upper() for source in sources for code in raised.findall(source.read_text())}
    assert len(known) > 15
    assert {code for code in known if f"`{code}`" not in page} == set()

"""The database holds every trigger, grant, constraint and role that it held when catalog.json was written.

A migration that changes one on purpose writes the file anew: `UPDATE_CATALOG=1 make test ARGS=tests/test_catalog.py`.
"""

import os

import pytest
from django.db import connection

from tests.catalog import QUERIES, differences, load_catalog, read_catalog, save_catalog


@pytest.fixture
def catalog(db):
    with connection.cursor() as cursor:
        return read_catalog(cursor)


@pytest.fixture
def kept(catalog):
    if "UPDATE_CATALOG" in os.environ:
        save_catalog(catalog)
    return load_catalog()


@pytest.mark.parametrize("part", QUERIES)
def test_the_database_is_as_kept(catalog, kept, part):
    found = differences({part: kept[part]}, {part: catalog[part]})
    assert not found, (
        f"the {part} changed (-: gone, +: new); if on purpose: UPDATE_CATALOG=1 make test ARGS=tests/test_catalog.py\n"
        + "\n".join(found)
    )


def test_differences_are_listed_line_by_line():
    before = {"storage": {"trades_trade": {"fillfactor": "75"}}}
    after = {"storage": {"trades_trade": {"fillfactor": "70"}}}
    assert differences(before, after) == [
        "+ storage: trades_trade: fillfactor: 70",
        "- storage: trades_trade: fillfactor: 75",
    ]
    assert differences(before, before) == []

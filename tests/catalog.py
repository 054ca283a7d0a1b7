"""What a database is made of beside its rows, as plain data: to be compared with what is kept in catalog.json."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

CATALOG_FILE = Path(__file__).with_name("catalog.json")

# Each returns (table or other object, name, definition).
QUERIES = {
    # NOT NULL is told by the models, wherever the server keeps it.
    "constraints": """
        SELECT c.relname, con.conname, pg_get_constraintdef(con.oid)
        FROM pg_constraint con JOIN pg_class c ON c.oid = con.conrelid
        WHERE con.connamespace = 'public'::regnamespace AND con.contype NOT IN ('n', 't')
    """,
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "triggers": """
        SELECT c.relname, t.tgname, pg_get_triggerdef(t.oid) || CASE t.tgenabled WHEN 'O' THEN '' ELSE ' DISABLED' END
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE c.relnamespace = 'public'::regnamespace AND NOT t.tgisinternal
    """,
    "functions": """
        SELECT 'public', p.proname, pg_get_functiondef(p.oid)
        FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
    """,
    "sequences": """
        SELECT 'public', c.relname,
               format('%s FROM %s TO %s START %s INCREMENT %s CACHE %s', format_type(s.seqtypid, NULL),
                      s.seqmin, s.seqmax, s.seqstart, s.seqincrement, s.seqcache)
               || CASE WHEN s.seqcycle THEN ' CYCLE' ELSE '' END
        FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid
        WHERE c.relnamespace = 'public'::regnamespace
    """,
    "storage": """
        SELECT c.relname, option_name, option_value
        FROM pg_class c, pg_options_to_table(c.reloptions)
        WHERE c.relnamespace = 'public'::regnamespace
    """,
    # The owner's own rights come with owning; what others have was granted.
    "grants": """
        SELECT c.relname, g.grantee::regrole::text, string_agg(g.privilege_type, ', ' ORDER BY g.privilege_type)
        FROM pg_class c, aclexplode(c.relacl) g
        WHERE c.relnamespace = 'public'::regnamespace AND g.grantee <> c.relowner
        GROUP BY c.relname, g.grantee
    """,
    "groups": """
        SELECT g.name, t.app_label || '.' || p.codename, p.name
        FROM auth_group g JOIN auth_group_permissions gp ON gp.group_id = g.id
        JOIN auth_permission p ON p.id = gp.permission_id JOIN django_content_type t ON t.id = p.content_type_id
    """,
}
# Django ends generated names with a digest of the names in them.
DIGEST = re.compile(r"_[0-9a-f]{8}(?=_|$|\b)")

Catalog = dict[str, dict[str, dict[str, str]]]


class Cursor(Protocol):
    """Django's or psycopg's."""

    def execute(self, query: str) -> Any: ...

    def fetchall(self) -> list[tuple[str, str, str]]: ...


def read_catalog(cursor: Cursor) -> Catalog:
    """Return {part: {object: {name: definition}}} of the schema `public`, and the permissions of the staff's groups."""
    catalog: Catalog = {}
    for part, query in QUERIES.items():
        cursor.execute(query)
        catalog[part] = _nested(cursor.fetchall())
    return catalog


def differences(before: Catalog, after: Catalog) -> list[str]:
    """Return one line per definition that is gone (-) or new (+); a changed one is both."""
    gone, new = set(_lines(before)), set(_lines(after))
    return [f"{'-' if line in gone else '+'} {line}" for line in sorted(gone ^ new)]


def load_catalog() -> Catalog:
    """Return the catalog that is kept."""
    catalog: Catalog = json.loads(CATALOG_FILE.read_text())
    return catalog


def save_catalog(catalog: Catalog) -> None:
    """Keep this catalog, to be compared with from now on."""
    CATALOG_FILE.write_text(json.dumps(catalog, indent=1, sort_keys=True) + "\n")


def _nested(rows: Iterable[tuple[str, str, str]]) -> dict[str, dict[str, str]]:
    nested: dict[str, dict[str, str]] = defaultdict(dict)
    for owner, name, definition in rows:
        nested[owner][DIGEST.sub("", name)] = DIGEST.sub("", " ".join(definition.split()))
    return dict(nested)


def _lines(catalog: Catalog) -> Iterator[str]:
    for part, objects in catalog.items():
        for owner, definitions in objects.items():
            for name, definition in definitions.items():
                yield f"{part}: {owner}: {name}: {definition}"

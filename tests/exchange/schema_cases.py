"""Check documents against the published JSON Schema by an independent library."""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, ValidationError

from pipeline.exchange.schema import read_schema

SCHEMA = json.loads(read_schema())
KINDS = {
    "alerts.geojson": "", "index.json": "index", "latest.json": "latest", "now.json": "now",
    "cities": "city", "say": "say", "reports.json": "reports", "health.json": "health",
    "watch.json": "watch", "proof": "proof", "zones.geojson": "zones",
}  # fmt: skip
"""Name in ``$defs`` for each file or folder of a tree; the root is ``alerts.geojson``."""
OF_OTHERS = {"alerts.schema.json", "datapackage.json"}
"""Files with JSON that this schema does not describe; each names its own."""


def find_faults(document: Any, kind: str) -> list[str]:
    """Paths of the faults in a document."""
    schema = {"$ref": f"#/$defs/{kind}", "$defs": SCHEMA["$defs"]} if kind else SCHEMA
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    leaves = [leaf for error in validator.iter_errors(document) for leaf in _descend(error)]
    return ["/".join(map(str, leaf.absolute_path)) for leaf in leaves]


def _descend(error: ValidationError) -> list[ValidationError]:
    """Faults within the alternative that a document comes closest to; the deepest is closest."""
    branches: dict[Any, list[ValidationError]] = {}
    for part in error.context or []:
        branches.setdefault(part.schema_path[0], []).extend(_descend(part))
    if not branches:
        return [error]
    return min(
        branches.values(),
        key=lambda leaves: (len(leaves), -max(len(leaf.absolute_path) for leaf in leaves)),
    )


def find_faults_of_tree(tree: dict[str, bytes]) -> dict[str, list[str]]:
    """Faults of every JSON file of a tree that has some, by its path."""
    faults = {}
    for path, content in tree.items():
        first = path.partition("/")[0]
        if path.endswith(("json", ".geojson")) and first not in OF_OTHERS:
            faults[path] = find_faults(json.loads(content), KINDS[first])
    return {path: found for path, found in faults.items() if found}

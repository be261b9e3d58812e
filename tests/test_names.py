"""No two public classes have the same name."""

import ast
from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "rl_rewards"
MEANT_TWICE: set[str] = set()
"""Names of public classes that two modules may define."""


def test_no_two_public_classes_have_one_name():
    places = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(path.relative_to(PACKAGE).as_posix())
    twice = {name: found for name, found in places.items() if len(found) > 1 and name not in MEANT_TWICE}
    assert len(places) > 100 and not twice, twice

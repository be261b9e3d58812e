"""Tests that parts declare their capabilities: no code checks whether an object happens to have an attribute."""

import ast
from functools import cache
from pathlib import Path

import rl_rewards

PACKAGE = Path(rl_rewards.__file__).parent
FLOORS = ("loop", "games", "envs", "rewards", "algorithms", "labelers")
ALLOWED = {
    "envs/adapters/": "the environments of other people's libraries declare nothing to us",
    "labelers/at_once.py: getattr(self._judge, '__qualname__', ": "the name of a person's function, or of its class",
    "loop/own_parts.py: hasattr(env, 'make')": "a person's class that may lack anything, to say what it lacks",
}
"""The beginnings of allowed probes, and why they do not ask for a capability of a part."""


@cache
def nodes() -> list[tuple[str, ast.AST]]:
    """Return every node of the package's code, with its file."""
    files = [path for floor in FLOORS for path in sorted((PACKAGE / floor).rglob("*.py"))]
    trees = [(path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))) for path in files]
    return [(file, node) for file, tree in trees for node in ast.walk(tree)]


def is_probe(node: ast.AST) -> bool:
    """Return True for hasattr, and for getattr with a default."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return False
    return node.func.id == "hasattr" or (node.func.id == "getattr" and len(node.args) > 2)


def test_no_part_is_probed_for_an_attribute():
    found = [f"{file}: {ast.unparse(node)}" for file, node in nodes() if is_probe(node)]
    unknown = [probe for probe in found if not probe.startswith(tuple(ALLOWED))]
    assert not unknown, "declare it in the part's base class, or as an entry of Requirements"
    assert all(any(probe.startswith(allowed) for probe in found) for allowed in ALLOWED), (
        "an entry of ALLOWED is no longer needed"
    )


def test_members_are_compared_for_the_kinds_of_environment_alone():
    """isinstance with a runtime-checkable protocol is a probe, too."""
    classes = [node for _, node in nodes() if isinstance(node, ast.ClassDef)]
    compared = {one.name for one in classes if any(ast.unparse(of) == "runtime_checkable" for of in one.decorator_list)}
    assert compared == {"JaxEnv", "HostEnvironment", "HostEnv"}

"""Reads the question that a study asks: the first two sentences of its file."""

import ast
import re
from importlib.util import find_spec
from pathlib import Path

SENTENCES = 2


def question_of(module: str) -> str:
    """Return the first two sentences of the documentation of ``module``, which is not imported; empty without any."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return ""
    text = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""
    return " ".join(re.split(r"(?<=[.?!])\s+(?=[A-Z\"'])", " ".join(text.replace("``", "").split()))[:SENTENCES])

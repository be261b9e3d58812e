"""The grammar of written rewards: text is parsed into a small tree of known operations, and never executed as Python.

Python's own parser reads the text (``ast.parse``), and :func:`parse` copies what the language has, node by node, into
:class:`Node`. Everything else is refused with its place. Characters, length, depth, numbers and exponents are checked,
most of them before Python's parser sees the text, so that time and memory are bounded.
"""

import ast
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from rl_rewards.core.errors import ConfigError

LONGEST = 2_000
"""The most characters of an expression."""
DEEPEST = 64
"""The most operations, or brackets, within each other."""
MOST_NODES = 400
"""The most operations, numbers and features of an expression."""
LARGEST_EXPONENT = 16.0
"""The largest exponent of ``**``, in absolute value; it must be a number."""
LARGEST_NUMBER = 1e30
"""The largest number that can be written; f32 has no room for much larger ones."""

FUNCTIONS: dict[str, tuple[int, int | None]] = {
    "abs": (1, 1), "exp": (1, 1), "log": (1, 1), "sqrt": (1, 1), "tanh": (1, 1), "cos": (1, 1), "sin": (1, 1),
    "norm": (1, None), "sum": (1, None), "mean": (1, None), "min": (1, None), "max": (1, None),
    "clip": (3, 3), "where": (3, 3),
}  # fmt: skip
"""The names of all functions, with the least and the most number of arguments; None is no limit."""
BASES = ("obs", "next_obs", "action")
"""The names of features besides ``info.KEY``."""

_ARITHMETIC: dict[type, str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
_COMPARED: dict[type, str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
_LOGICAL: dict[type, str] = {ast.And: "and", ast.Or: "or"}
_SIGNS: dict[type, str] = {ast.USub: "negative", ast.UAdd: "positive", ast.Not: "not"}
_UNKNOWN = re.compile(r"[^A-Za-z0-9_ +\-*/().,<>=!\[\]:]")
_HINTS: dict[type, str] = {
    ast.IfExp: "write where(condition, a, b)",
    ast.NamedExpr: "compare with ==",
    ast.Tuple: "give one number for each step",
}


@dataclass(frozen=True)
class Feature:
    """A part of the transition: ``obs``, ``next_obs``, ``action`` or ``info.KEY``, or some of its entries."""

    base: str  # obs | next_obs | action | info
    key: str | None = None  # of info
    index: tuple[int | slice | str, ...] = ()  # () is the whole array; a text is the name of an entry

    @property
    def reads(self) -> str:
        """Return the name that reward sources declare: the transition's field, or ``info.KEY``."""
        return f"info.{self.key}" if self.base == "info" else self.base


@dataclass(frozen=True)
class Node:
    """An operation on the values of other nodes, a number, or a feature."""

    operation: str  # number | feature | a key of FUNCTIONS | an operator, as it is written
    inputs: tuple["Node", ...]
    where: tuple[int, int]  # the first character, and the one after the last
    number: float = 0.0
    feature: Feature | None = None


@dataclass(frozen=True)
class Expression:
    """A parsed expression. Its text is without line breaks, so that every node is ``text[start:end]``."""

    name: str  # the key that messages begin with, such as reward.expression
    text: str
    root: Node

    def fault(self, node: Node, words: str) -> ConfigError:
        """Return the error about ``node``, which quotes it with its place."""
        return _fault(self.name, self.text, *node.where, words)


def features_of(node: Node) -> list[Feature]:
    """Return all features that ``node`` and its inputs read."""
    return ([] if node.feature is None else [node.feature]) + [one for each in node.inputs for one in features_of(each)]


def parse(name: str, text: object) -> Expression:
    """Return the expression in ``text``.

    Args:
        name: the key that messages begin with.

    Raises:
        ConfigError: if it is not an expression of this language, or too large; the message says where.
    """
    if isinstance(text, int | float) and not isinstance(text, bool):
        text = repr(text)  # a YAML reads a lone number as one
    if not isinstance(text, str) or not text.strip():
        raise ConfigError(f"{name} is not an expression; write a text such as -norm(next_obs).")
    if len(text) > LONGEST:
        raise ConfigError(f"{name} has {len(text):,} characters; an expression may have at most {LONGEST:,}.")
    text = re.sub(r"[\t\r\n]", " ", text).strip()
    _check_characters(name, text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python warns of what is strange in Python
            tree = ast.parse(text, mode="eval")
    except SyntaxError as error:
        start = min(max((error.offset or 1) - 1, 0), len(text) - 1)
        raise _fault(name, text, start, len(text), "is not understood; an operator or an argument is missing or "
                     "superfluous near there") from None  # fmt: skip
    except (ValueError, MemoryError, RecursionError):
        raise ConfigError(f"{name} is too deep or has a number that is too long; write it in fewer steps.") from None
    return Expression(name, text, _Reader(name, text).read(tree.body, 0))


def _check_characters(name: str, text: str) -> None:
    """Refuse what Python's parser need not see: other characters, and brackets that do not close or are too deep."""
    unknown = _UNKNOWN.search(text)
    if unknown:
        at = unknown.start()
        raise _fault(name, text, at, at + 1, "is not a character of this language, which has no strings, braces or "
                     "other operators than + - * / ** and comparisons")  # fmt: skip
    open_at: list[int] = []
    for at, character in enumerate(text):
        if character in "([":
            open_at.append(at)
        elif character in ")]" and (not open_at or text[open_at.pop()] + character not in ("()", "[]")):
            raise _fault(name, text, at, at + 1, "closes no bracket")
        if len(open_at) > DEEPEST:
            raise _fault(name, text, at, at + 1, f"is the {DEEPEST + 1}th bracket within each other; at most {DEEPEST} "
                         "are allowed")  # fmt: skip
    if open_at:
        raise _fault(name, text, open_at[-1], len(text), "has a bracket that is not closed")


def _fault(name: str, text: str, start: int, end: int, words: str) -> ConfigError:
    piece = text[start:end]
    quoted = piece if len(piece) <= 40 else piece[:37] + "..."
    return ConfigError(f"{name}: '{quoted}' at character {start + 1} {words}.")


class _Reader:
    """Copies Python's tree of one text into nodes, and refuses what the language does not have."""

    def __init__(self, name: str, text: str) -> None:
        self._name, self._text, self._count = name, text, 0

    def read(self, tree: ast.expr, depth: int) -> Node:
        """Return the node that ``tree`` stands for, below ``depth`` others."""
        self._count += 1
        if self._count > MOST_NODES:
            self._refuse(tree, f"is operation {MOST_NODES + 1}; an expression may have at most {MOST_NODES}")
        if depth > DEEPEST:
            self._refuse(tree, f"is {depth} operations deep; at most {DEEPEST} are allowed")
        reader = _READERS.get(type(tree))
        if reader is None:
            hint = _HINTS.get(type(tree), f"it has numbers, {', '.join(BASES)}, info.KEY, operators and functions")
            self._refuse(tree, f"is not part of this language; {hint}")
        return reader(self, tree, depth)

    def _refuse(self, tree: ast.expr, words: str) -> NoReturn:
        raise _fault(self._name, self._text, *_where(tree), words)

    def _node(self, operation: str, tree: ast.expr, inputs: list[ast.expr], depth: int) -> Node:
        return Node(operation, tuple(self.read(one, depth + 1) for one in inputs), _where(tree))

    def _constant(self, tree: ast.Constant, depth: int) -> Node:
        del depth
        if isinstance(tree.value, bool) or not isinstance(tree.value, int | float):
            self._refuse(tree, "is not a number; write 1 for true and 0 for false")
        if not abs(tree.value) <= LARGEST_NUMBER:
            self._refuse(tree, f"is too large a number; the largest is {LARGEST_NUMBER:g}")
        return Node("number", (), _where(tree), number=float(tree.value))

    def _sign(self, tree: ast.UnaryOp, depth: int) -> Node:
        sign = _SIGNS.get(type(tree.op))
        if sign is None:
            self._refuse(tree, "has an operator that this language does not have")
        return self._node(sign, tree, [tree.operand], depth)

    def _binary(self, tree: ast.BinOp, depth: int) -> Node:
        operator = _ARITHMETIC.get(type(tree.op))
        if operator is None:
            self._refuse(tree, "has an operator that this language does not have; it has + - * / and **")
        node = self._node(operator, tree, [tree.left, tree.right], depth)
        if operator == "**":
            exponent = number_of(node.inputs[1])
            if exponent is None or abs(exponent) > LARGEST_EXPONENT:
                self._refuse(tree.right, "is not a possible exponent; it must be a number from "
                             f"-{LARGEST_EXPONENT:g} to {LARGEST_EXPONENT:g}")  # fmt: skip
        return node

    def _logical(self, tree: ast.BoolOp, depth: int) -> Node:
        return self._node(_LOGICAL[type(tree.op)], tree, tree.values, depth)

    def _compare(self, tree: ast.Compare, depth: int) -> Node:
        """Return the comparison; of a chain a < b < c, the conjunction of its pairs."""
        operands, pairs = [tree.left, *tree.comparators], []
        for place, operator in enumerate(tree.ops):
            sign = _COMPARED.get(type(operator))
            if sign is None:
                self._refuse(tree, "has a comparison that this language does not have; it has < <= > >= == and !=")
            pairs.append(self._node(sign, tree, operands[place : place + 2], depth))
        return pairs[0] if len(pairs) == 1 else Node("and", tuple(pairs), _where(tree))

    def _call(self, tree: ast.Call, depth: int) -> Node:
        function = tree.func.id if isinstance(tree.func, ast.Name) else None
        if function not in FUNCTIONS:
            self._refuse(tree.func, f"is not a function of this language, which has {', '.join(FUNCTIONS)}")
        if tree.keywords or any(isinstance(one, ast.Starred) for one in tree.args):
            self._refuse(tree, "has arguments with names or stars; give them in their order")
        least, most = FUNCTIONS[function]
        count = len(tree.args)
        if count < least or (most is not None and count > most):
            wanted = f"{least} argument{'s' * (least != 1)}" + ("" if most == least else " or more")
            self._refuse(tree, f"has {count} arguments, but {function} takes {wanted}")
        return self._node(function, tree, tree.args, depth)

    def _feature(self, tree: ast.Name | ast.Attribute, depth: int) -> Node:
        del depth
        return Node("feature", (), _where(tree), feature=self._whole(tree))

    def _entry(self, tree: ast.Subscript, depth: int) -> Node:
        del depth
        whole = self._whole(tree.value)
        parts = tree.slice.elts if isinstance(tree.slice, ast.Tuple) else [tree.slice]
        index = tuple(self._index(one) for one in parts)
        if not index:
            self._refuse(tree, "names no entry; write one such as obs[0]")
        return Node("feature", (), _where(tree), feature=Feature(whole.base, whole.key, index))

    def _whole(self, tree: ast.expr) -> Feature:
        if isinstance(tree, ast.Name) and tree.id in BASES:
            return Feature(tree.id)
        of_info = isinstance(tree, ast.Attribute) and isinstance(tree.value, ast.Name) and tree.value.id == "info"
        if isinstance(tree, ast.Attribute) and of_info and not tree.attr.startswith("_"):
            return Feature("info", tree.attr)
        self._refuse(tree, f"is not a feature; write {', '.join(BASES)} or info.KEY, or entries of these such as "
                     "obs[0] or obs[0:2]")  # fmt: skip

    def _index(self, tree: ast.expr) -> int | slice | str:
        if isinstance(tree, ast.Slice):
            if tree.step is not None:
                self._refuse(tree, "has a step; write FIRST:END")
            first, end = (None if one is None else self._whole_number(one) for one in (tree.lower, tree.upper))
            return slice(first, end)
        return tree.id if isinstance(tree, ast.Name) else self._whole_number(tree)

    def _whole_number(self, tree: ast.expr) -> int:
        value = tree.value if isinstance(tree, ast.Constant) else None
        if not isinstance(value, int) or isinstance(value, bool):
            self._refuse(tree, "is not an entry; write its number, from 0, or its name")
        return value


_READERS: dict[type, Callable[..., Node]] = {
    ast.Constant: _Reader._constant,
    ast.UnaryOp: _Reader._sign,
    ast.BinOp: _Reader._binary,
    ast.BoolOp: _Reader._logical,
    ast.Compare: _Reader._compare,
    ast.Call: _Reader._call,
    ast.Name: _Reader._feature,
    ast.Attribute: _Reader._feature,
    ast.Subscript: _Reader._entry,
}
"""The whitelist: the kinds of Python's nodes that are read, and how."""


def _where(tree: ast.expr) -> tuple[int, int]:
    return tree.col_offset, tree.end_col_offset or tree.col_offset + 1


def number_of(node: Node) -> float | None:
    """Return the value of a number with its sign; None for anything else."""
    if node.operation in ("negative", "positive"):
        value = number_of(node.inputs[0])
        return None if value is None else -value if node.operation == "negative" else value
    return node.number if node.operation == "number" else None

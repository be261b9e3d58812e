"""The language of written rewards: only what it has is read, whatever the text, and every mistake has its place."""

import ast
import builtins
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rl_rewards.core.errors import ConfigError
from rl_rewards.rewards.written.grammar import (
    DEEPEST,
    FUNCTIONS,
    LARGEST_EXPONENT,
    LARGEST_NUMBER,
    LONGEST,
    MOST_NODES,
    Node,
    number_of,
    parse,
)

OPERATIONS = {*FUNCTIONS, "number", "feature", "+", "-", "*", "/", "**", "<", "<=", ">", ">=", "==", "!="}
OPERATIONS |= {"and", "or", "not", "negative", "positive"}

ATTACKS = {
    "an import": "__import__('os').system('true')",
    "a built-in": "open(obs)",
    "eval": "eval(obs)",
    "a dunder of a feature": "obs.__class__",
    "a dunder of info": "info.__class__.__bases__",
    "a dunder key": "info.__dict__",
    "attributes of a key": "info.speed.dtype",
    "a method": "obs.tobytes()",
    "a call of a call": "abs(obs)(1)",
    "a call of a key": "info.get(0)",
    "a lambda": "(lambda: 1)()",
    "a list comprehension": "sum([x for x in obs])",
    "a generator": "sum(x for x in obs)",
    "a dictionary": "{1: 2}",
    "a string": "'obs'",
    "bytes": 'b"obs"',
    "an f-string": "f'{obs}'",
    "a walrus": "(x := 1)",
    "an assignment": "obs = 1",
    "a statement": "import os",
    "two statements": "1; 2",
    "a comment": "1 # 2",
    "a conditional": "1 if obs[0] else 2",
    "await": "await obs",
    "yield": "(yield 1)",
    "a star": "sum(*obs)",
    "a keyword": "clip(obs[0], low=0, high=1)",
    "two stars": "sum(**info)",
    "identity": "obs is action",
    "membership": "1 in obs",
    "bits": "1 << 63",
    "a matrix product": "obs @ obs",
    "a remainder": "obs[0] % 2",
    "an ellipsis": "obs[...]",
    "a step": "obs[::2]",
    "a computed index": "obs[obs[0]]",
    "a called index": "obs[abs(1)]",
    "a negative index": "obs[-1]",
    "an index of an expression": "(obs + obs)[0]",
    "None": "None",
    "True": "True",
    "a complex number": "1j",
    "an infinite number": "1e999",
    "a long number": "9" * 1_500,
    "a huge power": "9**9**9",
    "a huge exponent": "2**1000000",
    "an exponent that varies": "2**obs[0]",
    "deep brackets": "(" * 900 + "1" + ")" * 900,
    "deep calls": "abs(" * 300 + "1" + ")" * 300,
    "deep signs": "-" * 1_900 + "1",
    "deep nots": "not " * 450 + "1",
    "deep indices": "obs[" * 300 + "0" + "]" * 300,
    "open brackets": "(" * 1_000,
    "wrong brackets": "(1]",
    "a long sum": "+".join(["1"] * 900),
    "many comparisons": "<".join(["1"] * 900),
    "nested comparisons": "1<(" * 60 + "1" + ")<1" * 60,
    "endless text": "1 + " * 1_000_000,
    "a null byte": "1\0",
    "other letters": "\uff4fbs[0]",
    "a lone surrogate": "\ud800",
    "nothing": "",
    "blanks": " \n\t ",
    "a tuple": "1, 2",
    "a list": "[1, 2]",
    "no text": None,
    "a mapping": {},
    "a truth value": True,
}
"""Texts that must be refused, by what they try."""


@pytest.fixture
def _nothing_is_executed(monkeypatch):
    """Fail if a text is compiled, evaluated, executed or imported while it is parsed."""

    def refuse(*_, **__):
        raise AssertionError("parsing must not execute anything")

    plain = ast.parse
    for name in ("eval", "exec", "open", "input"):
        monkeypatch.setattr(builtins, name, refuse)
    monkeypatch.setattr(ast, "parse", lambda text, mode: plain(text, mode=mode))
    monkeypatch.setattr("os.system", refuse)


@pytest.mark.parametrize("text", ATTACKS.values(), ids=ATTACKS)
@pytest.mark.usefixtures("_nothing_is_executed")
def test_attacks_end_in_one_short_sentence(text):
    began = time.process_time()
    with pytest.raises(ConfigError) as error:
        parse("reward.expression", text)
    assert time.process_time() - began < 0.5
    message = str(error.value)
    assert message.startswith("reward.expression") and message.endswith(".") and len(message) < 300
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("-nrm(next_obs)", "'nrm' at character 2 is not a function of this language, which has abs, exp"),
        ("1 + obs % 2", "'%' at character 9 is not a character of this language"),
        ("norm(obs", "'(obs' at character 5 has a bracket that is not closed"),
        ("1 +\n  + * 2", "'* 2' at character 9 is not understood"),
        ("clip(obs[0], 1)", "'clip(obs[0], 1)' at character 1 has 2 arguments, but clip takes 3 arguments"),
        ("1 if obs[0] else 2", "write where(condition, a, b)"),
        ("obs[0] ** 17", "'17' at character 11 is not a possible exponent; it must be a number from -16 to 16"),
        ("abs(x)", "'x' at character 5 is not a feature; write obs, next_obs, action or info.KEY"),
    ],
)
def test_mistakes_have_their_place(text, told):
    with pytest.raises(ConfigError) as error:
        parse("reward.expression", text)
    assert told in str(error.value)


def test_precedence_is_that_of_arithmetic():
    root = parse("e", "-obs[0] ** 2 + 3 * 4 < 1 or not 0").root
    assert root.operation == "or" and [one.operation for one in root.inputs] == ["<", "not"]
    total = root.inputs[0].inputs[0]
    assert total.operation == "+" and [one.operation for one in total.inputs] == ["negative", "*"]
    assert number_of(parse("e", "- +2.5").root) == -2.5 and number_of(parse("e", 3).root) == 3.0


# Generated texts: half of them of the language, the others of Python's own words and signs.

WORDS = [*FUNCTIONS, "obs", "next_obs", "action", "info", "info.speed", "x", "0", "1", "2.5", "1e30", "9" * 40]
WORDS += ["__import__", "__class__", "lambda", "for", "in", "if", "else", "is", "await", "yield", "None", "eval"]
SIGNS = ["+", "-", "*", "/", "**", "<", "<=", "==", "!=", "(", ")", "[", "]", ",", ".", ":", ":=", "=", " and ", " or "]
SIGNS += [" not ", "'", '"', "{", "}", "@", "%", "\\", "#", ";", "\n", " ", "\0", "->", "é"]
SOUP = st.lists(st.sampled_from([*WORDS, *SIGNS]), max_size=60).map("".join)
LEAVES = ["obs", "next_obs[0]", "action[0:2]", "info.speed", "1", "0.5", "obs[x]"]


def written(rng: random.Random, depth: int) -> str:
    """Return a random expression of the language, perhaps with shapes that do not fit."""
    if depth == 0 or rng.random() < 0.1:
        return rng.choice(LEAVES)
    kind, below = rng.randrange(5), lambda: written(rng, depth - 1)
    if kind == 0:
        return f"({below()} {rng.choice(['+', '-', '*', '/', '<', '>=', '!=', 'and', 'or'])} {below()})"
    if kind == 1:
        return f"({below()}) ** {rng.choice(['2', '-1', '0.5'])}"
    if kind == 2:
        return rng.choice(["-", "not "]) + f"({below()})"
    name = rng.choice([*FUNCTIONS])
    least, most = FUNCTIONS[name]
    return f"{name}({', '.join(below() for _ in range(least if most else rng.randint(1, 3)))})"


EXPRESSIONS = st.builds(lambda seed, depth: written(random.Random(seed), depth), st.integers(0), st.integers(0, 5))
TEXTS = st.one_of(SOUP, EXPRESSIONS, st.text(max_size=80))


def check_whitelist(node: Node, depth: int = 0) -> int:
    """Check that a parsed text holds only operations of the language, within its limits; return their number."""
    assert type(node) is Node and node.operation in OPERATIONS and depth <= DEEPEST + 1
    assert (node.feature is not None) == (node.operation == "feature")
    assert abs(node.number) <= LARGEST_NUMBER
    if node.operation == "**":
        exponent = number_of(node.inputs[1])
        assert exponent is not None and abs(exponent) <= LARGEST_EXPONENT
    if node.feature is not None:
        assert node.feature.base in ("obs", "next_obs", "action", "info")
        assert not str(node.feature.key or "").startswith("_")
    return 1 + sum(check_whitelist(one, depth + 1) for one in node.inputs)


def check_text(text: str) -> None:
    try:
        found = parse("reward.expression", text)
    except ConfigError as error:
        told = str(error)
    else:
        assert len(text) <= LONGEST and check_whitelist(found.root) <= 2 * MOST_NODES
        return
    assert told.startswith("reward.expression") and len(told) < 300


@given(TEXTS)
@settings(max_examples=300)
def test_generated_texts_are_read_within_the_whitelist_or_refused(text):
    check_text(text)


@pytest.mark.long
@given(TEXTS)
@settings(max_examples=10_000)
def test_ten_thousand_generated_texts(text):
    check_text(text)


def test_what_the_generator_writes_is_mostly_read():
    """Otherwise the tests above would see refusals alone."""
    rng, read = random.Random(0), 0
    for _ in range(100):
        try:
            parse("e", written(rng, 4))
            read += 1
        except ConfigError:
            pass
    assert read > 50

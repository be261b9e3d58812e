"""A writer of responses to problems: of mixed quality, as people write who slip, guess and cheat; and right ones."""

from typing import Literal

import numpy as np

from rl_rewards.envs.text.base import Corpus
from rl_rewards.envs.text.chains.problems import (
    ANSWER,
    CHOSEN,
    PLUS,
    STEP,
    STOP,
    TOP,
    Kind,
    Problem,
    applied,
    problem_table,
    results,
    vocabulary,
)
from rl_rewards.envs.text.vocabulary import ended

QUALITIES = Literal["mixed", "good"]
"""The qualities of responses."""

SLIP = 0.07
"""In mixed responses, how often a step is wrong; whoever slips goes on from the wrong number."""
KNOWS = 0.12
"""How often somebody who knows the solution gets to it by a wrong step."""
NO_STEPS = 0.1
"""How often a worked problem is answered without steps."""
GUESSES_RIGHT = 0.75
"""How often an answer without steps is right."""
FINDS = 0.6
"""How often the numbers of a search have the right sum; if not, the sums are right or, as often, made to fit."""


def write(
    rng: np.random.Generator, n: int, quality: str, kinds: tuple[str, ...], held_out: bool, length: int
) -> Corpus:
    """Return ``n`` problems of a split with responses of L = ``length`` tokens."""
    words = vocabulary()
    problems, table, shares = problem_table(kinds, held_out)
    rows = rng.choice(len(table), n, p=shares / shares.sum())
    texts = [response(rng, problems[row], quality) for row in rows]
    action = np.stack([ended(words.encode(text), length, words.end, words.pad) for text in texts])
    obs = np.concatenate([table[rows], np.full((n, length), words.pad, np.int32)], axis=1)
    return Corpus(obs, action)


def response(rng: np.random.Generator, problem: Problem, quality: str) -> str:
    """Return a response to a problem."""
    mixed = quality == "mixed"
    if problem.kind == Kind.MENTAL:
        spoken = [_guess(rng, results(problem)[-1], mixed)]
    elif problem.kind == Kind.SEARCH:
        spoken = _search(rng, problem, mixed)
    elif mixed and rng.random() < NO_STEPS:
        spoken = [_guess(rng, results(problem)[-1], mixed)]
    else:
        spoken = _worked(rng, problem, mixed)
    return " ".join(f"{sentence} {STOP}" for sentence in spoken)


def _guess(rng: np.random.Generator, solution: int, mixed: bool) -> str:
    right = not mixed or rng.random() < GUESSES_RIGHT
    return ANSWER.format(z=solution if right else _near(rng, solution))


def _worked(rng: np.random.Generator, problem: Problem, mixed: bool) -> list[str]:
    """Return a chain in steps: with slips, or with one wrong step by somebody who knows the solution."""
    true, spoken, value = results(problem), [], problem.numbers[0]
    knows = mixed and rng.random() < KNOWS
    wrong_at = rng.integers(len(true)) if knows else -1
    for at, (sign, y) in enumerate(zip(problem.signs, problem.numbers[1:], strict=True)):
        right = min(max(applied(value, sign, y), 0), TOP)
        if knows:  # the step after the wrong one is wrong as well, and back on the way
            z = _near(rng, true[at]) if at == wrong_at else true[at]
        else:
            z = _near(rng, right) if mixed and rng.random() < SLIP else right
        spoken.append(STEP.format(x=value, sign=sign, y=y, z=z))
        value = z
    slips = mixed and not knows and rng.random() < SLIP / 2
    answer = true[-1] if knows else _near(rng, value) if slips else value
    return [*spoken, ANSWER.format(z=answer)]


def _search(rng: np.random.Generator, problem: Problem, mixed: bool) -> list[str]:
    """Return the sum of three numbers that are offered: right ones, or others whose sum is wrong or made to fit."""
    finds = not mixed or rng.random() < FINDS
    while True:
        a, b, c = (int(one) for one in rng.permutation(problem.numbers)[:CHOSEN])
        if a + b + c <= TOP and (a + b + c == problem.target) == finds:
            break
    half, whole = a + b, a + b + c
    if mixed and rng.random() < SLIP:
        half = _near(rng, half)  # whoever knows the target gets there all the same
    if not finds and rng.random() < 0.5:
        whole = problem.target
    steps = [STEP.format(x=x, sign=PLUS, y=y, z=z) for x, y, z in ((a, b, half), (half, c, whole))]
    return [*steps, ANSWER.format(z=whole)]


def _near(rng: np.random.Generator, number: int) -> int:
    """Return another number, at most two away."""
    others = [number + off for off in (-2, -1, 1, 2) if 0 <= number + off <= TOP]
    return int(rng.choice(others))

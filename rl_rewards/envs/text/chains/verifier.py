"""The exact verifier of responses to problems: is each step right, and is the answer? In JAX.

A step is right if it follows from the sentences before it and from the problem, whatever these sentences say: after a
wrong sum, the next step goes on from the number that was written. An answer is right if it is the solution, by whatever
steps. So an answer can be right by wrong steps, when two errors cancel or the steps do not lead to it.
"""

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Bool, Float, Int

from rl_rewards.core.text_spec import TextSpec
from rl_rewards.core.text_steps import step_ends
from rl_rewards.envs.text.chains.problems import (
    CHOSEN,
    FIRST_NUMBER,
    MINUS,
    MOST_OPERATIONS,
    OFFERED,
    PLUS,
    PROMPT_TOKENS,
    STOP,
    TOP,
    Kind,
    vocabulary,
)

STEP_WORDS, ANSWER_WORDS = 5, 2
"""Words of a step, "3 + 4 is 7", and of an answer, "so 7"."""
NONE = -1
"""Stands for a number that is not there, and in ``Verified.right`` for a token at which no step ends."""


class ReadProblem(struct.PyTreeNode):
    """The problems of prompts, each entry [*batch, ...]; ``kind`` is ``Kind.NOTHING`` for a text that is no problem."""

    kind: Int[Array, "*batch"]
    signs: Int[Array, "*batch n"]  # of a chain, the tokens of its n = MOST_OPERATIONS operations, NONE after the last
    numbers: Int[Array, "*batch n"]  # of these operations
    first: Int[Array, "*batch"]  # the number with which a chain begins
    operations: Int[Array, "*batch"]
    offered: Int[Array, "*batch o"]  # of a search, the numbers to choose from
    solution: Int[Array, "*batch"]  # the value of a chain, or the target of a search


class Sentences(struct.PyTreeNode):
    """The sentences of responses by the places where they end; numbers are NONE where they are not in the text."""

    ends: Bool[Array, "*batch L"]  # a full stop before the end token
    is_step: Bool[Array, "*batch L"]  # ... of a sentence such as 3 + 4 is 7
    is_answer: Bool[Array, "*batch L"]  # ... of a sentence such as so 7
    order: Int[Array, "*batch L"]  # sentences before this one
    x: Int[Array, "*batch L"]
    sign: Int[Array, "*batch L"]  # a token
    y: Int[Array, "*batch L"]
    z: Int[Array, "*batch L"]  # the result of a step, or the answer
    before: Int[Array, "*batch L"]  # the result of the step just before; NONE if there is none


class Verified(struct.PyTreeNode):
    """The verifier's judgement of responses."""

    right: Float[Array, "*batch L"]  # 1 or 0 at the last token of each step (``step_ends``), NONE at all others
    answer_right: Bool[Array, "*batch"]
    sound: Bool[Array, "*batch"]  # the answer and every step are right
    kind: Int[Array, "*batch"]  # of the problem
    steps: Int[Array, "*batch"]  # the answer included
    steps_right: Int[Array, "*batch"]
    first_wrong: Int[Array, "*batch"]  # the number of right steps before the first wrong one
    length: Int[Array, "*batch"]  # tokens before the end token


def verify(text: TextSpec, obs: Int[Array, "*batch tokens"], response: Int[Array, "*batch L"]) -> Verified:
    """Return the judgement of responses, which may be any tokens, to observations that begin with their prompts."""
    asked, said, ends = read_prompt(obs[..., :PROMPT_TOKENS]), read_sentences(response), step_ends(text, response)
    follows = jnp.where((asked.kind == Kind.SEARCH)[..., None], _chosen_right(asked, said), _chain_right(asked, said))
    is_end = response == text.end
    stops = jnp.any(is_end, axis=-1)
    length = jnp.where(stops, jnp.argmax(is_end, axis=-1), response.shape[-1])
    # The last step is right if the sentence just before the end token is a right answer.
    sentence_before = jnp.concatenate([jnp.zeros_like(follows[..., :1]), follows & said.is_answer], axis=-1)[..., :-1]
    right = jnp.where(is_end, sentence_before, follows) & ends
    right &= stops[..., None] | (jnp.arange(response.shape[-1]) < response.shape[-1] - 1)
    wrong = ends & ~right
    answer_right = _solved(asked, said)
    steps_before = jnp.cumsum(ends, axis=-1) - ends
    steps = jnp.sum(ends, axis=-1)
    first_wrong = jnp.min(jnp.where(wrong, steps_before, steps[..., None]), axis=-1)
    return Verified(
        right=jnp.where(ends, right.astype(jnp.float32), NONE),
        answer_right=answer_right,
        sound=answer_right & ~jnp.any(wrong, axis=-1),
        kind=asked.kind,
        steps=steps,
        steps_right=jnp.sum(right, axis=-1),
        first_wrong=first_wrong,
        length=length,
    )


def read_prompt(prompt: Int[Array, "*batch P"]) -> ReadProblem:
    """Return what prompts ask."""
    words = vocabulary()
    work, at, make, plus, minus, stop = (words.encode(w)[0] for w in ("work", "at", "make", PLUS, MINUS, STOP))
    is_sign = (prompt == plus) | (prompt == minus)
    operations = jnp.sum(is_sign, axis=-1)
    back = 2 * (operations[..., None] - jnp.arange(MOST_OPERATIONS))  # tokens from an operation's sign to the stop

    def token(distance: Array) -> Array:
        return jnp.take_along_axis(prompt, jnp.clip(PROMPT_TOKENS - 1 - distance, 0, PROMPT_TOKENS - 1), axis=-1)

    inside = back > 0
    signs = jnp.where(inside, token(back), NONE)
    numbers = jnp.where(inside, _number(token(back - 1)), NONE)
    first = _number(token(2 * operations[..., None] + 1))[..., 0]
    amounts = jnp.where(signs == plus, numbers, jnp.where(signs == minus, -numbers, 0))
    offered = _number(prompt[..., -1 - OFFERED : -1])
    target = _number(prompt[..., -3 - OFFERED])
    begins = [jnp.any(prompt == word, axis=-1) for word in (work, at)]
    fits = inside & ((signs == plus) | (signs == minus)) & (numbers >= 0)
    is_chain = (jnp.sum(fits, axis=-1) == operations) & (operations >= 1) & (first >= 0) & (prompt[..., -1] == stop)
    is_search = (prompt[..., -4 - OFFERED] == make) & (target >= 0) & jnp.all(offered >= 0, axis=-1)
    kind = jnp.where(begins[0] & is_chain, Kind.WORKED, jnp.where(begins[1] & is_chain, Kind.MENTAL, Kind.NOTHING))
    kind = jnp.where(is_search, Kind.SEARCH, kind)
    solution = jnp.where(is_search, target, first + jnp.sum(amounts, axis=-1))
    return ReadProblem(kind, signs, numbers, first, operations, offered, solution)


def read_sentences(response: Int[Array, "*batch L"]) -> Sentences:
    """Return the sentences of responses."""
    words = vocabulary()
    stop, so, is_, plus, minus = (words.encode(word)[0] for word in (STOP, "so", "is", PLUS, MINUS))
    place = jnp.arange(response.shape[-1])
    inside = jnp.cumsum(response == words.end, axis=-1) == 0
    ends = (response == stop) & inside
    upto = jnp.maximum.accumulate(jnp.where(ends, place, NONE), axis=-1)
    stop_before = jnp.concatenate([jnp.full_like(upto[..., :1], NONE), upto[..., :-1]], axis=-1)
    length = place - stop_before - 1
    back = [_shifted(response, k) for k in range(STEP_WORDS + 1)]  # back[k]: the token k places before
    x, y, z = (_number(back[k]) for k in (5, 3, 1))
    is_sum = (x >= 0) & ((back[4] == plus) | (back[4] == minus)) & (y >= 0) & (back[2] == is_) & (z >= 0)
    is_step = ends & (length == STEP_WORDS) & is_sum
    is_answer = ends & (length == ANSWER_WORDS) & (back[2] == so) & (z >= 0)
    at_stop = jnp.maximum(stop_before, 0)
    was_step = jnp.take_along_axis(is_step, at_stop, axis=-1) & (stop_before >= 0)
    before = jnp.where(was_step, jnp.take_along_axis(z, at_stop, axis=-1), NONE)
    order = jnp.cumsum(ends, axis=-1) - ends
    return Sentences(ends, is_step, is_answer, order, x, back[4], y, z, before)


def _number(token: Int[Array, "*batch"]) -> Int[Array, "*batch"]:
    """Return the number that each token is, or NONE."""
    value = token - FIRST_NUMBER
    return jnp.where((value >= 0) & (value <= TOP), value, NONE)


def _shifted(response: Int[Array, "*batch L"], k: int) -> Int[Array, "*batch L"]:
    """Return the token ``k`` places before each, or NONE."""
    before = jnp.full((*response.shape[:-1], k), NONE, response.dtype)
    return jnp.concatenate([before, response], axis=-1)[..., : response.shape[-1]]


def _sum_right(said: Sentences) -> Bool[Array, "*batch L"]:
    plus = vocabulary().encode(PLUS)[0]
    return said.is_step & (said.z == said.x + jnp.where(said.sign == plus, said.y, -said.y))


def _chain_right(asked: ReadProblem, said: Sentences) -> Bool[Array, "*batch L"]:
    """Return True where a sentence is right in answer to a chain: its next operation, or its result at the end."""
    index = jnp.minimum(said.order, MOST_OPERATIONS - 1)
    sign, number = (jnp.take_along_axis(one, index, axis=-1) for one in (asked.signs, asked.numbers))
    goes_on = jnp.where(said.order == 0, asked.first[..., None], said.before) == said.x
    operations = jnp.where(asked.kind == Kind.WORKED, asked.operations, 0)[..., None]  # steps that are to be written
    step = _sum_right(said) & (said.order < operations) & (said.sign == sign) & (said.y == number) & goes_on
    value = jnp.where((asked.kind == Kind.WORKED)[..., None], said.before, asked.solution[..., None])
    is_chain = ((asked.kind == Kind.WORKED) | (asked.kind == Kind.MENTAL))[..., None]
    return is_chain & (step | (said.is_answer & (said.order == operations) & (said.z == value)))


def _chosen_right(asked: ReadProblem, said: Sentences) -> Bool[Array, "*batch L"]:
    """Return True where a sentence is right in answer to a search: another number is added, or the target reached."""
    plus = vocabulary().encode(PLUS)[0]
    x0, y0, _ = _choice(said)
    starts = _offers(asked, said.x) & _offers(asked, said.y) & (said.x != said.y)
    unused = _offers(asked, said.y) & (said.y != x0[..., None]) & (said.y != y0[..., None])
    goes_on = (said.before == said.x) & unused
    adds = _sum_right(said) & (said.sign == plus) & (said.order < CHOSEN - 1)
    step = adds & jnp.where(said.order == 0, starts, goes_on)
    reached = (said.z == said.before) & (said.z == asked.solution[..., None])
    return step | (said.is_answer & (said.order == CHOSEN - 1) & reached)


def _solved(asked: ReadProblem, said: Sentences) -> Bool[Array, "*batch"]:
    """Return True if the first answer is the solution; of a search, if the numbers in its steps have that sum."""
    is_first = said.is_answer & (jnp.cumsum(said.is_answer, axis=-1) == 1)
    number = jnp.sum(jnp.where(is_first, said.z, 0), axis=-1)
    answered = jnp.any(is_first, axis=-1)
    found = answered & (number == asked.solution) & (asked.kind != Kind.NOTHING)
    chosen = jnp.stack(_choice(said), axis=-1)
    offers = jnp.all(jnp.any(chosen[..., :, None] == asked.offered[..., None, :], axis=-1), axis=-1)
    first, second, third = (chosen[..., i] for i in range(CHOSEN))
    different = (first != second) & (first != third) & (second != third)
    place = jnp.sum(jnp.where(is_first, said.order, 0), axis=-1)
    right_sum = offers & different & (jnp.sum(chosen, axis=-1) == asked.solution) & (place == CHOSEN - 1)
    return found & ((asked.kind != Kind.SEARCH) | right_sum)


def _choice(said: Sentences) -> tuple[Array, Array, Array]:
    """Return the numbers [*batch] that a search took: both of its first step, and the second of its second."""

    def at(order: int, values: Array) -> Array:
        here = said.is_step & (said.order == order)
        return jnp.sum(jnp.where(here, values + 1, 0), axis=-1) - 1  # NONE where there is no such step

    return at(0, said.x), at(0, said.y), at(1, said.y)


def _offers(asked: ReadProblem, number: Int[Array, "*batch L"]) -> Bool[Array, "*batch L"]:
    return jnp.any(number[..., None] == asked.offered[..., None, :], axis=-1)

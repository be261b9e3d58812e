"""How far what a policy does is from the comparisons that its reward was learned from, and what that costs."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from rl_rewards.auditing.effects import Population
from rl_rewards.auditing.subject import DrawnSegments, Subject
from rl_rewards.core.intervals import share_interval
from rl_rewards.core.text_spec import TextSpec

MOST = 2000
"""The most steps, or texts, on either side of a distance."""
USUAL = 0.95
"""A step is new if it is farther from the training data than this share of training steps are from each other's."""
GRAM = 3
"""Tokens in a row that count as new together."""

Share = tuple[float, float, float]
"""A share and the ends of its exact 95% interval over pairs."""


@dataclass(frozen=True)
class Coverage:
    """A comparison of the drawn segments with the reward's training data; None where something is not known."""

    comparisons: int  # that the reward was learned from
    new: float | None  # share of what was drawn that is unlike the training data
    new_in_training: float | None  # the same share of one half of the training data, held against the other
    unit: str  # of what the shares are
    members: int
    agree: float | None  # share of pairs that all members of the ensemble order alike
    agree_in_training: float | None
    accuracy: Share | None  # share of own pairs that are ordered as by the true reward
    heldout_accuracy: Share | None  # share of held-out comparisons that are ordered as answered


def coverage(subject: Subject, drawn: DrawnSegments, population: Population) -> Coverage:
    """Return how the drawn segments compare with the training comparisons."""
    source, state, spec = subject.reward
    first, second = _pairs(population.group, subject.seed)
    accuracy = None if population.true is None else _accuracy(population, first, second)
    heldout = source.heldout_agreement(state)
    held = None if heldout is None or float(heldout[1]) < 1 else _share(int(heldout[0]), int(heldout[1]))
    unit = f"sequences of {GRAM} tokens" if spec.text is not None else "steps"
    kept, own = source.comparisons(state), jax.jit(source.compared_inputs)(drawn.segments)
    if kept is None or own is None or kept.inputs.shape[1] < 2:
        return Coverage(0, None, None, unit, 1, None, None, accuracy, held)
    answered = np.asarray(kept.known).all(axis=1)
    inputs, own = np.asarray(kept.inputs)[answered], np.asarray(own)
    if len(inputs) < 2:
        return Coverage(len(inputs), None, None, unit, 1, None, None, accuracy, held)
    half = len(inputs) // 2
    new = _new_texts(spec.text, inputs, own) if spec.text is not None else _new_steps(inputs, own, half)
    within = (
        _new_texts(spec.text, inputs[half:], inputs[:half])
        if spec.text is not None
        else _new_steps(inputs[half:], inputs[:half], len(inputs) // 4)
    )
    found = _members(subject, own), _members(subject, inputs[:, :2].reshape(-1, *inputs.shape[2:]))
    agree = in_training = None
    members = 1 if found[0] is None else len(found[0])
    if members > 1 and found[0] is not None and found[1] is not None:
        agree = _agreement(found[0][:, first] - found[0][:, second])
        in_training = _agreement(found[1][:, ::2] - found[1][:, 1::2])
    return Coverage(len(inputs), new, within, unit, members, agree, in_training, accuracy, held)


def _members(subject: Subject, inputs: Float[np.ndarray, "N L d"]) -> Float[np.ndarray, "E N"] | None:
    """Return every member's returns of segments."""
    source, state, _ = subject.reward
    found = jax.jit(source.member_rewards)(state, jnp.asarray(inputs))
    return None if found is None else np.asarray(found, np.float64).sum(axis=-1)


def _pairs(group: Int[np.ndarray, " N"], seed: int) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Return pairs within groups, or of all in a random order, if every group has only one; each has a place once."""
    order = np.random.default_rng(seed).permutation(len(group))
    if len(np.unique(group)) < len(group):
        order = order[np.argsort(group[order], kind="stable")]
        order = order[: len(order) // 2 * 2]
        first, second = order[::2], order[1::2]
        same = group[first] == group[second]
        return first[same], second[same]
    order = order[: len(order) // 2 * 2]
    return order[::2], order[1::2]


def _accuracy(population: Population, first: np.ndarray, second: np.ndarray) -> Share | None:
    assert population.true is not None
    true = np.sign(population.true[first] - population.true[second])
    learned = np.sign(population.reward[first] - population.reward[second])
    decided = true != 0
    return _share(int(np.sum((true == learned) & decided)), int(np.sum(decided))) if decided.any() else None


def _share(right: int, of: int) -> Share:
    return right / of, *share_interval(right, of)


def _agreement(difference: Float[np.ndarray, "E n"]) -> float:
    return float(np.mean(np.all(difference > 0, axis=0) | np.all(difference < 0, axis=0)))


def _new_texts(text: TextSpec, training: np.ndarray, drawn: np.ndarray) -> float:
    """Return the share of token sequences in drawn responses that no training response has.

    Args:
        training, drawn: whole texts [..., P + L].
    """
    known = {gram for response in _responses(text, training) for gram in _grams(response, text)}
    found = [gram for response in _responses(text, drawn) for gram in _grams(response, text)]
    return float(np.mean([gram not in known for gram in found])) if found else 0.0


def _responses(text: TextSpec, inputs: np.ndarray) -> np.ndarray:
    return inputs.reshape(-1, inputs.shape[-1])[:, text.prompt_tokens :].astype(np.int64)


def _grams(response: np.ndarray, text: TextSpec) -> list[tuple[int, ...]]:
    said = response[response != text.pad].tolist()
    return [tuple(said[i : i + GRAM]) for i in range(len(said) - GRAM + 1)]


def _new_steps(training: np.ndarray, drawn: np.ndarray, half: int) -> float:
    """Return the share of drawn steps that are farther from the training steps than is usual among these.

    Args:
        training: comparisons [D, K, L, d]; drawn: segments [..., d].
        half: the comparisons after the first ``half`` are held against the first ones, to see what is usual.
    """
    rng = np.random.default_rng(0)
    scale = training.reshape(-1, training.shape[-1]).std(axis=0) + 1e-6

    def some(inputs: np.ndarray) -> np.ndarray:
        flat = inputs.reshape(-1, inputs.shape[-1]) / scale
        return flat[rng.permutation(len(flat))[:MOST]]

    known = some(training[:half])
    usual = np.quantile(_nearest(some(training[half:]), known), USUAL)
    return float(np.mean(_nearest(some(drawn), known) > usual))


def _nearest(points: Float[np.ndarray, "n d"], others: Float[np.ndarray, "m d"]) -> Float[np.ndarray, " n"]:
    from scipy.spatial import KDTree

    return np.asarray(KDTree(others).query(points)[0])

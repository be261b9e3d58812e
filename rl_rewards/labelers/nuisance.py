"""Nuisance features of a segment: properties other than the task that may bias a labeler's answers.

An example is the verbosity bias of judges of texts (Zheng et al. 2023, arXiv:2306.05685, section 3.3). A feature may
also belong to the task (for example, where a robot should move little); a person must decide that.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from rl_rewards.core.text_measures import distinct_share, ngrams, said_tokens
from rl_rewards.core.text_spec import TextSpec
from rl_rewards.core.types import Box, EnvSpec, Transition


class Nuisance(NamedTuple):
    """A feature and its unit."""

    of: Callable[[np.ndarray], Float[np.ndarray, "*batch"]]  # of ``taken_from`` [*batch, L, n]
    taken_from: Literal["obs", "action", "texts"]  # texts: each step's observation and action, [*batch, L, n + m]
    unit: str


def path_length(obs: np.ndarray) -> Float[np.ndarray, "*batch"]:
    """Return the length of the path that the observation takes: the sum of its step lengths over the L states."""
    return np.linalg.norm(np.diff(obs, axis=-2), axis=-1).sum(axis=-1)


def displacement(obs: np.ndarray) -> Float[np.ndarray, "*batch"]:
    """Return the distance of the last observation from the first."""
    return np.linalg.norm(obs[..., -1, :] - obs[..., 0, :], axis=-1)


def action_size(action: np.ndarray) -> Float[np.ndarray, "*batch"]:
    """Return the mean absolute value of the actions' entries."""
    return np.abs(action).mean(axis=(-2, -1))


def jerkiness(action: np.ndarray) -> Float[np.ndarray, "*batch"]:
    """Return the mean absolute change of an action entry from one step to the next; 0 for a segment of one step."""
    changes = np.abs(np.diff(action, axis=-2))
    return changes.sum(axis=(-2, -1)) / max(1, changes.shape[-2] * changes.shape[-1])


NUISANCES = {
    "path_length": Nuisance(path_length, "obs", "units of the observation"),
    "displacement": Nuisance(displacement, "obs", "units of the observation"),
    "action_size": Nuisance(action_size, "action", "units of the action"),
    "jerkiness": Nuisance(jerkiness, "action", "units of the action per step"),
}
"""The features of vectors."""


class Texts(NamedTuple):
    """N prompts and responses in tokens."""

    prompt: np.ndarray  # [N, P], with pads
    response: np.ndarray  # [N, L]
    said: np.ndarray  # [N, L] True for the response's tokens before its end
    pad: int


def response_length(texts: Texts) -> Float[np.ndarray, " N"]:
    """Return the number of tokens before the end."""
    return texts.said.sum(axis=-1).astype(np.float64)


def repetition(texts: Texts) -> Float[np.ndarray, " N"]:
    """Return the share of a response's trigrams that it already contained."""
    return 1.0 - np.asarray(
        distinct_share(*ngrams(jnp.asarray(texts.response), jnp.asarray(texts.said), 3)), np.float64
    )


def prompt_overlap(texts: Texts) -> Float[np.ndarray, " N"]:
    """Return the share of a response's different tokens that are in the prompt, 0 for an empty response."""
    found = []
    for prompt, response, said in zip(texts.prompt, texts.response, texts.said, strict=True):
        different = np.unique(response[said])
        found.append(np.isin(different, prompt[prompt != texts.pad]).mean() if len(different) else 0.0)
    return np.array(found, np.float64)


TEXT_NUISANCES: dict[str, tuple[Callable[[Texts], Float[np.ndarray, " N"]], str]] = {
    "length": (response_length, "tokens of the response"),
    "repetition": (repetition, "share of its three-token sequences that the response already contained"),
    "prompt_overlap": (prompt_overlap, "share of the response's different tokens that are in the prompt"),
}
"""The features of texts, with their units."""
FEATURES = (*NUISANCES, *TEXT_NUISANCES)
"""The names of features that are computed from observations and actions; any other name is a number in info."""


def nuisances_of(spec: EnvSpec) -> dict[str, Nuisance]:
    """Return the features that an environment has: those of texts, or of vectors, but not of images or choices."""
    if (text := spec.text) is not None:
        return {
            name: Nuisance(partial(_summed, of, text), "texts", unit) for name, (of, unit) in TEXT_NUISANCES.items()
        }
    boxes = {"obs": spec.obs, "action": spec.action}
    vectors = {name for name, box in boxes.items() if isinstance(box, Box) and len(box.shape) == 1}
    return {name: one for name, one in NUISANCES.items() if one.taken_from in vectors}


def names_of(spec: EnvSpec) -> list[str]:
    """Return the names of all features of an environment's segments, the numbers in its info included."""
    return [*nuisances_of(spec), *(name for name, shape in spec.info.items() if shape == ())]


def read_for(name: str) -> tuple[str, ...]:
    """Return what a labeler must read of a segment to measure a feature, as ``Requirements.reads`` names it."""
    return ("obs", "action") if name in FEATURES else (f"info.{name}",)


def feature(name: str, spec: EnvSpec, segments: Transition) -> Float[np.ndarray, "*batch"]:
    """Return a feature of segments, numpy leaves [*batch, L, ...]; a number in info is summed over the L steps."""
    if name not in FEATURES:
        return np.asarray(segments.info[name], np.float64).sum(axis=-1)
    return measure(nuisances_of(spec)[name], np.asarray(segments.obs), np.asarray(segments.action))


def measure(one: Nuisance, obs: np.ndarray, action: np.ndarray) -> Float[np.ndarray, "*batch"]:
    """Return a feature of segments; only the array that it is taken from must have the shape [*batch, L, n]."""
    if one.taken_from == "texts":
        return one.of(np.concatenate([obs, action], axis=-1))
    return one.of(np.asarray({"obs": obs, "action": action}[one.taken_from], np.float64))


def _summed(of: Callable[[Texts], Float[np.ndarray, " N"]], text: TextSpec, tokens: np.ndarray) -> np.ndarray:
    """Return a feature of texts [*batch, L, n + m], observations with their actions, summed over the L steps."""
    flat = tokens.reshape(-1, tokens.shape[-1])
    said = np.asarray(said_tokens(text, jnp.asarray(flat)))
    found = of(Texts(flat[:, : text.prompt_tokens], flat[:, -text.response_tokens :], said, text.pad))
    return found.reshape(tokens.shape[:-1]).sum(axis=-1)

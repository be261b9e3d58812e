"""Observations that also tell the weights of several objectives: how these are written into them, and taken out again.

A vector ends in the n weights. A prompt begins with n tokens, one for each weight, behind its padding. Only the policy
sees them: whatever judges a step gets it without weights, and reads them in ``info["weights"]`` if it needs them.
"""

from dataclasses import replace

import jax.numpy as jnp
from jaxtyping import Array, Int

from rl_rewards.core.text_spec import TextSpec
from rl_rewards.core.types import Box, EnvSpec, Transition

WEIGHTS = "weights"
"""The key of info with the weights [n] of the episode, in the order of ``EnvSpec.objectives``."""


def with_weights(spec: EnvSpec, objectives: tuple[str, ...]) -> EnvSpec:
    """Return the spec of an environment of texts or vectors whose observations also tell the objectives' weights."""
    names = (*spec.obs_names, *(f"weight of {name}" for name in objectives)) if spec.obs_names else ()
    longer = _resized(spec, len(objectives))
    info = {**longer.info, WEIGHTS: (len(objectives),)}
    return replace(longer, info=info, obs_names=names, objectives=objectives)


def without_weights(spec: EnvSpec) -> EnvSpec:
    """Return the spec of the same environment whose observations tell no weights."""
    if not spec.objectives:
        return spec
    shorter = _resized(spec, -len(spec.objectives))
    info = {key: shape for key, shape in shorter.info.items() if key != WEIGHTS}
    return replace(shorter, info=info, objectives=())


def _resized(spec: EnvSpec, more: int) -> EnvSpec:
    """Return ``spec`` with ``more`` entries in an observation; negative for fewer."""
    size = spec.obs.shape[0] + more
    if spec.text is None:
        low, high = (None if side is None else (*side[:size], *[end] * more) for side, end in _sides(spec.obs))
        return replace(spec, obs=Box((size,), low, high, spec.obs.dtype), obs_names=spec.obs_names[:size])
    last = float(spec.text.vocabulary - 1)
    text = replace(spec.text, prompt_tokens=spec.text.prompt_tokens + more)
    box = Box((size,), (0.0,) * size, (last,) * size, spec.obs.dtype)
    return replace(spec, obs=box, text=text, info={**spec.info, "scene": (size,)})


def _sides(box: Box) -> list[tuple[tuple[float, ...] | None, float]]:
    """Return the lower and the upper bounds, each with that of a weight."""
    return [(box.low, 0.0), (box.high, 1.0)]


def plain(spec: EnvSpec, transitions: Transition) -> Transition:
    """Return transitions of ``spec`` as whatever judges them sees them: with observations that tell no weights."""
    if not spec.objectives:
        return transitions
    obs, next_obs = (plain_obs(spec, x) for x in (transitions.obs, transitions.next_obs))
    return transitions.replace(obs=obs, next_obs=next_obs)


def plain_obs(spec: EnvSpec, obs: Array) -> Array:
    """Return observations [*batch, d + n] of ``spec`` without their weights, [*batch, d]."""
    n = len(spec.objectives)
    if spec.text is None:
        return obs[..., : obs.shape[-1] - n]
    shorter, start = obs[..., n:], _padding(spec.text, obs)
    return jnp.where(jnp.arange(shorter.shape[-1]) < start, spec.text.pad, shorter)


def prefixed(
    text: TextSpec, tokens: Int[Array, "*batch C"], prefix: Int[Array, "*batch n"]
) -> Int[Array, "*batch more"]:
    """Return texts whose prompts begin with ``prefix``, [*batch, n + C]; ``text`` is their layout without it."""
    n = prefix.shape[-1]
    longer = jnp.concatenate([jnp.full((*tokens.shape[:-1], n), text.pad, tokens.dtype), tokens], axis=-1)
    place = jnp.arange(longer.shape[-1]) - _padding(text, tokens)
    inserted = jnp.take_along_axis(prefix, jnp.clip(place, 0, n - 1), axis=-1)
    return jnp.where((place >= 0) & (place < n), inserted, longer)


def prefix_of(spec: EnvSpec, tokens: Int[Array, "*batch C"]) -> Int[Array, "*batch n"]:
    """Return the tokens of the weights in texts of ``spec``."""
    assert spec.text is not None, "only texts have them"
    place = _padding(spec.text, tokens) + jnp.arange(len(spec.objectives))
    return jnp.take_along_axis(tokens, place, axis=-1)


def _padding(text: TextSpec, tokens: Int[Array, "*batch C"]) -> Int[Array, "*batch 1"]:
    """Return the number of pads before a prompt, all P of them if it is empty."""
    is_pad = (tokens[..., : text.prompt_tokens] == text.pad).astype(jnp.int32)
    return jnp.sum(jnp.cumprod(is_pad, axis=-1), axis=-1, keepdims=True)

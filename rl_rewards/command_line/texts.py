"""Data sets of texts that an environment of text writes itself, as episodes of one step; see ``datasets.py``."""

import jax
import jax.numpy as jnp
import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.types import Transition, make_record
from rl_rewards.data.demonstrations.fit import Demonstrations
from rl_rewards.data.demonstrations.load import all_episodes
from rl_rewards.data.reference_returns import ReferenceReturns
from rl_rewards.envs.base import Environment
from rl_rewards.envs.text.base import Corpus, TextEnv, TextState
from rl_rewards.loop.recordings import recording_seed

CHUNK = 2000
"""Texts that are judged together."""


def written_texts(env: Environment, quality: str, texts: int, seed: int, number: int) -> Demonstrations:
    """Return ``texts`` episodes of one step, with their true reward and info; ``number`` chooses the random stream.

    Raises:
        ConfigError: if the environment writes no texts of this quality.
    """
    require(isinstance(env, TextEnv), f"{env.spec.name} is not an environment of text, so that it writes no texts.")
    assert isinstance(env, TextEnv)
    rng = np.random.default_rng(recording_seed(seed, number))
    return episodes_of(env, env.demonstrate(rng, texts, quality))


def reference_of_texts(env: Environment, best: str, texts: int, seed: int, number: int) -> ReferenceReturns:
    """Return the mean returns of uniformly random tokens, and of texts of the quality ``best``."""
    good = written_texts(env, best, texts, seed, number)
    high = int(np.asarray(env.spec.action.high)[0])  # type: ignore[union-attr]
    rng = np.random.default_rng(recording_seed(seed, number + 1))
    tokens = rng.integers(0, high + 1, good["action"].shape).astype(np.int32)
    assert isinstance(env, TextEnv)
    noise = episodes_of(env, Corpus(good["obs"], tokens))
    return ReferenceReturns(float(noise["env_reward"].mean()), float(good["env_reward"].mean()))


def episodes_of(env: TextEnv, corpus: Corpus) -> Demonstrations:
    """Return prompts with responses as episodes of one step, in the layout of files."""
    key = jax.random.key(0)  # a step of a text environment draws nothing

    @jax.jit
    def judged(obs: jax.Array, action: jax.Array):
        return jax.vmap(lambda tokens, response: env.step(key, TextState(tokens), response)[1])(obs, action)

    n = len(corpus.obs)
    size = min(n, CHUNK)
    filled = np.minimum(np.arange(-(-n // size) * size), n - 1).reshape(-1, size)  # the last row fills the last chunk
    outs = [jax.device_get(judged(jnp.asarray(corpus.obs[rows]), jnp.asarray(corpus.action[rows]))) for rows in filled]
    out = jax.tree.map(lambda *parts: np.concatenate(parts)[:n, None], *outs)
    never = np.zeros((n, 1), bool)
    steps = make_record(
        Transition,
        obs=corpus.obs[:, None],
        action=corpus.action[:, None],
        next_obs=out.next_obs,
        env_reward=out.env_reward,
        terminated=out.terminated,
        truncated=never,
        valid=~never,
        is_demo=never,
        behaviour={},
        info=out.info,
    )
    return all_episodes(steps, env.spec)

"""Texts that an environment of text has or writes, as recorded episodes of one step."""

import jax
import jax.numpy as jnp
import numpy as np

from rl_rewards.core.types import Transition, make_record
from rl_rewards.data.demonstrations.fit import Demonstrations
from rl_rewards.data.demonstrations.load import all_episodes
from rl_rewards.envs.text.base import Corpus, TextEnv, TextState

CHUNK = 2000
"""Texts that are judged together."""


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

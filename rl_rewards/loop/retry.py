"""What other actions would have done from where a segment begins, in environments that can begin there."""

import jax
import jax.numpy as jnp

from rl_rewards.core.types import Action, Key, Transition
from rl_rewards.envs.base import JaxEnv


def retry(env: JaxEnv, key: Key, segments: Transition, action: Action) -> Transition:
    """Return the steps [N, L, ...] of other actions [N, L, ...], from the first observation of each of ``segments``.

    The environment must not end episodes early, because all L steps are taken. ``behaviour`` is 0: no policy acted.
    """
    assert env.begin_at is not None, "build refuses other environments"
    first = segments.obs[:, 0]

    def step(state, given):
        step_key, now = given
        state, out = jax.vmap(env.step)(jax.random.split(step_key, len(first)), state, now)
        return state, out

    keys = jax.random.split(key, action.shape[1])
    _, out = jax.lax.scan(step, jax.vmap(env.begin_at)(first), (keys, jnp.swapaxes(action, 0, 1)))
    out = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), out)  # [N, L, ...]
    return segments.replace(
        obs=jnp.concatenate([first[:, None], out.next_obs[:, :-1]], axis=1),
        action=action,
        next_obs=out.next_obs,
        env_reward=out.env_reward,
        terminated=out.terminated,
        truncated=out.truncated,
        is_demo=jnp.zeros_like(segments.is_demo),
        behaviour=jax.tree.map(jnp.zeros_like, segments.behaviour),
        info={key: out.info[key] for key in segments.info},
    )

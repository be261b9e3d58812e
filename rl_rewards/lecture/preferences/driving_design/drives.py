"""Long drives of trained policies on ``env=highway``, and what happened in them."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from rl_rewards.algorithms.base import Algorithm
from rl_rewards.core.keys import new_key
from rl_rewards.core.types import Key
from rl_rewards.envs.base import JaxEnv
from rl_rewards.envs.driver.traffic import METRES_PER_MILE, STEP_SECONDS
from rl_rewards.loop.build import build_env
from rl_rewards.loop.policies import restore_policy

TOGETHER = 200
"""Episodes of one seed that are driven together; the program is the same for any number of them."""
DRIVES = 7
"""The seed of these episodes."""
CLOSE_HEADWAY, MOST_JERK = 1.0, 2.0  # s; m/s^3, the challenge's bound
COUNTED = ("standing", "tailgating", "straddling", "jerky", "off_road", "speed", "first_crash", "before_crash")
"""The numbers of a step that are summed over all steps: whether it counts for each of five shares of time, the speed,
whether it is the first collision of its episode, and the speed if that has not happened yet."""


class Drives(NamedTuple):
    """The drives of one seed's policy, which does not explore. A share of time is a share of all steps."""

    standing: float  # share of time below 2 m/s
    tailgating: float  # share of time with a headway below CLOSE_HEADWAY, while not standing
    straddling: float  # share of time over the line between the lanes
    jerky: float  # share of time with a jerk above MOST_JERK
    off_road: float  # share of time
    speed: float  # m/s, mean
    jerk: float  # m/s^3, 99th percentile
    largest_jerk: float  # m/s^3
    collisions: int  # the first of each episode, so that they are independent of each other
    miles: float  # driven until then, or to an episode's end


def measured(run_dir: Path, seeds: Sequence[int], episodes: int) -> list[Drives]:
    """Return what the policy of each seed of a run does in new episodes: each seed has its own, the same in all runs.

    Args:
        episodes: of each seed; rounded up to a multiple of ``TOGETHER``.
    """
    policies = [restore_policy(run_dir, seed) for seed in seeds]
    env = build_env(policies[0].config)
    assert isinstance(env, JaxEnv), "the study's arms drive on env=highway"
    agents = jax.tree.map(lambda *each: jnp.stack(each), *(policy.state for policy in policies))
    play = jax.jit(jax.vmap(partial(drive, env, policies[0].algorithm)))
    batches = -(-episodes // TOGETHER)
    sums, jerks = [], []
    for key in jax.random.split(new_key(DRIVES), batches):
        of_seeds = jax.vmap(partial(jax.random.fold_in, key))(jnp.asarray(seeds))
        found, jerk = jax.device_get(play(agents, of_seeds))
        sums.append(np.asarray(found, np.float64))
        jerks.append(jerk)
    totals, steps = np.sum(sums, axis=0), batches * TOGETHER * env.spec.max_episode_steps  # [S, COUNTED]
    felt = [np.concatenate([one[i] for one in jerks]) for i in range(len(seeds))]
    return [_of_seed(dict(zip(COUNTED, row, strict=True)), jerk, steps) for row, jerk in zip(totals, felt, strict=True)]


def _of_seed(total: dict[str, float], jerk: Float[np.ndarray, " m"], steps: int) -> Drives:
    return Drives(
        **{name: float(total[name] / steps) for name in ("standing", "tailgating", "straddling", "jerky", "off_road")},
        speed=float(total["speed"] / steps),
        jerk=float(np.percentile(jerk, 99.0)),
        largest_jerk=float(jerk.max()),
        collisions=round(total["first_crash"]),
        miles=float(total["before_crash"] * STEP_SECONDS / METRES_PER_MILE),
    )


def drive(env: JaxEnv, algorithm: Algorithm, agent: Any, key: Key) -> tuple[Float[Array, " n"], Float[Array, " m"]]:
    """Return the sums of ``COUNTED`` over TOGETHER episodes, and the jerk of every step."""
    reset_key, step_key = jax.random.split(key)
    states = jax.vmap(env.reset)(jax.random.split(reset_key, TOGETHER))
    memory = algorithm.initial_memory(TOGETHER)

    def step(carry: Any, key: Key) -> tuple[Any, tuple[Array, Array]]:
        states, memory, clear = carry
        act_key, env_key = jax.random.split(key)
        action, memory, _ = algorithm.act(agent, memory, jax.vmap(env.observe)(states), act_key, False)
        states, out = jax.vmap(env.step)(jax.random.split(env_key, TOGETHER), states, action)
        info = out.info
        crashes = info["crash"] > 0.0
        events = {
            **info,
            "tailgating": (info["headway"] < CLOSE_HEADWAY) & (info["standing"] == 0.0),
            "jerky": info["jerk"] > MOST_JERK,
            "first_crash": crashes & clear,
            "before_crash": info["speed"] * clear,
        }
        counts = jnp.stack([jnp.sum(events[name].astype(jnp.float32)) for name in COUNTED])
        return (states, memory, clear & ~crashes), (counts, info["jerk"])

    keys = jax.random.split(step_key, env.spec.max_episode_steps)
    _, (counts, jerks) = jax.lax.scan(step, (states, memory, jnp.ones(TOGETHER, bool)), keys)
    return jnp.sum(counts, axis=0), jerks.reshape(-1)

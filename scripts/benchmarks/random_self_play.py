"""A worker that plays self-play on key_door inside jit with random players: what ``plain_self_play`` does in Python.

``random_self_play.py floor`` writes and reads as many observations and plays nothing: no environment can be faster.
"""

import sys

import jax
import jax.numpy as jnp

from rl_rewards.command_line.compose import composed
from rl_rewards.core.keys import new_key
from rl_rewards.games.rules import whole_games
from rl_rewards.loop import build
from rl_rewards.loop.collect import collect_jax, reset_jax
from scripts.benchmarks.plain_self_play import ALICE_MOVES, HORIZON
from scripts.benchmarks.worker import serve

ENVS, LENGTH, ROLLOUTS = 1024, 256, 4


def main() -> None:
    rules = (f"reward.horizon={HORIZON}", f"reward.alice_moves={ALICE_MOVES}")
    game = build.build(composed(["reward=self_play", "env=key_door", "algorithm.rollout_length=128", *rules])).parts.env

    def act(memory, obs, key):
        hers = obs[..., -3] > 0.5
        action = jax.random.randint(key, hers.shape, 0, 6)
        return jnp.where(hers, action, action % 5), memory, {}

    @jax.jit
    def rollout(key):
        reset_key, collect_key = jax.random.split(key)
        played = collect_jax(game, act, reset_jax(game, reset_key, ENVS), collect_key, LENGTH).rollout
        found = whole_games(played, HORIZON)
        return jnp.sum(found.obs * found.valid[..., None]), jnp.sum(found.valid)  # the sum, so that nothing is left out

    @jax.jit
    def floor(key):
        first = jax.random.uniform(key, (ENVS, 1))
        row = (ENVS, *game.spec.obs.shape)
        _, obs = jax.lax.scan(lambda x, _: (x + 1.0, jnp.broadcast_to(x, row)), first, length=LENGTH)
        valid = obs[..., 0] >= 0.0
        return jnp.sum(obs * valid[..., None]), jnp.sum(valid)

    work = floor if sys.argv[1:] == ["floor"] else rollout
    valid = int(work(new_key(0))[1])
    keys = iter(range(1, 10**9))

    def piece() -> int:
        return sum(int(work(new_key(next(keys)))[1]) for _ in range(ROLLOUTS))

    serve(piece, {"valid_share": valid / (ENVS * LENGTH)})


if __name__ == "__main__":
    main()

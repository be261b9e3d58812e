"""Rewards that ask about segments find them in recorded data in offline runs."""

import jax
import jax.numpy as jnp
import numpy as np

from rl_rewards.loop import build, supplied
from rl_rewards.loop.rounds import make_round
from rl_rewards.loop.train import init_state
from tests.demonstrations import STEPS, point_demos, point_file
from tests.runs import composed


def test_preferences_ask_about_segments_of_a_data_set(tmp_path):
    """Segments come from the episodes of each seed, in a whole round of two seeds."""
    cfg = composed(
        "debug=smoke", "env=point", "reward=environment", "algorithm=bc", f"demos={point_file(tmp_path)}",
        "demonstrations.episodes=2", "num_seeds=2",
    )  # fmt: skip
    parts, settings = build.build(cfg)
    data = supplied.build_data(parts, settings)
    asking = composed("debug=smoke", "env=point", "reward=preferences", "reward.segment_steps=10")
    parts = parts._replace(source=build.build(asking).parts.source)  # no offline algorithm learns from it yet
    with jax.debug_key_reuse(False):  # see conftest
        _, _, query = jax.jit(make_round(parts))(data, init_state(parts, 0), jnp.int32(0))
    obs = np.asarray(query.segments.obs)  # [S, Q, K, L, 2]
    assert query.segments.valid.all() and obs.shape[3] == 10
    episodes = point_demos()["obs"].reshape(8, STEPS, 2)
    for seed in range(2):
        given = np.asarray(data["demos"].rows[seed][::STEPS] if data["demos"].rows is not None else [])
        starts = np.asarray(data["demos"].steps.obs)[given]
        own = [one for one in episodes if (one[0] == starts).all(axis=-1).any()]
        assert len(own) == 2
        windows = {one[i : i + 10].tobytes() for one in own for i in range(STEPS - 9)}
        assert {segment.tobytes() for segment in obs[seed].reshape(-1, 10, 2)} <= windows

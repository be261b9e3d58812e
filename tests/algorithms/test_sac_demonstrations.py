"""Tests of SAC with demonstrations: their number in a batch, their rewards, and their effect on the actor."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import Experience, RewardFn
from rl_rewards.data.demonstrations.choose import choose
from rl_rewards.data.replay import Replay
from rl_rewards.loop import supplied
from tests.algorithms.small import LOPSIDED, small_sac
from tests.demonstrations import point_demos, point_file
from tests.probes import make_rollout, make_spec
from tests.runs import build, composed, run_here

SPEC = make_spec(obs=3, action=LOPSIDED)
DEMOS = {"demos": "any.npz", "demo_fraction": 0.25}
SHOWN = 5.0
"""The demonstrated action in every state, in [-2, 6]."""


def experience(algorithm, state) -> Experience:
    rollout = make_rollout(SPEC, algorithm.rollout_length, algorithm.num_envs, info={"x": np.zeros((8, 16))})
    replay = Replay.init(rollout, algorithm.replay_capacity).add(rollout)

    def sample_demos(key, n):
        del key
        rows = jax.tree.map(lambda x: jnp.asarray(x)[:1, 0].repeat(n, axis=0), make_rollout(SPEC, 1, 1))
        action = jnp.full((n, 1), SHOWN)
        return rows.replace(action=action, is_demo=jnp.ones(n, bool), behaviour={}, info={})

    log_prob = partial(algorithm.log_prob, state)
    return Experience(rollout, replay.sample, replay.sample_segments, log_prob, sample_demos)


def test_a_share_of_every_batch_is_demonstrated_and_paid_by_the_same_reward():
    algorithm = small_sac(SPEC, **DEMOS)
    state = jax.jit(algorithm.init)(jax.random.key(0))
    pays_demos = RewardFn(call=lambda t: jnp.where(t.is_demo, 1.0, 0.0), absorbing=jnp.zeros(()))

    @jax.jit
    def sampled(state):
        return algorithm._sample(state, experience(algorithm, state), pays_demos, jax.random.key(1))

    batch = sampled(state)
    assert batch.is_demo.shape == (64,) and int(batch.is_demo.sum()) == 16
    np.testing.assert_array_equal(batch.reward, 1.0 * batch.is_demo)
    np.testing.assert_allclose(batch.action[batch.is_demo], 0.75, atol=1e-6)  # scaled to [-1, 1]


def test_the_imitation_term_pulls_the_actor_to_what_was_shown():
    def after(weight: float) -> float:
        algorithm = small_sac(SPEC, **DEMOS, bc_weight=weight, learning_starts=0, update_ratio=1.0)
        state = jax.jit(algorithm.init)(jax.random.key(0))
        same = RewardFn(call=lambda t: jnp.ones(t.env_reward.shape), absorbing=jnp.zeros(()))
        update = jax.jit(lambda s, k: algorithm.update(s, experience(algorithm, s), same, jnp.asarray(9), k)[0])
        for i in range(3):
            state = update(state, jax.random.key(i))
        shown = jnp.asarray(make_rollout(SPEC, 1, 1).obs)[0]
        return float(algorithm.act(state, (), shown, jax.random.key(0), explore=False)[0][0, 0])

    assert abs(after(1.0) - SHOWN) < 0.7 < abs(after(0.0) - SHOWN)


@pytest.mark.long
@pytest.mark.optimised
def test_a_discriminator_teaches_sac_what_was_demonstrated(tmp_path):
    """After eight demonstrations and 12,800 env steps, the policy reaches the goal disc from nearly every start."""
    small = ("rollout_length=40", "num_envs=16", "model.hidden=[64,64]", "batch_size=128", "update_ratio=0.5")
    sac = ("env=point", "algorithm=sac", *(f"algorithm.{key}" for key in small), f"demos={point_file(tmp_path)}")
    length = ("total_env_steps=12_800", "evaluation.every=20", "evaluation.episodes=20")
    assert run_here(tmp_path, *sac, "reward=gail", *length)["eval/success_deterministic"] > 0.8


def test_refusals(tmp_path):
    for changes, message in (
        ({"demo_fraction": 0.25}, r"demo_fraction=0\.25 learns from demonstrations; name some"),
        ({"bc_weight": 1.0}, r"bc_weight=1\.0 needs demonstrations in every batch; set algorithm.demo_fraction too"),
        ({"demos": "x", "demo_fraction": 1.0}, r"demo_fraction=1\.0 must lie in \[0, 1\)"),
    ):
        with pytest.raises(ConfigError, match=message):
            small_sac(SPEC, **changes)
    path = point_file(tmp_path, env_reward=None)
    sac = ("env=point", "algorithm=sac", f"demos={path}")
    with pytest.raises(
        ConfigError, match="This reward pays for demonstrated steps, but the algorithm's batches have none"
    ):
        build.build(composed(*sac, "reward=sqil"))
    term = "+reward.terms.near={weight: -1.0, of: info.scene, map: norm}"
    with pytest.raises(ConfigError, match="this reward reads scene from info, which demonstrations do not have"):
        build.build(composed(*sac, "algorithm.demo_fraction=0.5", "reward=hand_designed", term))
    with pytest.raises(ConfigError, match="lacks env_reward, which this reward reads"):
        run_here(tmp_path / "run", *sac, "algorithm.demo_fraction=0.5", "reward=environment")
    with pytest.raises(ConfigError, match="name different demonstrations"):
        run_here(tmp_path / "run", *sac, "algorithm.demo_fraction=0.5", "reward=gail", "reward.demos=other.npz")


def test_goals_from_the_ends_of_demonstrations(tmp_path):
    cfg = composed("env=point", f"demos={point_file(tmp_path)}", "examples.last_steps=5", "examples.heldout_share=0.25")
    data = supplied.build_data(*build.build(cfg))
    assert data["goal_obs"].shape == (30, 2) and data["heldout_obs"].shape == (10, 2)
    assert float(jnp.linalg.norm(data["goal_obs"], axis=-1).max()) < 0.15, "goals are in the goal disc"
    ends = point_demos()["next_obs"].reshape(8, 40, 2)[:, -5:]
    heldout = [episode for episode, end in enumerate(ends) if np.isin(end, np.asarray(data["heldout_obs"])).all()]
    assert len(heldout) == 2, "whole episodes are held out"
    with pytest.raises(ConfigError, match=r"examples\.last_steps=5 takes goals from demonstrations; name some"):
        supplied.build_data(*build.build(composed("env=point", "examples.last_steps=5")))


def test_goals_are_of_the_episodes_that_a_seed_is_given_and_of_no_others(tmp_path, capsys):
    """Otherwise a run with one demonstration would learn goals from all demonstrations."""
    few = ("demonstrations.episodes=1", "demonstrations.every=8", "examples.last_steps=5", "num_seeds=3")
    cfg = composed("env=point", f"demos={point_file(tmp_path)}", *few)
    demos, goals = point_demos(), supplied.build_data(*build.build(cfg))
    assert goals["goal_obs"].shape[:2] == (3, 4) and goals["heldout_obs"].shape[:2] == (3, 1)
    for seed in range(3):
        (episode,) = choose("x", demos, episodes=1, every=8, seed=seed).episodes
        end = demos["next_obs"].reshape(8, 40, 2)[episode, -5:]
        given = np.concatenate([goals["goal_obs"][seed], goals["heldout_obs"][seed]])
        assert {tuple(row) for row in given} == {tuple(row) for row in end}
    assert capsys.readouterr().out.count("Warning: examples.last_steps takes all goals from one demonstration") == 1


def test_seeds_of_one_program_need_equally_many_goals(tmp_path):
    kept = np.r_[:2, 40:80]
    rows = {key: value[kept] for key, value in point_demos().items() if not key.startswith("episode")}
    rows |= {"truncated": np.isin(np.arange(42), [1, 41]), "episode_start": np.array([0, 2])}
    path = point_file(tmp_path, **rows, episode_return=np.ones(2))
    few = ("demonstrations.episodes=1", "examples.last_steps=5", "examples.heldout_share=0.5", "num_seeds=8")
    cfg = composed("env=point", f"demos={path}", *few)
    with pytest.raises(ConfigError, match=r"gives each seed between 1 and \d training goals, .* choose num_seeds=1"):
        supplied.build_data(*build.build(cfg))

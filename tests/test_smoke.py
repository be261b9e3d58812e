"""Reward sources on environments run a few rounds and leave what the report needs."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from rl_rewards.command_line.help import list_choices
from rl_rewards.loop import build
from tests.demonstrations import recorded
from tests.runs import composed, raw_rows, rows, run_here, usable_envs

FOREIGN = ("envpool", "gymnasium", "gymnax")
ELSEWHERE = {"walking_robot", "frozen", "maxent_irl", "linear_preferences", "ai_feedback", "self_play"}
"""The reward of one robot alone, one that needs an earlier run, those for grid and for driver alone, one that needs an
endpoint, and one for environments with goals: all have tests of their own, or a pair below."""
REWARDS = sorted({*list_choices("reward")} - ELSEWHERE)
VARIANTS = ("constant", "fairl", "gaifo", "gail_softplus", "pugail", "random", "zero")
"""The same code as another YAML, or none that an environment could matter to: on one of them."""
FAMILY = ("airl", "curiosity", "mixture", "preferences", "sqil")
"""What sees of an environment what gail sees, or what others of these see: on one of ours and one of other people's."""
ROOMS = ("hall", "key_door", "light_switch", "mountain_car", "tv_grid")
"""Environments for self-play and curiosity: to a reward that is learned like others, they are what grid is."""
ENVS = [name for name in usable_envs() if name not in ROOMS]
PAIRS = [(reward, env) for reward, env in itertools.product(REWARDS, ENVS) if reward not in VARIANTS + FAMILY]
PAIRS += [("environment", env) for env in ROOMS]
PAIRS += [("self_play", env) for env in ("hall", "pencil_case")]
PAIRS += [("curiosity", "tv_grid")]
PAIRS += [(reward, "point") for reward in VARIANTS]
PAIRS += [("linear_preferences", "driver")]
PAIRS += list(itertools.product(FAMILY, ("point", "gymnasium")))


OFTEN = {(reward, "point") for reward in REWARDS}
OFTEN |= {("environment", env) for env in (*ENVS, *ROOMS)}
OFTEN |= {("adversarial_classifier", env) for env in ("pencil_case", "grid", "gymnasium")}
OFTEN |= {("gail", env) for env in ("grid", "gymnasium")}
OFTEN |= {("preferences", "gymnasium"), ("self_play", "hall"), ("self_play", "pencil_case")}
OFTEN |= {("curiosity", "tv_grid"), ("linear_preferences", "driver")}
"""Every reward once and every environment once; and the pairs of what a reward may find strange in an environment: one
on the host, discrete choices, and one of other people's that knows neither goals nor success. ``make test-long`` runs
the other pairs, which join again what these join."""
RUN = [pytest.param(*pair, marks=[] if pair in OFTEN else pytest.mark.long) for pair in PAIRS]


@pytest.mark.parametrize(("reward", "env"), RUN)
def test_pair(tmp_path, reward, env):
    needed = {
        "hand_designed": ["+reward.terms.near={weight: -1.0, of: next_obs, map: norm}"],
        "sqil": ["algorithm=sac", "algorithm.demo_fraction=0.5"],
        "self_play": ["reward.horizon=20", "reward.alice_moves=10"],
    }
    foreign = _foreign(env, tmp_path)
    if "demos" in composed(f"reward={reward}").reward:
        foreign.append(f"demos={recorded(tmp_path, f'env={env}', *foreign)}")
    last = run_here(
        tmp_path, f"reward={reward}", f"env={env}", *needed.get(reward, []), *foreign, "checkpoint.every=1000"
    )
    assert last["env_steps"] == 1600
    assert (tmp_path / "DONE").exists()
    success = [] if env in FOREIGN else ["success"]
    for key in ("true_return", "learned_return", *success):
        assert np.isfinite(last[f"eval/{key}"])
        assert np.isfinite(last[f"eval/{key}_deterministic"])
    assert [row["round"] for row in rows(tmp_path)] == list(range(5))
    evaluations = sorted(path.stem for path in (tmp_path / "evaluations").glob("*.npz"))
    assert evaluations == ["000000", "000001", "000003", "000004"]
    with np.load(tmp_path / "evaluations" / "000004.npz") as file:
        assert file["learned_reward"].shape == file["env_reward"].shape == file["valid"].shape


def _foreign(env: str, folder: Path) -> list[str]:
    """What an adapter of other people's environments cannot know by itself: examples, and that nothing ends early."""
    if env not in FOREIGN:
        return []
    choice = ["env.id=Pendulum-v1", "env.ends_early=false", "env.max_episode_steps=40"]
    spec = build.build(composed(f"env={env}", *choice, "reward=environment")).parts.env.spec
    rng, path = np.random.default_rng(0), folder / "examples.npz"
    names = ("goal_obs", "non_goal_obs")
    np.savez(path, **{name: rng.normal(size=(60, *spec.obs.shape)).astype(np.float32) for name in names})
    return [*choice, f"examples.path={path}"]


def test_the_environments_reward_is_its_own_truth_for_every_seed(tmp_path):
    last = run_here(tmp_path, "reward=environment", "env=point", "num_seeds=2")
    assert last["eval/learned_return"] == pytest.approx(last["eval/true_return"])


def test_success_in_training_is_unknown_in_a_round_in_which_no_episode_ends(tmp_path):
    run_here(tmp_path, "reward=environment", "env=point", "env.max_episode_steps=60", "algorithm.rollout_length=40")
    found = [row["train/success"] for row in raw_rows(tmp_path)]
    assert found[0] is None or np.isnan(found[0])
    assert found[1] == 0.0

"""Pairs of reward sources and environments run for a few rounds, and leave the files that the report needs and metrics
that the glossary explains."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from rl_rewards.command_line.choices import list_choices
from rl_rewards.loop import build
from rl_rewards.reporting.glossary import meaning
from tests.demonstrations import point_file, recorded
from tests.runs import composed, raw_rows, rows, run_here, usable_envs

FOREIGN = ("envpool", "gymnasium", "gymnax")
ELSEWHERE = {
    "walking_robot",
    "frozen",
    "helpful_harmless",
    "fast_gentle",
    "hand_and_answers",
    "maxent_irl",
    "linear_preferences",
    "ai_feedback",
    "self_play",
    "text_preferences",
    "erroneous",
    "process",
}
"""Rewards for a single environment, or that need an earlier run, an endpoint, or goals to set. They have their own
tests, or pairs below."""
REWARDS = sorted({*list_choices("reward")} - ELSEWHERE)
VARIANTS = ("constant", "constraints", "fairl", "gaifo", "gail_softplus", "pugail", "random", "written", "zero")
"""Rewards whose code another YAML shares, or that do not depend on the environment. Each runs on one environment, and
without evaluations, which read the reward in the same way for all rewards."""
FAMILY = ("airl", "curiosity", "mixture", "preferences", "sqil")
"""Rewards that read the same of an environment as gail or as each other. Each runs on one environment of this package,
and on one from another library."""
TEXTS = ("constitutional", "text", "text_chains", "text_prompts")
ROOMS = ("hall", "highway", "key_door", "light_switch", "mountain_car", "point_maze", *TEXTS, "tv_grid")
"""Environments for self-play, curiosity, terms and data sets; for any other learned reward they are like grid or point.
Texts are for rewards and algorithms of their own."""
TINY_MODEL = ("width=16", "layers=1", "heads=2", "kv_heads=2")
WRAPPERS = ("weighted",)
"""Environments around another one; they have tests of their own (``loop/test_weighted.py``)."""
ENVS = [name for name in usable_envs() if name not in ROOMS + WRAPPERS]
PAIRS = [(reward, env) for reward, env in itertools.product(REWARDS, ENVS) if reward not in VARIANTS + FAMILY]
PAIRS += [("environment", env) for env in ROOMS]
PAIRS += [("self_play", env) for env in ("hall", "pencil_case")]
PAIRS += [("curiosity", "tv_grid"), ("erroneous", "text"), ("process", "text_chains")]
PAIRS += [(reward, "point") for reward in VARIANTS]
PAIRS += [("linear_preferences", "driver")]
PAIRS += list(itertools.product(FAMILY, ("point", "gymnasium")))


SHARED = ("constant", "curiosity", "fairl", "gaifo", "gail", "gail_softplus", "goal_classifier", "mixture")
SHARED += ("preferences", "random", "written")
"""Rewards that do not run on point in make test: gail runs on grid and gymnasium and is the class of its variants,
``rewards/test_mixture.py``, ``rewards/written`` and ``lecture/test_lecture_story.py`` run others; tests of values show
their formulas."""
OFTEN = {(reward, "point") for reward in REWARDS if reward not in SHARED}
OFTEN |= {("adversarial_classifier", "pencil_case"), ("self_play", "pencil_case")}
OFTEN |= {("gail", env) for env in ("grid", "gymnasium")}
OFTEN |= {("linear_preferences", "driver"), ("erroneous", "text"), ("process", "text_chains")}
OFTEN |= {("environment", env) for env in {*ENVS, *ROOMS} - {env for _, env in OFTEN} - {"hall", "text_prompts"}}
OFTEN -= {("environment", "point")}  # test_the_environments_reward_is_its_own_truth_for_every_seed
"""The pairs of ``make test``: every class of rewards once (others: see ``SHARED``), every environment once (hall in
``games/test_evaluation.py``, text_prompts in ``reporting/test_without_true_reward.py``), and the environments that are
hard for a reward: one on the host, one with discrete actions, and one from another library without goals or success.
The parts of the other pairs are all in some of these; ``make test-long`` runs them."""
RUN = [pytest.param(*pair, marks=[] if pair in OFTEN else pytest.mark.long) for pair in PAIRS]


@pytest.mark.parametrize(("reward", "env"), RUN)
def test_pair(tmp_path, reward, env):
    needed = {
        "hand_designed": ["+reward.terms.near={weight: -1.0, of: next_obs, map: norm}"],
        "written": ["reward.expression='-norm(next_obs)'"],
        "constraints": ["+reward.limits.calm={of: action, map: norm, at_most: 0.1}"],
        "sqil": ["algorithm=sac", "algorithm.demo_fraction=0.5", "algorithm.update_ratio=0.05"],
        "self_play": ["reward.horizon=20", "reward.alice_moves=10"],
        "preferences": [
            "reward.updates_per_round=2",
            "reward.candidates=2",
            "reward.budget=60",
            "reward.pseudo_weight=1.0",
        ],
        "process": [f"reward.model.{size}" for size in TINY_MODEL],
        "linear_preferences": ["reward.sampler.samples=20", "reward.sampler.burn_in=100", "reward.sampler.thin=2"],
    }
    extra = _foreign(env, tmp_path)
    if "demos" in composed(f"reward={reward}").reward:
        demos = point_file(tmp_path) if env == "point" else recorded(tmp_path, f"env={env}", *extra)
        extra.append(f"demos={demos}")
    if reward != "adversarial_classifier":
        extra.append("checkpoint.best=null")  # see tests/loop/test_best.py
    parts = (f"reward={reward}", f"env={env}", *needed.get(reward, []), *extra)
    evaluated = reward not in VARIANTS
    last = run_here(tmp_path, *parts, "total_env_steps=960", "checkpoint.every=1000", evaluated=evaluated)
    assert last["env_steps"] == 960
    assert (tmp_path / "DONE").exists()
    found = rows(tmp_path)
    assert [row["round"] for row in found] == list(range(3))
    assert {key for row in found for key in row if meaning(key) is None} == set(), "the glossary lacks a metric"
    if evaluated:
        check_evaluations(tmp_path, last, env)


def check_evaluations(run_dir: Path, last: dict, env: str) -> None:
    success = [] if env in (*FOREIGN, "text_prompts") else ["success"]
    true = [] if env == "text_prompts" else ["true_return"]
    for key in (*true, "learned_return", *success):
        assert np.isfinite(last[f"eval/{key}"])
        assert np.isfinite(last[f"eval/{key}_deterministic"])
    evaluations = sorted(path.stem for path in (run_dir / "evaluations").glob("*.npz"))
    assert evaluations == ["000000", "000001", "000002"]
    with np.load(run_dir / "evaluations" / "000002.npz") as file:
        assert file["learned_reward"].shape == file["env_reward"].shape == file["valid"].shape


def _foreign(env: str, folder: Path) -> list[str]:
    """Return the overrides that an environment needs: a language model for texts; that no episode ends early, and
    examples, for one of another library."""
    if env in TEXTS:
        return ["algorithm=sampler", "algorithm.num_envs=320", *(f"algorithm.model.{size}" for size in TINY_MODEL)]
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
    long = ("env.max_episode_steps=60", "algorithm.rollout_length=40")
    run_here(tmp_path, "reward=environment", "env=point", *long, evaluated=False)
    found = [row["train/success"] for row in raw_rows(tmp_path)]
    assert found[0] is None or np.isnan(found[0])
    assert found[1] == 0.0

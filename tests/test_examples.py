"""scripts/examples: every printed command works, and the parts train together."""

import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import EnvSpec
from rl_rewards.data.demonstrations.load import load_demonstrations
from rl_rewards.loop import build
from rl_rewards.loop.playing import play
from rl_rewards.loop.trust import trusted_packages
from tests.finished import finished_run
from tests.runs import composed, run_here

FOLDER = Path(__file__).parents[1] / "scripts" / "examples"
CONFIGS = f"hydra.searchpath=[file://{FOLDER / 'configs'}]"
RUN = re.compile(r"python -m rl_rewards\.run --config-dir scripts/examples/configs(?: \\\n)?\s+([^\n`]*)")


def commands(page: Path) -> list[str]:
    return RUN.findall(page.read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def _classes_are_found(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    yield
    for name in [name for name in sys.modules if name.startswith("own_")]:
        monkeypatch.delitem(sys.modules, name)


@pytest.fixture
def file(tmp_path):
    import own_demonstrations

    own_demonstrations.main(str(tmp_path / "cart.npz"))
    return tmp_path / "cart.npz"


def test_every_file_says_how_it_is_run_and_the_page_repeats_it():
    printed = commands(FOLDER / "README.md")
    assert len(printed) == 5
    for path in FOLDER.glob("*.py"):
        for line in commands(path):
            assert line in printed or "minari:" in line, path.name


@pytest.mark.parametrize("line", commands(FOLDER / "README.md"))
def test_a_printed_command_builds(line):
    parts = build.build(composed(CONFIGS, "debug=smoke", *shlex.split(line))).parts
    assert any(type(part).__module__.startswith("own_") for part in (parts.env, parts.source, parts.labeling))


def test_the_examples_are_of_the_task_and_are_learned_from(tmp_path):
    import own_examples

    own_examples.main(str(tmp_path / "goals.npz"))
    with np.load(tmp_path / "goals.npz") as stored:
        goals, others = stored["goal_obs"], stored["non_goal_obs"]
    assert len(goals) == len(others) == 200
    assert np.abs(goals).max() < 0.1 and (np.abs(others).max(axis=1) > 0.1).all(), "as Cart.step has it"
    few = ("reward.updates_per_round=2", "evaluation.episodes=2", f"examples.path={tmp_path / 'goals.npz'}")
    last = run_here(
        tmp_path / "run", CONFIGS, "env=cart", "reward=adversarial_classifier", "algorithm=ppo_control", *few
    )
    assert 0.0 <= last["eval/learned_reward_final"] <= 1.0


def test_environment_reward_and_judge_in_one_run(tmp_path):
    """The cart is rewarded by the judge's preferences and for unusual states."""
    names = ("env=cart", "reward=mixture", "algorithm=ppo_control", "labeler=gentle", "evaluation.episodes=2")
    parts = ("reward@reward.parts.task=preferences", "reward@reward.parts.bonus=unusual")
    few = ("segment_steps=10", "budget=12", "sessions=2", "candidates=2", "updates_per_round=2")
    asks = [f"reward.parts.task.{key}" for key in (*few, "reward_model.model.hidden=[8]")]
    last = run_here(tmp_path / "run", CONFIGS, *names, *parts, *asks)
    assert last["reward/task/labels"] == 12.0 and np.isfinite(last["reward/task/mean"])
    assert last["reward/bonus/spread"] > 0.0 and last["reward/bonus/mean"] > 0.0
    assert 0.0 <= last["eval/success"] <= 1.0


def test_the_controller_does_the_task(file):
    spec = build.build_env(composed(CONFIGS, "env=cart")).spec
    demos = load_demonstrations(str(file), spec)
    last = demos["next_obs"][demos["truncated"]]
    assert len(last) == 10 and np.abs(last).max() < 0.1, "the cart rests in the middle"


@pytest.mark.filterwarnings("ignore::UserWarning:minari")
def test_the_same_steps_as_a_minari_data_set(file, tmp_path, monkeypatch):
    pytest.importorskip("minari")
    import own_demonstrations

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    own_demonstrations.main("minari:cart/controller-v0")
    spec = build.build_env(composed(CONFIGS, "env=cart")).spec
    there, here = load_demonstrations("minari:cart/controller-v0", spec), load_demonstrations(str(file), spec)
    for key in ("obs", "action", "next_obs", "truncated", "episode_start"):
        np.testing.assert_array_equal(there[key], here[key])


def test_a_policy_of_the_cart_is_played_once_its_package_is_named(tmp_path):
    run = finished_run(tmp_path / "run", CONFIGS, "env=cart", "reward=environment", "algorithm=ppo_control",
                       evaluated=False)  # fmt: skip
    with pytest.raises(ConfigError, match="trust=own_env"):
        play(str(run), 2, explore=True)
    found = play(str(run), 2, explore=True, trust=trusted_packages(["own_env"]))
    steps = EnvSpec.load(run / "spec.json").max_episode_steps
    assert [one.steps for one in found.episodes] == [steps] * 2 and found.episodes[0].true_return < 0.0

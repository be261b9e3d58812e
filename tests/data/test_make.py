"""``python -m rl_rewards.data make`` writes data sets of the qualities that its recipes describe."""

import hashlib
import json
from pathlib import Path
from unittest.mock import patch

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.command_line import datasets
from rl_rewards.command_line.choices import list_choices
from rl_rewards.command_line.datasets import DatasetMaker, whole_returns
from rl_rewards.command_line.recipes import Recipe, ScriptedQualities, TrainedQualities, read_recipe
from rl_rewards.core.errors import ConfigError
from rl_rewards.data.__main__ import main
from rl_rewards.data.demonstrations.load import load_demonstrations, read_demonstrations
from rl_rewards.loop.build import build_env
from rl_rewards.loop.policies import restore_policy
from tests.finished import SMALL, finished_run
from tests.runs import composed

SHARES = {"random": 0.5, "medium": 0.25, "expert": 0.25}


def made(maker: DatasetMaker, quality: str, steps: int | None = None) -> tuple[dict[str, np.ndarray], dict]:
    """Return the checked arrays of a data set, and its side file."""
    path = maker.make(quality, steps, "the command")
    about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert about["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (about["quality"], about["command"], about["seed"]) == (quality, "the command", maker.seed)
    return load_demonstrations(str(path), maker.env.spec), about


@pytest.fixture
def trained(tmp_path):
    """Return the maker of data sets of runs with two and with four rounds, and the list of runs that it starts."""
    started: list[Path] = []

    def train(run_dir: Path, overrides: list[str]) -> Path:
        if run_dir not in started:
            started.append(run_dir)
            finished_run(run_dir, *overrides[len(SMALL) :], evaluated=False)
        return run_dir

    recipe = Recipe(
        name="small",
        overrides=(*SMALL, "env=point", "reward=environment"),
        steps=800,
        trained=TrainedQualities(medium=640, expert=1280),
        mixed=SHARES,
    )
    with patch.object(datasets, "trained_run", train):
        yield DatasetMaker(recipe, 3, tmp_path), started


def test_policies_are_recorded_at_two_stages_of_training(trained, tmp_path):
    maker, started = trained
    found = {quality: made(maker, quality) for quality in ("medium_replay", "medium", "expert")}
    assert [run.name for run in started] == ["small_medium_640_seed3", "small_expert_1280_seed3"]
    assert {quality: about["steps"] for quality, (_, about) in found.items()} == {
        "medium_replay": 640, "medium": 800, "expert": 800,
    }  # fmt: skip
    replay = read_demonstrations(f"run:{started[0]}")
    for key in ("obs", "action", "next_obs", "env_reward", "truncated", "info_success"):
        np.testing.assert_array_equal(found["medium_replay"][0][key], replay[key])
    medium, expert = (found[quality][0] for quality in ("medium", "expert"))
    first = [policy.algorithm.act(policy.state, (), jnp.asarray(expert["obs"]), jax.random.key(0), explore=False)[0]
             for policy in map(restore_policy, started)]  # fmt: skip
    off = [np.abs(expert["action"] - np.clip(mode, -1.0, 1.0)).mean() for mode in first]
    assert off[1] < off[0] < 1.5 and not np.array_equal(medium["action"], expert["action"])
    assert set(found["medium"][1]["runs"]) == {"medium", "expert"}, "the expert is a reference"
    assert found["expert"][1]["runs"]["expert"]["folder"] == str(started[1])
    references = {json.dumps(about["reference_returns"]) for _, about in found.values()}
    assert len(references) == 1, "all data sets of an environment and a seed have the same references"


@pytest.fixture
def scripted(tmp_path):
    recipe = Recipe(
        name="walk",
        overrides=("env=point", "env._target_=tests.data.scripted.PointWithExpert", "env.max_episode_steps=40"),
        steps=1600,
        scripted=ScriptedQualities(speed=0.5, noise=0.4),
        random_overrides=("env.goal_radius=0.5",),
        mixed=SHARES,
    )
    return DatasetMaker(recipe, 0, tmp_path)


def test_a_script_is_recorded_with_noise_and_without(scripted):
    def scripted_share(arrays):
        wanted = 0.5 * np.clip(-arrays["obs"] / scripted.env.speed, -1.0, 1.0)
        return np.isclose(arrays["action"], wanted, atol=1e-5).all(axis=-1).mean()

    expert, about = made(scripted, "expert")
    assert scripted_share(expert) == 1.0 and len(expert["episode_start"]) == 40
    assert about["runs"] == {} and about["returns"]["whole_episodes"] == 40
    references = about["reference_returns"]
    assert references["expert"] > references["random"] >= 0.0
    assert about["normalized_score"] == pytest.approx(100.0, abs=10.0)
    medium, about = made(scripted, "medium")
    assert scripted_share(medium) == pytest.approx(0.6, abs=0.05) and about["normalized_score"] < 100.0
    random, about = made(scripted, "random", steps=1000)
    assert scripted_share(random) < 0.05 and about["returns"]["whole_episodes"] == 25 and about["steps"] == 1000
    reached = np.linalg.norm(random["next_obs"][random["info_success"]], axis=-1)
    assert 0.4 < reached.max() <= 0.5, "the goal is as large as random_overrides says"
    assert random["action"].std() == pytest.approx(3**-0.5, abs=0.03)
    mixed, about = made(scripted, "mixed")
    assert scripted_share(mixed) == pytest.approx(0.25 * 0.6 + 0.25, abs=0.05) and about["steps"] == 1600
    assert made(scripted, "mixed")[1]["sha256"] == about["sha256"]
    with pytest.raises(ConfigError, match=r"behaviour in walk is scripted, and no run has a replay; make random"):
        scripted.make("medium_replay", None, "")


def test_episodes_that_the_recording_cuts_do_not_count_in_returns(scripted):
    arrays, about = made(scripted, "expert", steps=100)  # two streams of 50 steps, in each an episode of 40
    assert len(arrays["episode_start"]) == 4 and about["returns"]["whole_episodes"] == 2
    np.testing.assert_array_equal(whole_returns(arrays, scripted.env.spec), arrays["episode_return"][[0, 2]])


def test_another_seed_is_another_demonstrator(scripted, tmp_path):
    other = DatasetMaker(scripted.recipe, 1, tmp_path, ["env.goal_radius=0.3"])
    assert (scripted.training_seed, other.training_seed) == (0, 1)
    path = other.make("random", 100, "")
    assert path == tmp_path / "walk_env.goal_radius-0.3" / "random_1.npz"
    assert not np.array_equal(read_demonstrations(str(path))["obs"], made(scripted, "random", 100)[0]["obs"])


@pytest.mark.parametrize("name", list_choices("dataset"))
def test_every_recipe_is_of_an_environment_that_is_there(name):
    recipe = read_recipe(name)
    chosen = next((one.removeprefix("env=") for one in recipe.overrides if one.startswith("env=")), None)
    if chosen is None or chosen in list_choices("env"):
        env = build_env(composed(*recipe.overrides, *recipe.random_overrides))
        whole = recipe.steps % (datasets.COPIES * env.spec.max_episode_steps) == 0
        assert whole or env.spec.ends_early, "no episode of fixed length is cut"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere/random"], "nowhere has no recipe for data sets; there are assistant, chains, "),
        (["pendulum/good"], "'good' is not a quality; make pendulum/QUALITY, one of random, medium, medium_replay, "),
        (["pendulum"], "pendulum: '' is not a quality; make pendulum/QUALITY"),
        (["pendulum/random", "--steps", "0"], "--steps 0 must be at least 1."),
        (["pendulum/random", "--seed", "-1"], "--seed -1 must be at least 0."),
        (["pendulum/medium_replay", "--steps", "10"], "--steps 10 cannot be chosen: medium_replay is all that its run"),
    ],
)
def test_what_cannot_be_made_is_one_sentence(arguments, message, capsys):
    with pytest.raises(SystemExit) as left:
        main(["make", *arguments])
    assert left.value.code == 2
    assert message in capsys.readouterr().err


def test_the_command_describes_what_it_made(scripted, tmp_path, capsys):
    with patch.object(datasets, "read_recipe", lambda name: scripted.recipe):
        main(["make", "walk/expert", "env.goal_radius=0.2", "--steps", "400", "--folder", str(tmp_path)])
    told = capsys.readouterr().out
    assert "10 episodes of 40 steps, 400 in all" in told and "no faults were found" in told
    about = json.loads((tmp_path / "walk_env.goal_radius-0.2" / "expert_0.json").read_text(encoding="utf-8"))
    start = "python -m rl_rewards.data make walk/expert env.goal_radius=0.2 --steps 400 --seed 0 --folder "
    assert about["command"].startswith(start)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"mixed": {"random": 0.5, "expert": 0.4}},
            r"walk\.mixed=.* must be shares of random, medium, expert with the",
        ),
        ({"mixed": {"medium_replay": 1.0}}, r"walk\.mixed="),
        ({"scripted": None}, "walk: give either trained, scripted or texts"),
        ({"steps": "many"}, r"walk\.steps=many is not valid; it must be a whole number\."),
    ],
)
def test_a_wrong_recipe_is_one_sentence(scripted, changes, message):
    with pytest.raises(ConfigError, match=message):
        Recipe(**vars(scripted.recipe) | changes)

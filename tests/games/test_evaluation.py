"""Tests of runs with two players: kills in either's turn, fine-tuning, evaluation, and early refusals."""

import signal
import subprocess
import sys
import textwrap

import jax
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.games.reward import SelfPlayState
from rl_rewards.games.rules import ALICE, BOB
from rl_rewards.loop import build
from rl_rewards.loop.checkpoint.one_item import restore_item
from rl_rewards.loop.policies import restore_policy
from rl_rewards.loop.saved_state import SavedState
from tests.finished import cut_back, finished_run, resumed_run
from tests.runs import command, composed, digest_of, raw_rows, rows, run_here, unexplained

SMALL = ("reward=self_play", "reward.horizon=12", "reward.alice_moves=6", "algorithm.rollout_length=40")
HALL = (*SMALL, "env=hall", "env.length=5", "env.goal=4")

KILLED = textwrap.dedent(
    """
    import os, signal, sys
    from rl_rewards.games.host_env import GameBatch
    from rl_rewards.run import main

    role, game_round = int(sys.argv.pop(1)), [0]
    step, reset = GameBatch.step, GameBatch.reset

    def counted(batch, mask):
        game_round[0] += batch.num_envs == 8 and bool(mask.all())  # the training batch: once, and as a round begins
        return reset(batch, mask)

    def killed(batch, action):
        if batch.num_envs == 8 and game_round[0] > 3 and (batch.turn[0] == role).any():
            os.kill(os.getpid(), signal.SIGKILL)
        return step(batch, action)

    GameBatch.step, GameBatch.reset = killed, counted
    main()
    """
)


@pytest.fixture(scope="module")
def never_killed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    done = command(*_host_run(), f"hydra.run.dir={folder}")
    assert done.returncode == 0, done.stderr
    return folder


def _host_run():
    few = ("evaluation.every=100", "checkpoint.every=1", "video=false", "report=false", "total_env_steps=2_560")
    return ("debug=smoke", "env=pencil_case", *SMALL, "reward.goal_threshold=0.01", *few)


def test_cut_back_to_an_earlier_checkpoint_it_ends_in_the_same_bits(tmp_path):
    run = finished_run(tmp_path, *_host_run(), "total_env_steps=960", evaluated=False)
    told, bits = rows(run), digest_of(run)
    cut_back(run)
    resumed_run(run, 960, evaluated=False)
    assert digest_of(run) == bits and rows(run) == told


@pytest.mark.long
@pytest.mark.parametrize("role", [pytest.param(ALICE, id="alice"), pytest.param(BOB, id="bob")])
def test_killed_in_either_players_turn_it_ends_in_the_same_bits(tmp_path, never_killed, role):
    arguments = (*_host_run(), f"hydra.run.dir={tmp_path}")
    script = [sys.executable, "-c", KILLED, str(role), *arguments]
    killed = subprocess.run(script, capture_output=True, text=True, timeout=300, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    begun = len(rows(tmp_path))
    assert 0 < begun < len(rows(never_killed)) and not (tmp_path / "DONE").exists()
    done = command(*arguments)
    assert done.returncode == 0, done.stderr
    assert digest_of(tmp_path) == digest_of(never_killed)
    assert rows(tmp_path) == rows(never_killed)


def test_a_game_with_every_option_leaves_what_the_report_shows(tmp_path):
    options = ("reward.past_share=0.5", "reward.past_versions=1", "reward.cloning_weight=0.5", "reward.form=win")
    task = ("reward.target_fraction=0.5", "env.max_episode_steps=12", "total_env_steps=640")
    last = run_here(tmp_path, *HALL, *options, *task, "algorithm=reinforce", "algorithm.num_envs=8")
    for name in ("alice_return", "bob_return", "game_reached", "game_t_alice", "success", "true_return"):
        assert np.isfinite(last[f"eval/{name}"])
    assert last["eval/learned_return"] == pytest.approx(last["eval/true_return"]), (
        "in the task, the learned reward is the true one"
    )
    assert np.isfinite(last["agent/bob_cloning_loss"])
    assert unexplained(tmp_path) == set(), "the glossary lacks a metric"
    assert last["reward/games"] > 0 and last["reward/task_episodes"] > 0
    with np.load(tmp_path / "evaluations" / "000001.npz") as file:
        for name, shape in (("goal", (4, 1)), ("reached", (4,)), ("place", (4, 2))):
            assert file[f"game_{name}"].shape == shape
        far = file["game_t_alice"]
        assert (file["game_distance"] <= far).all() and (far + file["game_t_bob"] <= 12).all()
        assert file["scene"].shape[0] == 12, "scenes of task episodes, for the video"
        player, moves = file["scene_player"], np.stack([far, file["game_t_bob"]])
        assert file["scene_games"].shape[:2] == player.shape == (13, 4)
        for role, made in zip((ALICE, BOB), moves, strict=True):
            stops = (player == role).sum(axis=0) - made[:4]  # Alice's stop repeats the previous scene
            assert ((stops == 0) | ((stops == 1) & (role == ALICE))).all()


@pytest.mark.long
def test_several_seeds_run(tmp_path):
    last = run_here(tmp_path, *HALL, "num_seeds=2")
    assert np.shape(last["eval/game_reached"]) == (2,)


# Fine-tuning.


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    return finished_run(tmp_path_factory.mktemp("played"), *HALL, evaluated=False)


FINE_TUNED = (*HALL, "reward.target_fraction=1", "env.max_episode_steps=12", "algorithm.learning_rate=1e-12")


def test_bob_goes_on_with_what_he_has_learned(tmp_path, played):
    finished_run(
        tmp_path, *FINE_TUNED, f"pretrain.run={played}", "pretrain.part=bob", "total_env_steps=320", evaluated=False
    )
    learned, tuned = restore_policy(played), restore_policy(tmp_path)
    for name, is_same in (("bob", True), ("alice", False)):
        before, after = getattr(learned.state, name).params, getattr(tuned.state, name).params
        close = [np.allclose(a, b, atol=1e-6) for a, b in zip(*map(jax.tree.leaves, (before, after)), strict=True)]
        assert all(close) == is_same, name
    counts = [int(policy.state.bob.optimizer[1][0].count) for policy in (learned, tuned)]
    assert counts[1] * 5 == counts[0], "a new optimiser has taken the steps of one round, the other those of five"
    before, after = (policy.state.bob.obs_moments.count for policy in (learned, tuned))
    assert after > before, "the observation statistics continue from those of the adopted Bob"


def test_each_seed_goes_on_with_its_own_and_the_run_is_resumed_without_the_first(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    plain = ("env=point", "reward=environment", "num_seeds=2", "total_env_steps=640")
    finished_run(first, *plain, evaluated=False)
    slow = ("algorithm.learning_rate=1e-12", "total_env_steps=320", f"pretrain.run={first}")
    finished_run(second, *plain, *slow, evaluated=False)
    with jax.debug_key_reuse(False):  # batched keys look consumed to the checker when one of them is
        for seed in (0, 1):
            before, after = restore_policy(first, seed).state.params, restore_policy(second, seed).state.params
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), before, after)
    first.rename(tmp_path / "moved")
    resumed_run(second, 640, evaluated=False)
    assert len(raw_rows(second)) == 2


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (("env=key_door", "env.max_episode_steps=12"), r"learned on hall, but this run's environment is key_door"),
        (("reward=environment",), r"has the learners alice and bob, but this run has one learner"),
        (("algorithm.model.hidden=[32]",), r"has networks of other shapes"),
        (("env.length=6",), r"learned with observations"),
        (
            ("pretrain.part=carol",),
            r"pretrain\.part=carol is not a learner of this run",
        ),
        (("pretrain.run=/nowhere",), r"/nowhere does not exist"),
        (("pretrain.run=null",), r"pretrain\.part=bob needs pretrain=RUN_DIR"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_compiles(tmp_path, played, changes, told, outer_patch):
    outer_patch.setattr("rl_rewards.loop.experiment.init_state", None)  # the first function that would compile
    fit = [c for c in FINE_TUNED if not (changes[0] == "reward=environment" and c.startswith("reward"))]
    if changes[0].startswith("env=key"):
        fit = [c for c in fit if not c.startswith(("env=", "env.length", "env.goal"))]
    with pytest.raises(ConfigError, match=told):
        run_here(tmp_path, *fit, f"pretrain.run={played}", "pretrain.part=bob", *changes)


def test_the_command_line_takes_a_folder_as_pretrain(tmp_path):
    done = command("env=point", "reward=environment", "debug=smoke", "pretrain=/nowhere", f"hydra.run.dir={tmp_path}")
    assert done.returncode != 0
    assert "/nowhere does not exist; name the run folder of the policy." in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (("env=gymnax",), r"cannot restore a state|needs an environment with goals"),
        (
            ("algorithm.rollout_length=12",),
            r"algorithm\.rollout_length=12 is too short for a whole game of reward\.horizon=12",
        ),
        (("reward.target_fraction=0.5",), r"algorithm\.rollout_length=20 is too short for a whole episode of the task"),
        (("algorithm=sac",), r"algorithm=sac needs real actions|scores whole trajectories|learns from whole rollouts"),
    ],
)
def test_runs_that_cannot_be_played_are_refused(changes, told):
    overrides = ("algorithm.rollout_length=20", "reward.horizon=12", "reward.alice_moves=6")
    fit = [o for o in overrides if "algorithm=sac" not in changes or not o.startswith("algorithm")]
    with pytest.raises(ConfigError, match=told):
        build.build(composed("debug=smoke", "reward=self_play", "env=hall", *fit, *changes))


def test_the_reward_item_of_a_game_can_be_restored(played):
    template = SelfPlayState(games=np.zeros((), np.float32), task_episodes=np.zeros((), np.float32))
    counted = restore_item(SavedState(played, "last"), "reward", template)
    assert float(counted.games) > 0

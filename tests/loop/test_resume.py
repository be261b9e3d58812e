"""A run that is killed at any time and resumed ends with the same bits and the same rows."""

import random
import shutil
import signal
import time

import jax
import numpy as np
import pytest
from omegaconf import OmegaConf

from rl_rewards.loop import build, supplied
from rl_rewards.loop.experiment import run_experiment
from tests.finished import cut_back, finished_run, resumed_run
from tests.processes import Command
from tests.runs import command, composed, digest_of, rows, run_here
from tests.test_configs import ADDED_LATER
from tests.unevaluated import evaluations

ROUNDS = 24
COMMON = ("debug=smoke", f"total_env_steps={320 * ROUNDS}", "checkpoint.every=3", "video=false", "report=false")


@pytest.mark.parametrize(
    ("env", "reward", "kills"),
    [
        ("pencil_case", "environment", 1),
        pytest.param("point", "adversarial_classifier", 3, marks=pytest.mark.long),
        pytest.param("pencil_case", "adversarial_classifier", 3, marks=pytest.mark.long),
    ],
)
def test_killed_at_random_instants(tmp_path, env, reward, kills):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    arguments = (*COMMON, f"env={env}", f"reward={reward}")
    assert command(*arguments, f"hydra.run.dir={whole}", evaluated=False).returncode == 0

    chance = random.Random(env)
    for _ in range(kills):
        process = Command(*arguments, f"hydra.run.dir={killed}", evaluated=False)
        first = _count(killed)
        deadline = time.monotonic() + 120
        # Let it run for at least a round, then kill it somewhere in the next rounds.
        while process.poll() is None and _count(killed) <= first and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(chance.uniform(0.0, 0.15))
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (killed / "DONE").exists(), "the kills came too late to test anything"
    assert command(*arguments, f"hydra.run.dir={killed}", evaluated=False).returncode == 0

    assert digest_of(killed) == digest_of(whole)
    assert rows(killed) == rows(whole)
    assert [row["round"] for row in rows(killed)] == list(range(ROUNDS))


def _count(run_dir) -> int:
    path = run_dir / "metrics.jsonl"
    return len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0


def test_longer_run_continues_the_shorter_one(tmp_path, kept_run):
    """resume=RUN_DIR total_env_steps=MORE ends with the same state as a run of that length, also if the shorter one was
    stopped while it wrote a line of metrics.
    """
    short, long = shutil.copytree(kept_run, tmp_path / "short"), tmp_path / "long"
    with (short / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"round": 99, "env_st')
    (short / "DONE").unlink()
    resumed_run(short, 3200, evaluated=False)
    assert [row["round"] for row in rows(short)] == list(range(10)), "the incomplete last line is dropped"
    finished_run(long, "env=point", "total_env_steps=3200", evaluated=False)
    assert digest_of(short) == digest_of(long)


def test_longer_run_continues_on_the_longer_schedule(tmp_path):
    """The learning rate decays over the run's current budget, not over the one in its saved configuration.

    The shorter run is done.
    """
    linear = ("algorithm.learning_rate_schedule=linear", "algorithm.learning_rate=1.0", "algorithm.epochs=1")
    finished_run(tmp_path, "env=point", "reward=environment", *linear, evaluated=False)
    resumed_run(tmp_path, 3200, evaluated=False)
    found = [row["agent/learning_rate"] for row in rows(tmp_path)]
    assert found == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2, 0.5, 0.4, 0.3, 0.2, 0.1])


def goes_on_to_the_bit(folder, *overrides: str) -> dict:
    """Run five rounds, go on from the checkpoint after four to the same bits, and return the last row."""
    run = finished_run(folder, *overrides, "checkpoint.every=2", evaluated=False)
    told, bits = rows(run), digest_of(run)
    cut_back(run)
    resumed_run(run, 1600, evaluated=False)
    assert digest_of(run) == bits and rows(run) == told
    return rows(run)[-1]


STABILISED = [f"algorithm.{one}" for one in ("target_kl=0.001", "reward_scale_floor=1.0", "learning_rate=0.01")]
MEMORY = ("model@algorithm.model=gru", "algorithm.model.units=8", "env.max_episode_steps=30", "reward=environment")
"""A recurrent policy; checkpoints are taken in the middle of episodes of 30 steps, because rollouts have 40."""


def stopped_early(last: dict) -> bool:
    """Return True if the target of the KL divergence stopped one of two updates of PPO early."""
    used = np.concatenate([np.ravel(value) for key, value in last.items() if key.endswith("epochs_used")])
    return len(used) == 2 and bool(np.all(used > 0.0) and np.any(used < 4.0))


def test_stabilisers_and_memory_of_two_seeds_go_on_to_the_bit(tmp_path):
    run = ("env=point", "num_seeds=2", "algorithm.min_log_std=-0.1")
    assert stopped_early(goes_on_to_the_bit(tmp_path, *run, *MEMORY, *STABILISED)), "the option was on"


ASKED = ("env=point", "reward=preferences", "reward.segment_steps=20", "reward.sessions=4", "reward.budget=8")


@pytest.mark.long
@pytest.mark.parametrize("kind", ["corrections", "descriptions"])
def test_answers_about_alternatives_go_on_to_the_bit(tmp_path, kind):
    last = goes_on_to_the_bit(tmp_path, *ASKED, f"reward.answers={kind}", "reward.candidates=1", "labeler=oracle")
    assert np.all(np.asarray(last["reward/labels"]) > 0), "there were answers to go on with"


@pytest.mark.long
def test_stabilisers_of_two_players_go_on_to_the_bit(tmp_path):
    run = ("env=hall", "reward=self_play", "reward.horizon=12", "reward.alice_moves=6", "algorithm.rollout_length=40")
    assert stopped_early(goes_on_to_the_bit(tmp_path, *run, *STABILISED)), "the option was on"


@pytest.mark.long
def test_a_policys_memory_on_the_host_goes_on_to_the_bit(tmp_path):
    goes_on_to_the_bit(tmp_path, "env=pencil_case", *MEMORY)


@pytest.mark.long
def test_noise_that_two_seeds_keep_on_the_host_goes_on_to_the_bit(tmp_path):
    """Checkpoints are taken after rollouts of 40 steps, in the middle of the seven for which noise is kept."""
    env = ("env=gymnasium", "env.id=Pendulum-v1", "env.max_episode_steps=30", "reward=environment", "num_seeds=2")
    goes_on_to_the_bit(tmp_path, *env, "algorithm.noise_every=7", "algorithm.model.hidden=[8]")


@pytest.mark.long
def test_a_run_of_an_earlier_version_goes_on(tmp_path):
    """The saved configuration lacks newer keys of PPO, which are then off and change no bit.

    The checkpoint has no state of keys that are on by default now.
    """
    old, new = tmp_path / "old", tmp_path / "new"
    run = ("env=point", "reward=environment", "algorithm.carry_returns=false")
    run_here(old, *run, evaluated=False)
    cfg = OmegaConf.create(OmegaConf.to_container(composed("debug=smoke", *run, "total_env_steps=3200"), resolve=True))
    for key in ADDED_LATER:
        cfg.algorithm.pop(key, None)
    with jax.debug_key_reuse(False), evaluations(False):
        experiment = build.build(cfg, old)
        run_experiment(experiment, supplied.build_data(*experiment), old, "test")
    run_here(new, *run, "total_env_steps=3200", evaluated=False)
    assert digest_of(old) == digest_of(new)


def test_evaluation_leaves_training_bit_identical(tmp_path):
    run = ("env=pencil_case", "reward=environment", "total_env_steps=960")
    run_here(tmp_path / "often", *run, "evaluation.every=1")
    run_here(tmp_path / "never", *run, evaluated=False)
    assert digest_of(tmp_path / "often") == digest_of(tmp_path / "never")

"""The policy and the reward of the best evaluation: they survive a kill, each seed has its own, and @best uses them."""

import json
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rl_rewards
from rl_rewards.core.errors import ConfigError
from rl_rewards.loop import experiment
from rl_rewards.loop.best import FILE, BestKeeper, best_choice, kept_in_words
from rl_rewards.loop.best_criterion import best_evaluation
from rl_rewards.loop.build import build
from rl_rewards.loop.checkpoint.best import BestCheckpoint
from rl_rewards.loop.checkpoint.one_item import restore_item
from rl_rewards.loop.policies import restore_policy
from rl_rewards.loop.pretrain import load_pretrained
from rl_rewards.loop.saved_state import SavedState, saved_state
from rl_rewards.loop.seeds import Seeds
from rl_rewards.loop.sources import restore_from_run
from rl_rewards.loop.state import TrainState
from rl_rewards.rewards.environment import EnvironmentReward
from tests.finished import finished_run
from tests.probes import make, make_spec
from tests.rewards.examples import tiny_source
from tests.runs import composed, digest_of, raw_rows, run_here

RUN = ("env=point", "total_env_steps=2240", "evaluation.every=1", "checkpoint.every=3")
REWARD = EnvironmentReward(spec=make_spec())


def record_of(run_dir):
    return json.loads((run_dir / FILE).read_text(encoding="utf-8"))


def same(one, other) -> bool:
    pairs = zip(*map(jax.tree.leaves, (one, other)), strict=True)
    return all(np.array_equal(np.asarray(a), np.asarray(b)) for a, b in pairs)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of seven rounds, all evaluated; the best is not the last."""
    folder = tmp_path_factory.mktemp("kept") / "run"
    finished_run(folder, *RUN)
    assert record_of(folder)["rounds"] < 7, "the fixture tests nothing if the best is the last: choose another seed"
    return folder


def test_what_is_kept_is_the_state_of_the_best_evaluation(run, tmp_path):
    record = record_of(run)
    best = best_evaluation(raw_rows(run), "success")
    assert record["criterion"] == "success" and record["seeds"][0]["round"] == best["round"]
    assert record["seeds"][0]["env_steps"] == best["env_steps"]
    assert BestCheckpoint(run).record() == record, "the checkpoint has the same record"
    assert "by success" in kept_in_words(run)

    finished_run(tmp_path, *RUN[:1], f"total_env_steps={best['env_steps']}", *RUN[2:], evaluated=False)
    assert same(restore_policy(f"{run}@best").state, restore_policy(tmp_path).state), "as in a run that stopped there"
    kept, stopped = restore_from_run(f"{run}@best").state, restore_from_run(tmp_path).state
    assert same(kept.classifier, stopped.classifier)
    assert stopped.visited.count(jnp.zeros(())) > 0 == kept.visited.count(jnp.zeros(())), "only updates read these"
    assert not same(restore_policy(f"{run}@best").state, restore_policy(run).state)


@pytest.mark.long
@pytest.mark.parametrize("killed_in", [1, 5])
def test_a_killed_run_ends_with_the_same_best(run, tmp_path, outer_patch, killed_in):
    """The run is killed in its evaluation after round 1 (before the first checkpoint) or 5, with an unsaved best."""

    class Killed(BaseException):
        pass

    whole, evaluate = record_of(run), experiment.Evaluator.__call__

    def dies(self, state, round):
        if round == killed_in:
            raise Killed
        return evaluate(self, state, round)

    with outer_patch.context() as patched:
        patched.setattr(experiment.Evaluator, "__call__", dies)
        with pytest.raises(Killed):
            run_here(tmp_path, *RUN)
    assert (tmp_path / "checkpoints" / "best").is_dir()
    run_here(tmp_path, *RUN)
    assert digest_of(tmp_path) == digest_of(run)
    assert record_of(tmp_path) == whole
    shutil.copyfile(run / "config.yaml", tmp_path / "config.yaml")  # usually the command line writes it
    assert same(restore_policy(f"{tmp_path}@best").state, restore_policy(f"{run}@best").state)
    assert same(restore_from_run(f"{tmp_path}@best").state, restore_from_run(f"{run}@best").state)


def test_a_run_that_keeps_none_trains_the_same(run, tmp_path):
    run_here(tmp_path, *RUN, "checkpoint.best=null")
    shutil.copyfile(run / "config.yaml", tmp_path / "config.yaml")
    assert digest_of(tmp_path) == digest_of(run)
    assert not (tmp_path / FILE).exists() and not (tmp_path / "checkpoints" / "best").exists()
    with pytest.raises(ConfigError, match=r"has no best checkpoint: .*@last\.$"):
        restore_policy(f"{tmp_path}@best")


# One keeper with synthetic states.


def state_of(*values) -> TrainState:
    """Return a state with a number and a key for each seed; there are as many seeds as values."""
    keys = jax.vmap(jax.random.key)(jnp.arange(len(values)))
    agent = {"w": jnp.array(values, jnp.float32)[:, None] * jnp.ones((len(values), 3)), "key": keys}
    return TrainState(agent=agent, reward={}, replay=None, env=None, key=keys)


def rows_of(*successes):
    return [
        {"round": i, "env_steps": 10 * (i + 1), "eval/success": s, "eval/learned_return": [0.0] * len(s)}
        for i, s in enumerate(successes)
    ]


def kept(run_dir, count=2):
    template = jax.eval_shape(lambda: state_of(*range(count)).agent)
    return np.asarray(restore_item(SavedState(run_dir, "best"), "agent", template)["w"])[:, 0].tolist()


def test_every_seed_keeps_its_own_best(tmp_path):
    keeper = BestKeeper(tmp_path, "success", REWARD, Seeds(2), None)
    rows = rows_of([0.5, 0.0], [0.4, 0.7], [0.3, 0.1], [0.3, 0.9], [0.6, 0.2])
    found = []
    for i in range(len(rows)):
        keeper.consider(rows[: i + 1], state_of(10 + i, 20 + i))
        found.append(kept(tmp_path))
    assert found == [[10, 20], [10, 21], [10, 21], [10, 23], [14, 23]]
    assert [entry["round"] for entry in record_of(tmp_path)["seeds"]] == [4, 3]
    assert "of each seed its own, after 50, 40 env steps" in kept_in_words(tmp_path)


def test_a_seed_that_was_never_measured_waits_for_its_first(tmp_path):
    keeper = BestKeeper(tmp_path, "success", REWARD, Seeds(2), None)
    rows = rows_of([None, 0.2], [0.1, 0.1])
    keeper.consider(rows[:1], state_of(10, 20))
    assert record_of(tmp_path)["seeds"][0] is None
    keeper.consider(rows, state_of(11, 21))
    assert kept(tmp_path) == [11, 20]


def test_a_resumed_run_takes_back_what_its_checkpoint_had(tmp_path):
    """A best state of rounds that are run again is removed at once, also from the disk."""
    keeper, rows = BestKeeper(tmp_path, "success", REWARD, Seeds(2), None), rows_of([0.1, 0.5], [0.9, 0.9])
    keeper.consider(rows[:1], state_of(1, 2))
    at_checkpoint = keeper.state
    keeper.consider(rows, state_of(3, 4))
    assert kept(tmp_path) == [3, 4]
    again = BestKeeper(tmp_path, "success", REWARD, Seeds(2), at_checkpoint)
    assert kept(tmp_path) == [1, 2] and record_of(tmp_path) == at_checkpoint.record
    again.consider([*rows[:1], *rows_of([0.0, 0.0], [0.2, 0.4])[1:]], state_of(5, 6))
    assert kept(tmp_path) == [5, 2], "the second run differs from the first"

    shutil.rmtree(tmp_path / "checkpoints" / "best")  # or a damaged one
    BestKeeper(tmp_path, "success", REWARD, Seeds(2), again.state)
    assert kept(tmp_path) == [5, 2]
    BestKeeper(tmp_path, "success", REWARD, Seeds(2), None)
    assert not (tmp_path / FILE).exists(), "the run starts again"


def test_what_may_judge():
    knows = type("Env", (), {"spec": make_spec(has_success=True)})
    knows_not = type("Env", (), {"spec": make_spec()})
    moves, own = tiny_source("goal_classifier", make_spec()), EnvironmentReward(spec=make_spec())
    assert best_choice("auto", knows, moves) == "success"
    assert best_choice("auto", knows_not, own) == "true_return"
    assert best_choice("auto", knows_not, moves) == "learned"
    assert best_choice(None, knows, moves) is None
    with pytest.raises(ConfigError, match=r"does not record success; choose true_return or learned\.$"):
        best_choice("success", knows_not, moves)
    with pytest.raises(ConfigError, match="must be auto, success, true_return, learned or null"):
        best_choice("newest", knows, moves)
    preferences = make("reward", "preferences", make_spec(), segment_steps=5)
    with pytest.raises(ConfigError, match="has neither goals nor demonstrations to compare with"):
        best_choice("learned", knows, preferences)


# Users of the best state.


def test_the_path_says_which(tmp_path):
    assert saved_state("runs/a") == saved_state("runs/a@last")
    assert saved_state("runs/a@best").which == "best" and str(saved_state("runs/a@best").run_dir) == "runs/a"
    assert saved_state("runs/a@12") == (Path("runs/a"), 12)
    assert str(saved_state("me@home/a").run_dir) == "me@home/a"
    (tmp_path / "odd@best").mkdir()
    assert saved_state(tmp_path / "odd@best") == (tmp_path / "odd@best", "last"), "an existing folder is meant"


def test_rewards_of_the_best_evaluation(run, tmp_path):
    obs = np.linspace(-1, 1, 8, dtype=np.float32).reshape(4, 2)
    values = {
        which: rl_rewards.load_reward(f"{run}{which}")(obs, next_obs=obs).tolist() for which in ("", "@last", "@best")
    }
    assert values[""] == values["@last"] != values["@best"]
    finished_run(
        tmp_path, "env=point", "reward=frozen", f"reward.run={run}@best", "total_env_steps=320", evaluated=False
    )
    assert rl_rewards.load_reward(tmp_path)(obs, next_obs=obs).tolist() == values["@best"]
    assert restore_from_run(f"{tmp_path}@best").spec.name == "point", "a frozen reward has one state"


def test_a_run_may_begin_with_the_best_policy(run):
    cfg = composed("debug=smoke", "env=point", f"pretrain.run={run}@best")
    parts, settings = build(cfg)
    (policy,) = load_pretrained(settings, parts)
    assert same(policy.state, restore_policy(f"{run}@best").state)


def test_runs_of_earlier_versions_have_none_and_stay_readable(run, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(run, old)
    shutil.rmtree(old / "checkpoints" / "best")
    (old / FILE).unlink()
    assert same(restore_policy(old).state, restore_policy(run).state)
    for load in (restore_policy, restore_from_run, rl_rewards.load_reward):
        with pytest.raises(ConfigError, match="has no best checkpoint"):
            load(f"{old}@best")
    assert kept_in_words(old) is None

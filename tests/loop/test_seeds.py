"""Several seeds in one program: each equals a single run, and they resume together."""

import numpy as np
import pytest

from rl_rewards.envs.pencil_case.env import PencilCase
from rl_rewards.loop.seeds import SeedBatches, make_batches
from tests.finished import cut_back, finished_run, resumed_run
from tests.probes import make
from tests.runs import digest_of, rows, run_here

SHORT = ("total_env_steps=960", "evaluation.every=2")


@pytest.mark.parametrize(
    ("env", "reward", "loss"),
    [("point", "adversarial_classifier", "reward/loss"), ("pencil_case", "environment", "agent/policy_loss")],
)
def test_a_seed_agrees_with_a_run_of_its_own(tmp_path, env, reward, loss):
    run = (f"env={env}", f"reward={reward}", *SHORT)
    run_here(tmp_path / "both", *run, "seed=3", "num_seeds=2")
    both = rows(tmp_path / "both")
    run_here(tmp_path / "second", *run, "seed=4")
    alone = rows(tmp_path / "second")
    assert len(alone) == len(both) == 3
    for one, together in zip(alone, both, strict=True):
        assert one.keys() == together.keys()
        for key, value in one.items():
            other = together[key][1] if isinstance(together[key], list) else together[key]
            if value is None or other is None:
                assert value == other, key
            else:
                assert other == pytest.approx(value, rel=2e-2, abs=2e-2), key
    first = both[0][loss]
    assert first[0] != first[1], "two seeds have different results"


@pytest.mark.long
def test_resumed_run_of_several_seeds_is_the_same_to_the_bit(tmp_path):
    many = ("env=pencil_case", "num_seeds=2", "total_env_steps=960", "checkpoint.every=1")
    run = finished_run(tmp_path, *many, evaluated=False)
    told, bits = rows(run), digest_of(run)
    cut_back(run)
    resumed_run(run, 960, evaluated=False)
    assert digest_of(run) == bits and rows(run) == told


def small_pencil_case() -> PencilCase:
    return make("env", "pencil_case", threads=1)


def test_batches_of_seeds_step_like_separate_ones():
    env = small_pencil_case()
    joined, alone = make_batches(env, 3, [7, 8]), [make_batches(env, 3, [seed]) for seed in (7, 8)]
    assert isinstance(joined, SeedBatches)
    rng = np.random.default_rng(0)
    for _ in range(5):
        action = rng.uniform(-1.0, 1.0, (6, 2)).astype(np.float32)
        out = joined.step(action)
        outs = [env.step(part) for env, part in zip(alone, np.split(action, 2), strict=True)]
        np.testing.assert_array_equal(out.next_obs, np.concatenate([o.next_obs for o in outs]))
        np.testing.assert_array_equal(out.info["scene"], np.concatenate([o.info["scene"] for o in outs]))
    np.testing.assert_array_equal(joined.get_state(), np.concatenate([env.get_state() for env in alone]))
    assert not np.array_equal(*np.split(joined.get_state(), 2)), "every seed has its own initial states"

    saved, other = joined.save(), make_batches(env, 3, [1, 2])
    other.load(saved)
    mask = np.array([True, False, False, False, True, False])
    np.testing.assert_array_equal(other.reset(mask), joined.reset(mask), err_msg="states and random streams came back")

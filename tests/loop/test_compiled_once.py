"""No function compiles again after its first round, and the replay ring is never copied."""

import jax
import pytest

from rl_rewards.loop import build
from rl_rewards.loop.rounds import Rounds
from rl_rewards.loop.state import init_state
from scripts.benchmarks.invariants import compiled_after_first_round, compiled_functions, follow_ring
from tests.runs import composed

SAC = ["algorithm=sac", "algorithm.learning_starts=0", "algorithm.update_ratio=0.05"]
PAIRS = [
    pytest.param(["env=point", "reward=environment", *SAC], id="point with SAC"),
    pytest.param(["env=point"], id="point with PPO", marks=pytest.mark.long),
    pytest.param(["env=pencil_case"], id="pencil case with PPO"),
]


@pytest.mark.slow
@pytest.mark.parametrize("overrides", PAIRS)
def test_nothing_compiles_after_the_first_evaluated_round(tmp_path, overrides):
    before, after = compiled_after_first_round(composed("debug=smoke", *overrides), tmp_path)
    assert before  # the counter works
    assert after == []


def test_the_counter_sees_a_recompilation():
    function = jax.jit(lambda x: 3.0 * x)
    with compiled_functions() as names:
        for length in (2, 2, 5):
            function(jax.numpy.zeros(length)).block_until_ready()
    assert names.count("jit(<lambda>)") == 2


@pytest.mark.parametrize("seeds", [pytest.param(1, marks=pytest.mark.long), 2])
def test_replay_is_never_copied(seeds):
    settings = ["algorithm.num_envs=4", "algorithm.rollout_length=10", "algorithm.replay_capacity=1_000_000"]
    cfg = composed("env=point", "reward=environment", *SAC, *settings, f"num_seeds={seeds}")
    parts = build.build(cfg).parts
    with jax.debug_key_reuse(False):  # the checker takes all batched keys for consumed when one is
        state = init_state(parts, 0)
        ring = follow_ring(Rounds(parts, {}, state, None), state, 3)
    assert ring.moved == 0
    assert ring.copies == []
    assert ring.scratch_bytes < ring.ring_bytes / 4

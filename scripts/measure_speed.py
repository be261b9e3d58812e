"""Measures where the main job's time goes: ``python scripts/measure_speed.py [OVERRIDE ...]``.

It writes medians over rounds of wall seconds per round to ``scripts/results/speed.json``; run it on an otherwise idle
machine. Host glue is the time of the environment's Python code without MuJoCo's C threads. The two updates are timed
separately, and then together.
"""

import json
import statistics
import sys
import time
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp

from rl_rewards.command_line.compose import composed
from rl_rewards.core.keys import new_key
from rl_rewards.core.types import Experience
from rl_rewards.data.replay import Replay
from rl_rewards.loop import build, supplied
from rl_rewards.loop.collect import collect_host
from rl_rewards.loop.rounds import Rounds, host_act, make_host_env
from rl_rewards.loop.state import init_state
from rl_rewards.rewards.base import reward_fn

ROUNDS = 30
RESULT = Path(__file__).resolve().parent / "results" / "speed.json"


def main() -> None:
    """Measure, print and write."""
    parts, settings = build.build(composed(sys.argv[1:]))
    data = supplied.build_data(parts, settings)
    state = init_state(parts, 0)
    env = make_host_env(parts, 0)
    assert env is not None, "this split is that of a host environment"
    run_round = Rounds(parts, data, state, env)
    seconds: dict[str, list[float]] = {}

    env_seconds = _timed_steps(env)
    for i in range(ROUNDS + 5):
        physics, stepping = env.physics_seconds, env_seconds[0]
        started = time.perf_counter()
        state, metrics, _ = run_round(state, i)
        jax.block_until_ready(metrics)
        whole = time.perf_counter() - started
        if i < 5:  # fills caches; the first round also trains on the examples
            continue
        physics = env.physics_seconds - physics
        stepping = env_seconds[0] - stepping
        collect = run_round.seconds["collect"]
        split = {
            "physics": physics,
            "host_glue": stepping - physics,
            "policy_and_storing": collect - stepping,
            "learn": whole - collect,
            "round": whole,
        }
        for name, value in split.items():
            seconds.setdefault(name, []).append(value)
    result = {name: statistics.median(values) for name, values in seconds.items()}
    result |= _updates(parts, data, state, env)
    steps = parts.steps_per_round
    summary = {
        "unit": f"wall seconds a round of {steps} env steps, median of {ROUNDS}",
        "seconds": {name: round(value, 5) for name, value in result.items()},
        "compile_seconds": round(run_round.compile_seconds, 2),
        "env_steps_per_second": round(steps / result["round"]),
        "host_glue_over_physics": round(result["host_glue"] / result["physics"], 3),
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(summary, indent=1))


def _timed_steps(env) -> list[float]:
    """Make ``env`` add up the time inside step and reset in the list's one entry."""
    total = [0.0]
    for name in ("step", "reset"):
        inner = getattr(env, name)

        def timed(argument, inner=inner):
            started = time.perf_counter()
            result = inner(argument)
            total[0] += time.perf_counter() - started
            return result

        setattr(env, name, timed)
    return total


def _updates(parts, data, state, env) -> dict[str, float]:
    """Return the updates of the reward and of the policy, each as a separate program."""
    _, source, algorithm, _ = parts
    act = jax.jit(host_act(parts, partial(algorithm.act, explore=True)))
    memory = algorithm.initial_memory(algorithm.num_envs)
    collected = collect_host(env, act, state.agent, new_key(1), algorithm.rollout_length, memory)
    rollout = jax.tree.map(jnp.asarray, collected.rollout)
    log_prob = partial(algorithm.log_prob, state.agent)
    round_ = jnp.asarray(10, jnp.int32)

    def experience(rollout):
        newest = Replay.of(rollout)
        return Experience(rollout, newest.sample, newest.sample_segments, log_prob, memory=memory)

    @jax.jit
    def update_reward(reward, rollout, key):
        return source.update(reward, data, experience(rollout), round_, key)

    @jax.jit
    def update_policy(agent, reward, rollout, key):
        return algorithm.update(agent, experience(rollout), reward_fn(source, reward), round_, key)

    key = new_key(2)
    return {
        "reward_update": _median_seconds(lambda: update_reward(state.reward, rollout, key)),
        "policy_update": _median_seconds(lambda: update_policy(state.agent, state.reward, rollout, key)),
    }


def _median_seconds(call) -> float:
    jax.block_until_ready(call())
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        jax.block_until_ready(call())
        times.append(time.perf_counter() - started)
    return statistics.median(times)


if __name__ == "__main__":
    main()

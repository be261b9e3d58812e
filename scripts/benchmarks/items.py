"""What ``make bench`` measures, and what was predicted: one function for each item, ``(settings) -> Result``."""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from scripts.benchmarks.against_imitation import (
    gail_against_imitation,
    preference_returns,
    preferences_against_imitation,
    returns_against_imitation,
)
from scripts.benchmarks.answering import PIECE
from scripts.benchmarks.contest import PER, ROOT, BenchError, module, take_turns, told_once, worker_env
from scripts.benchmarks.result import Result, Row, Settings
from scripts.benchmarks.to_score import to_score

CART_POLE = [
    "env=gymnax",
    "reward=environment",
    "algorithm.num_envs=64",
    "algorithm.rollout_length=128",
    "algorithm.discount=0.99",
    "algorithm.clip=0.2",
    "algorithm.learning_rate=2.5e-4",
    "algorithm.entropy_weight=0.01",
]
"""The peers' settings. Ours normalises observations and rewards on top, as it does by default; they do not."""


def ppo_against_peers(settings: Settings) -> Result:
    """PPO on CartPole, 64 environments x 128 steps, 2x64 networks; 4 epochs of 4 minibatches (SB3's own: 10 of 128)."""
    ours = {(4, 4): "ours", (10, 128): "ours_small_minibatches"}
    commands = {
        name: module(
            "train", 20 if epochs == 4 else 2, *CART_POLE, f"algorithm.epochs={epochs}", f"algorithm.minibatches={n}"
        )
        for (epochs, n), name in ours.items()
    }
    folder = settings.peers
    found = {
        "purejaxrl": folder is not None and (folder / "purejaxrl" / "purejaxrl" / "ppo.py").is_file(),
        "sb3": folder is not None and (folder / "venv" / "bin" / "python").is_file(),
    }
    for name in [name for name, there in found.items() if not there]:
        settings.say(f"  {name} is skipped: it is not in PEERS={folder or ''}: see scripts/results/README.md")
    if folder is not None and found["purejaxrl"]:
        commands["purejaxrl"] = module("peer_purejaxrl", folder / "purejaxrl")
    if folder is not None and found["sb3"]:
        script = [str(folder / "venv" / "bin" / "python"), str(ROOT / "scripts" / "benchmarks" / "peer_sb3.py")]
        commands |= {"sb3": [*script, "4", "4", "6"], "sb3_small_minibatches": [*script, "10", "128", "1"]}
    contest = take_turns(commands, settings.repeats, settings.say)
    rows = []
    if found["purejaxrl"]:
        rows += [
            Row(f"ours / purejaxrl, per {per} second", contest.ratio("ours", "purejaxrl", per), 1.0) for per in PER
        ]
    if found["sb3"]:
        for per, predicted in (("cpu", 30.0), ("wall", None)):
            rows.append(Row(f"ours / SB3, per {per} second", contest.ratio("ours", "sb3", per), predicted))
        small = contest.ratio("ours_small_minibatches", "sb3_small_minibatches", "cpu")
        rows.append(Row("ours / SB3 with SB3's 10 epochs of minibatches of 64, per cpu second", small))
    return Result(
        rows, {"env_steps_per_second": contest.summary(), "skipped": [n for n, there in found.items() if not there]}
    )


def cost_of_the_loop(settings: Settings) -> Result:
    """What the adversarial classifier adds to plain PPO, main job's settings."""
    commands = {reward: module("train", 15, f"reward={reward}") for reward in ("environment", "adversarial_classifier")}
    contest = take_turns(commands, settings.repeats, settings.say)
    ratios = {per: contest.ratio("environment", "adversarial_classifier", per) for per in PER}
    rows = [
        Row(f"adversarial / plain PPO, {per} seconds per env step", ratio, at_most=1.3) for per, ratio in ratios.items()
    ]
    return Result(rows, {"env_steps_per_second": contest.summary()})


def cost_of_places(settings: Settings) -> Result:
    """Measures the cost of negatives by places against negatives by visits, with the main job's settings."""
    commands = {kind: module("train", 15, f"reward.negatives={kind}") for kind in ("visits", "places")}
    contest = take_turns(commands, settings.repeats, settings.say)
    rows = [
        Row(f"places / visits, {per} seconds per env step", contest.ratio("visits", "places", per), at_most=1.05)
        for per in PER
    ]
    return Result(rows, {"env_steps_per_second": contest.summary()})


def against_sync_vector_env(settings: Settings) -> Result:
    """The main job end to end, on our C-threaded batch and on Gymnasium's SyncVectorEnv."""
    sync = "env._target_=scripts.benchmarks.sync_pencil_case.SyncPencilCase"
    commands = {"ours": module("train", 15), "sync_vector_env": module("train", 4, sync)}
    contest = take_turns(commands, settings.repeats, settings.say)
    rows = [
        Row(f"ours / SyncVectorEnv, env steps per {per} second", contest.ratio("ours", "sync_vector_env", per), least)
        for per, least in (("wall", 2.0), ("cpu", None))
    ]
    return Result(rows, {"env_steps_per_second": contest.summary()})


SEEDS_BUDGET = 100_000
"""Env steps of each seed, for the figures that include compilation."""


def many_seeds(settings: Settings) -> Result:
    """Eight seeds in one program against eight runs one after another, on point; without a compilation cache."""
    arms = {
        "sac": (1, ["algorithm=sac", "algorithm.rollout_length=15", "algorithm.learning_starts=240"]),
        "ppo": (4, ["algorithm=ppo"]),
    }
    rows, details = [], {}
    for name, (rounds, overrides) in arms.items():
        common = ["env=point", "reward=environment", *overrides]
        commands = {
            "one_program": module("train", rounds, *common, "num_seeds=8"),
            "one_after_another": module("train", 8 * rounds, *common),  # steady: the same seed again is as good
        }
        settings.say(f"  algorithm={name}")
        contest = take_turns(commands, settings.repeats, settings.say)
        for per in PER:
            rows.append(Row(f"{name}: speed of 8 seeds in one program / one after another, per {per} second",
                            contest.ratio("one_program", "one_after_another", per), 1.0))  # fmt: skip
        for per in PER:
            seconds = {}
            for arm, compilations in (("one_program", 1), ("one_after_another", 8)):
                steady = 8 * SEEDS_BUDGET / statistics.median(contest.speeds(arm, per))
                seconds[arm] = steady + compilations * contest.prepared[arm][f"compile_{per}"]
            rows.append(Row(f"{name}: the same with compiling, {SEEDS_BUDGET:,} env steps a seed, per {per} second",
                            seconds["one_after_another"] / seconds["one_program"], 1.0))  # fmt: skip
        details[name] = contest.summary()
    return Result(rows, {"env_steps_per_second": details})


def seeds_on_devices(settings: Settings) -> Result:
    """Eight seeds of PPO on CartPole: divided among eight devices that share the CPU, against one device."""
    eight = [*CART_POLE, "num_seeds=8", "placement=cpu"]
    commands = {f"{count}_devices": module("train", 10, *eight, f"placement.devices={count}") for count in (1, 8)}
    contest = take_turns(commands, settings.repeats, settings.say)
    rows = [
        Row(
            f"8 devices / 1 device, {per} seconds per env step",
            contest.ratio("1_devices", "8_devices", per),
            at_most=most,
        )
        for per, most in (("cpu", 1.15), ("wall", None))
    ]
    return Result(rows, {"env_steps_per_second": contest.summary()})


def second_start(settings: Settings) -> Result:
    """Compile seconds of the main job's first and second start, with a cache folder that was empty before."""
    turns = []
    for repeat in range(settings.repeats):
        with tempfile.TemporaryDirectory() as cache:
            turns.append([told_once(module("start", cache)) for _ in range(2)])
        first, second = (turn["round_wall"] for turn in turns[-1])
        settings.say(f"  turn {repeat + 1} of {settings.repeats}: compiled in {first:.1f} s, then in {second:.1f} s")
    names = {
        "round_wall": "second / first start, what a run prints as 'Compiled in'",
        "xla_wall": "the same, XLA's part alone",
        "all_cpu": "the same, everything up to the first evaluation, tracing included, CPU seconds",
    }
    rows = [
        Row(name, statistics.median(second[key] / first[key] for first, second in turns),
            at_most=0.2 if key == "round_wall" else None)
        for key, name in names.items()
    ]  # fmt: skip
    return Result(rows, {"seconds_first_and_second": turns})


def recompilations(settings: Settings) -> Result:
    """Functions that compile after the first evaluated round of a small whole experiment."""
    told = told_once(module("counts", "compilations"))
    return Result([Row(f"functions compiled again, {name}", n, at_most=0) for name, n in told.items()], {})


def replay_copies(settings: Settings) -> Result:
    """SAC's ring of a million transitions, in memory and in the compiled round."""
    told = told_once(module("counts", "ring"))
    rows = [
        Row("arrays of the ring that moved in memory", told["moved"], at_most=0),
        Row("copies of the ring's shape in the compiled round", told["copies"], at_most=0),
        Row("scratch memory of the round / size of the ring", told["scratch_bytes"] / told["ring_bytes"], at_most=0.5),
    ]
    return Result(rows, told)


def peak_memory(settings: Settings) -> Result:
    """Of a short main job with checkpoints, video and report: its rings have their full size from the start."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as errors:
        command = [sys.executable, "-m", "rl_rewards.run", "total_env_steps=310_000", f"hydra.run.dir={folder}"]
        process = subprocess.Popen(command, cwd=ROOT, env=worker_env(), stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)  # of this child alone, not the largest so far
        errors.seek(0)
        said = errors.read().strip() or "it said nothing"
    if os.waitstatus_to_exitcode(status) != 0:
        raise BenchError(f"The short main job failed: {said.splitlines()[-1]}")
    return Result([Row("peak resident memory of the main job, GiB", usage.ru_maxrss / 2**20, at_most=2.0)], {})


def answers_on_the_page(settings: Settings) -> Result:
    """An answer on the labelling page, from the request to the next question, over HTTP: 10,000 labels, and 100."""
    commands = {str(stored): module("answering", stored) for stored in (10_000, 100)}
    contest = take_turns(commands, settings.repeats, settings.say, unit="answers")
    milliseconds = {stored: 1000.0 / statistics.median(contest.speeds(stored, "wall")) for stored in commands}
    rows = [
        Row("milliseconds an answer with 10,000 labels stored", milliseconds["10000"], at_most=50.0),
        Row("milliseconds an answer with 100", milliseconds["100"]),
        Row("the first / the second", contest.ratio("100", "10000", "wall")),
    ]
    return Result(rows, {"answers_in_a_turn": PIECE})


GAME = ["env=key_door", "algorithm.num_envs=64", "algorithm.rollout_length=256", "algorithm.discount=0.99"]


def self_play_in_jit(settings: Settings) -> Result:
    """Self-play on key_door: against the same rules in plain Python, and against PPO on the same room."""
    commands = {
        "in_jit": module("random_self_play"),
        "floor": module("random_self_play", "floor"),
        "plain_python": module("plain_self_play"),
        "self_play": module("train", 6, *GAME, "reward=self_play", "reward.horizon=80", "reward.alice_moves=40"),
        "ppo": module("train", 6, *GAME, "reward=environment"),
    }
    contest = take_turns(commands, settings.repeats, settings.say)
    valid, valid_at_random = (contest.prepared[name]["valid_share"] for name in ("self_play", "in_jit"))
    rows = [
        Row("in jit / plain Python, both at random, valid env steps per cpu second",
            contest.ratio("in_jit", "plain_python", "cpu"), 7.0),
        Row("in jit, both at random / only writing the observations, env steps per cpu second",
            contest.ratio("in_jit", "floor", "cpu") / valid_at_random),
        Row("in jit with both players learning / plain Python at random, per cpu second",
            valid * contest.ratio("self_play", "plain_python", "cpu")),
        Row("PPO / self-play, both learning, valid env steps per cpu second",
            contest.ratio("ppo", "self_play", "cpu") / valid, at_most=2.1),
    ]  # fmt: skip
    return Result(rows, {"env_steps_per_second": contest.summary(), "valid_share": valid})


def offline_learning(settings: Settings) -> Result:
    """Gradient steps per second of IQL (2x256, batches of 256, 17 and 6 numbers), and of the other offline learners."""
    folder = settings.peers
    with tempfile.TemporaryDirectory() as temporary:
        data = random_recording(Path(temporary) / "recorded.npz")
        env = ["env=gymnasium", "env.id=HalfCheetah-v5", "env.ends_early=false", "env.max_episode_steps=1000"]
        common = ["reward=environment", f"data={data}", *env, "algorithm.gradient_steps=200"]
        commands = {name: module("train", 1, *common, f"algorithm={name}") for name in ("iql", "cql", "rebrac")}
        peer = folder is not None and (folder / "jax-corl" / "algos" / "iql.py").is_file()
        if folder is not None and peer:
            commands["jax_corl_iql"] = module("peer_jax_corl", folder / "jax-corl")
        else:
            settings.say(f"  JAX-CORL is skipped: it is not in PEERS={folder or ''}: see scripts/results/README.md")
        contest = take_turns(commands, settings.repeats, settings.say)
    rows = []
    if peer:
        rows = [
            Row(
                f"IQL: ours / JAX-CORL, gradient steps per {per} second", contest.ratio("iql", "jax_corl_iql", per), 1.0
            )
            for per in PER
        ]
    return Result(rows, {"gradient_steps_per_second": contest.summary()})


def random_recording(path: Path, steps: int = 100_000) -> Path:
    """Write episodes of random numbers, as long and wide as HalfCheetah's, and return the path."""
    rng = np.random.default_rng(0)
    obs = rng.normal(size=(steps, 17)).astype(np.float32)
    next_obs = np.append(obs[1:], obs[:1], axis=0)
    last = np.arange(steps) % 1000 == 999
    reward = rng.normal(size=steps).astype(np.float32)
    starts = np.arange(0, steps, 1000)
    np.savez(
        path,
        obs=obs,
        action=rng.uniform(-1.0, 1.0, (steps, 6)).astype(np.float32),
        next_obs=next_obs,
        env_reward=reward,
        terminated=np.zeros(steps, bool),
        truncated=last,
        episode_start=starts,
        episode_return=np.add.reduceat(reward, starts),
    )
    return path


ITEMS: dict[str, Callable[[Settings], Result]] = {
    "a": ppo_against_peers,
    "b": cost_of_the_loop,
    "c": against_sync_vector_env,
    "d": many_seeds,
    "e": second_start,
    "f": recompilations,
    "g": replay_copies,
    "h": peak_memory,
    "i": gail_against_imitation,
    "j": returns_against_imitation,
    "k": preferences_against_imitation,
    "l": preference_returns,
    "m": answers_on_the_page,
    "n": self_play_in_jit,
    "o": cost_of_places,
    "p": to_score,
    "q": offline_learning,
    "r": seeds_on_devices,
}

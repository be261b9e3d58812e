"""GAIL, AIRL and preference comparisons against the library ``imitation``: speed, and returns at equal env steps."""

import json
import sys
import tempfile
from pathlib import Path

from rl_rewards.core.intervals import mean_interval
from scripts.benchmarks.contest import PER, ROOT, Contest, call, module, take_turns, told_once
from scripts.benchmarks.result import Result, Row, Settings

DISCRIMINATOR = ["reward.classifier.model.hidden=[32,32]", "reward.classifier.model.activation=relu"]
"""The peer's; its policy's 2x64 tanh is ours anyway."""
SCHEDULE = [
    "algorithm.num_envs=8",
    "algorithm.rollout_length=2048",
    "algorithm.epochs=5",
    "algorithm.minibatches=256",
    "reward.batch_size=1024",
    "reward.updates_per_round=8",
]
"""The peer's rollouts of 16,384 env steps, minibatches of 64 and discriminator steps, to tell settings from code."""
CART_POLE = ["env=gymnax", "env.id=CartPole-v1", "algorithm=ppo_control"]
HALF_CHEETAH = ["env=gymnasium", "env.id=HalfCheetah-v5", "env.ends_early=false", "algorithm=ppo_mujoco"]
PENDULUM = [
    "env=gymnax",
    "env.id=Pendulum-v1",
    "env.ends_early=false",
    "algorithm=ppo_control",
    "algorithm.model.hidden=[32,32]",
]
COMPARISONS = [
    "reward=preferences",
    "reward.segment_steps=100",
    "reward.budget=200",
    "reward.sessions=5",
    "reward.rounds_per_session=4",
    "reward.acquisition=uniform",
    "reward.label_noise=0",
    "reward.reward_model.model.hidden=[32,32]",
    "reward.reward_model.model.activation=relu",
    "reward.reward_model.ensemble=1",
    "reward.batch_size=16",
    "reward.updates_per_round=60",
    "reward.reward_model.learning_rate=3e-3",
]
"""The peer's networks, fragments and comparisons; the last three chosen among eleven settings on seeds 0-9."""
PENDULUM_STEPS = 49_152
PEER_ENVS = {"CartPole-v1": "CartPole-v1", "HalfCheetah-v5": "HalfCheetah-v4"}
"""The Gymnasium that the peer needs (0.29) has no v5; the two differ in what they put into info."""
PEER_ROUNDS, SEEDS = 6, 3
"""6 rounds are 98,304 env steps."""
SOLVED = 475.0
"""Of CartPole-v1's 500."""


def gail_against_imitation(settings: Settings) -> Result:
    """GAIL on PPO against imitation 1.0.1, env steps per second, same networks; demonstrations of make_demos.py."""
    peer = _peer(settings)
    if peer is None:
        return Result([], {"skipped": ["imitation"]})
    rows, details = [], {}
    for name, env, least, pieces in (
        ("CartPole-v1", CART_POLE, 50.0, (200, 6)),
        ("HalfCheetah-v5", HALF_CHEETAH, 3.0, (4, 1)),
    ):
        demos = _demos(name)
        common = [*env, "reward=gail", f"demos={demos}", *DISCRIMINATOR]
        settings.say(f"  {name}")
        contest = take_turns(
            {
                "ours": module("train", pieces[0], *common),
                "ours_same_schedule": module("train", pieces[1], *common, *SCHEDULE),
                "imitation": [*peer, "gail", PEER_ENVS[name], str(demos), "1"],
            },
            settings.repeats,
            settings.say,
        )
        rows += _rows(name, contest, least)
        details[name] = contest.summary()
    return Result(rows, {"env_steps_per_second": details})


def _rows(name: str, contest: Contest, least: float) -> list[Row]:
    ratios = [
        Row(f"{name}: ours / imitation, per {per} second", contest.ratio("ours", "imitation", per), at_least)
        for per, at_least in zip(PER, (least, None), strict=True)
    ]
    same = contest.ratio("ours_same_schedule", "imitation", "cpu")
    return [*ratios, Row(f"{name}: the same with imitation's minibatches of 64, per cpu second", same)]


def returns_against_imitation(settings: Settings) -> Result:
    """True return on CartPole-v1 after 98,304 env steps, 3 development seeds, each library with its own settings."""
    peer = _peer(settings)
    if peer is None:
        return Result([], {"skipped": ["imitation"]})
    demos = _demos("CartPole-v1")
    rows, details = [], {}
    for kind in ("gail", "airl"):
        ours = _our_returns(kind, demos)
        settings.say(f"  {kind}, ours: {ours}")
        command = [*peer, kind, "CartPole-v1", str(demos), str(PEER_ROUNDS)]
        theirs = [told_once([*command, str(seed)])["true_return"] for seed in range(SEEDS)]
        settings.say(f"  {kind}, imitation: {theirs}")
        details[kind] = {"ours": ours, "imitation": theirs}
        means = {name: sum(found) / SEEDS for name, found in details[kind].items()}
        if kind == "gail":
            rows.append(Row("GAIL: mean true return, ours - imitation", means["ours"] - means["imitation"], 0.0))
        else:
            rows += [Row("AIRL: mean true return, ours", means["ours"], SOLVED)]
        rows.append(Row(f"{kind.upper()}: mean true return, imitation", means["imitation"]))
    return Result(rows, {"true_returns": details})


def preferences_against_imitation(settings: Settings) -> Result:
    """Preference comparisons on Pendulum-v1 against imitation 1.0.1: 200 of 100 steps, 49,152 env steps."""
    peer = _peer(settings, "peer_imitation_preferences.py")
    if peer is None:
        return Result([], {"skipped": ["imitation"]})
    rounds = PENDULUM_STEPS // 2048
    commands = {"ours": module("train", f"anew:{rounds}", *PENDULUM, *COMPARISONS)}
    commands["imitation"] = [*peer, str(PENDULUM_STEPS)]
    contest = take_turns(commands, settings.repeats, settings.say)
    rows = [
        Row(f"ours / imitation, per {per} second", contest.ratio("ours", "imitation", per), at_least)
        for per, at_least in zip(PER, (20.0, None), strict=True)
    ]
    return Result(rows, {"env_steps_per_second": contest.summary()})


def preference_returns(settings: Settings) -> Result:
    """True return on Pendulum-v1 after 98,304 env steps, seeds 100-109: from 200 comparisons, and the true reward."""
    found = {
        "comparisons": _last_returns([*PENDULUM, *COMPARISONS, "seed=100"], 10),
        "true_reward": _last_returns([*PENDULUM, "reward=environment", "seed=100"], 10),
    }
    settings.say(f"  {found}")
    lost = [a - b for a, b in zip(found["comparisons"], found["true_reward"], strict=True)]
    mean, low, high = mean_interval(lost)
    rows = [Row("mean true return: 200 comparisons - true reward, ours", mean)]
    rows += [Row("upper end of its interval: not below 0", high, 0.0), Row("its lower end", low)]
    peer = _peer(settings, "peer_imitation_preferences.py")
    if peer is not None:
        theirs = [told_once([*peer, "98304", str(seed)])["true_return"] for seed in range(SEEDS)]
        settings.say(f"  imitation: {theirs}")
        found["imitation"] = theirs
        rows.append(Row("mean true return: imitation", sum(theirs) / SEEDS))
    return Result(rows, {"true_returns": found})


def _our_returns(kind: str, demos: Path) -> list[float]:
    return _last_returns([*CART_POLE, f"reward={kind}", f"demos={demos}", *DISCRIMINATOR], SEEDS)


def _last_returns(overrides: list[str], seeds: int) -> list[float]:
    """Of the policy's mode after 98,304 env steps; development seeds from 0, unless told."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "rl_rewards.run", *overrides, f"num_seeds={seeds}", "total_env_steps=98_304"]
        command += ["evaluation.episodes=50", "logger=none", "video=false", "report=false", f"hydra.run.dir={folder}"]
        call(command)
        last = (Path(folder) / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    return json.loads(last)["eval/true_return_deterministic"]


def _demos(env_id: str) -> Path:
    """Demonstrations of an expert on CartPole; on HalfCheetah, where only speed counts, of a beginner."""
    path = ROOT / "outputs" / "demos" / f"bench_{env_id}.npz"
    if not path.exists():
        expert = {"CartPole-v1": "cartpole", "HalfCheetah-v5": "halfcheetah"}[env_id]
        shorter = {"CartPole-v1": ["env.max_episode_steps=500"], "HalfCheetah-v5": ["total_env_steps=8_192"]}[env_id]
        call([sys.executable, "scripts/make_demos.py", expert, str(path), "--episodes", "10", *shorter])
    return path


def _peer(settings: Settings, script: str = "peer_imitation.py") -> list[str] | None:
    """How to start it, or None."""
    python = settings.peers and settings.peers / "imitation" / "bin" / "python"
    if python is None or not python.is_file():
        settings.say(
            f"  imitation is skipped: it is not in PEERS={settings.peers or ''}: see scripts/results/README.md"
        )
        return None
    return [str(python), str(ROOT / "scripts" / "benchmarks" / script)]

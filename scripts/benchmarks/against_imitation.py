"""GAIL and AIRL against the library ``imitation``: how fast, and what is learned from equally many env steps."""

import json
import sys
import tempfile
from pathlib import Path

from scripts.benchmarks.contest import PER, ROOT, Contest, call, module, take_turns, told_once
from scripts.benchmarks.result import Result, Row, Settings

DISCRIMINATOR = ["reward.classifier.hidden=[32,32]", "reward.classifier.activation=relu"]
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


def _our_returns(kind: str, demos: Path) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "rl_rewards.run", *CART_POLE, f"reward={kind}", f"demos={demos}"]
        command += [f"num_seeds={SEEDS}", "total_env_steps=98_304", "evaluation.episodes=50", "logger=none"]
        command += ["video=false", "report=false", f"hydra.run.dir={folder}", *DISCRIMINATOR]
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


def _peer(settings: Settings) -> list[str] | None:
    """How to start it, or None."""
    python = settings.peers and settings.peers / "imitation" / "bin" / "python"
    if python is None or not python.is_file():
        settings.say(
            f"  imitation is skipped: it is not in PEERS={settings.peers or ''}; README, Benchmarks, says how to add it"
        )
        return None
    return [str(python), str(ROOT / "scripts" / "benchmarks" / "peer_imitation.py")]

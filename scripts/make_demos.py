"""Trains an expert on the true reward, and records it: ``python scripts/make_demos.py cartpole FILE.npz``.

``cartpole`` names ``configs/experiment/expert/cartpole.yaml``, an ordinary run in the folder ``outputs/experts/NAME``.
A finished run is used again. With ``--policy RUN_DIR`` any other run is recorded instead.
"""

import argparse
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from rl_rewards.command_line.choices import CONFIGS
from rl_rewards.command_line.exits import guarded
from rl_rewards.command_line.trained_run import folder_name, trained_run
from rl_rewards.core.checks import require
from rl_rewards.data.__main__ import describe
from rl_rewards.loop.trust import check_targets, take_trust

EXPERTS = CONFIGS / "experiment" / "expert"
OUTPUTS = Path(__file__).parents[1] / "outputs" / "experts"


def main(arguments: list[str] | None = None) -> None:
    """Train if necessary, record, write, and describe the file."""
    names = sorted(path.stem for path in EXPERTS.glob("*.yaml"))
    parser = argparse.ArgumentParser(description="Trains an expert on the true reward, and records it.")
    parser.add_argument("expert", choices=[*names, "of"], metavar="NAME", help=f"{', '.join(names)}; or: of --policy")
    parser.add_argument("out", type=Path, metavar="FILE.npz", help="the file to write")
    parser.add_argument("--policy", metavar="RUN_DIR", help="record this run's policy; its best: RUN_DIR@best")
    parser.add_argument("--seed-of-policy", type=int, help="of a run of several seeds")
    parser.add_argument("--episodes", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the recording")
    parser.add_argument("--explore", action="store_true", help="sample from the policy instead of taking its mode")
    parser.add_argument("--random", type=float, default=0.0, help="share of steps with a random action: a noisy expert")
    parser.add_argument(
        "--view", metavar="KEY=VALUE", help="record what is seen with this changed, e.g. env.observation=image"
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="of the training; fewer total_env_steps: imperfect; trust=PACKAGE: of --policy, whose classes may be made",
    )
    chosen = parser.parse_intermixed_args(arguments)  # options may stand before overrides
    with guarded():
        _make(chosen)


def _make(chosen: argparse.Namespace) -> None:
    require(chosen.episodes >= 1, f"--episodes {chosen.episodes} must be at least 1.")
    require(0.0 <= chosen.random <= 1.0, f"--random {chosen.random} must lie in [0, 1].")
    require(chosen.expert != "of" or chosen.policy is not None, "Name the run to record: of FILE.npz --policy RUN_DIR.")
    trust, overrides = take_trust(chosen.overrides)
    run_dir = chosen.policy or trained_run(
        OUTPUTS / folder_name([chosen.expert, *sorted(overrides)]), [f"experiment=expert/{chosen.expert}", *overrides]
    )
    from rl_rewards.data.demonstrations.load import first_episodes, read_demonstrations, save_demonstrations
    from rl_rewards.loop import build
    from rl_rewards.loop.policies import record, restore_policy, seen_by

    policy = restore_policy(run_dir, chosen.seed_of_policy, trust)
    check_targets(policy.config, ["env"], trust, f"{run_dir}: config.yaml")
    env = build.build_env(policy.config)
    recording = record(env, policy, chosen.episodes, chosen.explore, chosen.random, chosen.seed)
    if chosen.view is not None:
        env = build.build_env(_changed(policy.config, chosen.view))
        recording = seen_by(env, recording, chosen.seed)
    save_demonstrations(chosen.out, env.spec, first_episodes(recording, env.spec))
    print("\n".join(describe(str(chosen.out), read_demonstrations(str(chosen.out)))))


def _changed(config: Mapping[str, Any], change: str) -> dict[str, Any]:
    """Return a copy of ``config`` in which one key of its environment has another value."""
    key, _, value = change.partition("=")
    require(key.startswith("env."), f"--view {change} must change a key of env, such as env.observation=image.")
    changed = deepcopy(dict(config))
    *path, last = key.split(".")
    node: Any = changed
    for name in path:
        node = node.get(name) if isinstance(node, dict) else None
    require(isinstance(node, dict) and node.get(last) is not None, f"--view {change}: the run has no {key}.")
    node[last] = yaml.safe_load(value)
    return changed


if __name__ == "__main__":
    main()

"""What ``--help`` prints: the choices of every group with the first line of their YAML. Reads text files only."""

from pathlib import Path

_INSTALLED = Path(__file__).parents[1] / "configs"
CONFIGS = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[2] / "configs"
"""The config folder: package data of a wheel, or the checkout's."""

_GROUPS = {
    "reward": "Reward sources",
    "env": "Environments",
    "algorithm": "Algorithms",
    "labeler": "Who answers a reward that asks",
    "experiment": "Experiments",
    "debug": "Debugging",
}


def print_help() -> None:
    """Usage, then a line for every choice."""
    print("Usage: python -m rl_rewards.run [GROUP=CHOICE ...] [KEY=VALUE ...]\n")
    print("Composes an environment, a reward source and an RL algorithm, trains, and writes a report.")
    print("Without arguments it runs the main job: an adversarial goal classifier on pencil_case.\n")
    for group, heading in _GROUPS.items():
        choices = list_choices(group)
        if not choices:
            continue
        print(f"{heading} ({group}=...)")
        for name, summary in choices.items():
            print(f"  {name:24} {summary}")
        print()
    print("resume=RUN_DIR goes on with an interrupted run. --multirun sweeps: reward=goal_classifier,environment")
    print("--cfg job --resolve shows the composed configuration, --hydra-help what Hydra itself offers.")


def list_choices(group: str) -> dict[str, str]:
    """Name -> summary of every YAML in a config group, nested ones as folder/name."""
    folder = CONFIGS / group
    paths = sorted(folder.rglob("*.yaml"))
    return {str(path.relative_to(folder).with_suffix("")): _summary(path) for path in paths}


def _summary(path: Path) -> str:
    comments = [line[1:].strip() for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    return next((comment for comment in comments if comment and not comment.startswith("@package")), "")

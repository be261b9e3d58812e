"""Measures the main job on the report seeds beside a fixed classifier and the true sparse reward.

``python scripts/measure_main_job.py [--seeds 100-109] [--workers 2] [--longer]`` runs every arm and seed as an ordinary
run under ``outputs/main_job/ARM/SEED`` (finished ones are skipped, interrupted ones go on), with ``--longer`` takes the
adversarial arm on to three times its budget, and writes ``scripts/results/main_job.json`` and ``main_job.png``.
"""

import argparse
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from omegaconf import OmegaConf

from rl_rewards.core.intervals import METHOD, mean_interval, share_interval

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "scripts" / "results"
RUNS = ROOT / "outputs" / "main_job"
ARMS = {
    "adversarial_classifier": "adversarial classifier",
    "goal_classifier": "fixed classifier",
    "environment": "true sparse reward",
}
COLORS = {"adversarial_classifier": "#0072B2", "goal_classifier": "#D55E00", "environment": "#555555"}
QUIET = ["logger=none", "video=false", "report=false", "env.threads=1"]  # none of them changes a bit of the training
SUCCESS_ABOVE = 0.8
LONGER = 3


def main() -> None:
    """Run what is missing, then summarise."""
    parser = argparse.ArgumentParser(description="Measures the main job on the report seeds.")
    parser.add_argument("--seeds", default="100-109", help="first-last; 100-109 are the report seeds")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time")
    parser.add_argument("--longer", action="store_true", help="also three times the budget, adversarial arm")
    options = parser.parse_args()
    first, last = map(int, options.seeds.split("-"))
    seeds = list(range(first, last + 1))
    with ThreadPoolExecutor(options.workers) as pool:
        list(pool.map(lambda job: run(*job), [(arm, seed) for seed in seeds for arm in ARMS]))
        if options.longer:
            list(pool.map(prolong, seeds))
    summary = summarise(seeds, options.longer)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "main_job.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    draw(seeds)
    for arm, measured in summary["arms"].items():
        print(arm, measured["success"], measured["success_interval"])


def run(arm: str, seed: int) -> None:
    """One arm and seed at the main job's budget."""
    folder = RUNS / arm / str(seed)
    if not (folder / "DONE").exists():
        command(f"reward={arm}", f"seed={seed}", f"hydra.run.dir={folder}", *QUIET)


def prolong(seed: int) -> None:
    """The adversarial arm, on to three times the budget."""
    folder = RUNS / "adversarial_classifier" / str(seed)
    longer = LONGER * budget(folder)
    if json.loads((folder / "DONE").read_text())["env_steps"] < 0.99 * longer:
        command(f"resume={folder}", f"total_env_steps={longer}")


def budget(folder: Path) -> int:
    """The main job's env steps: what the configuration of an arm that is never prolonged says."""
    return OmegaConf.load(RUNS / "environment" / folder.name / "config.yaml").total_env_steps


def command(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "rl_rewards.run", *arguments], check=True, stdout=subprocess.DEVNULL)


def evaluations(arm: str, seed: int) -> list[dict]:
    """Rows of metrics.jsonl in which an evaluation took place."""
    lines = (RUNS / arm / str(seed) / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row.get("eval/success") is not None]


def summarise(seeds: list[int], longer: bool) -> dict:
    """Final figures of every arm, with intervals over seeds."""
    steps = budget(RUNS / "environment" / str(seeds[0]))
    arms = {arm: outcome([_at(evaluations(arm, seed), steps) for seed in seeds]) for arm in ARMS}
    if longer:
        last = [evaluations("adversarial_classifier", seed)[-1] for seed in seeds]
        arms["adversarial_classifier at three times the budget"] = outcome(last)
    record = [json.loads((RUNS / arm / str(seed) / "run.json").read_text()) for arm in ARMS for seed in seeds]
    return {
        "what": "eval/success: share of 64 episodes of the stochastic policy that end in success",
        "seeds": seeds,
        "indicative": seeds != list(range(100, 110)),  # only the ten report seeds count as a verdict
        "env_steps": steps,
        "git_sha": sorted({r["git_sha"] for r in record}),
        "git_dirty": any(r["git_dirty"] for r in record),
        "interval": f"{METHOD}; Clopper-Pearson for shares of seeds",
        "arms": arms,
    }


def _at(rows: list[dict], env_steps: int) -> dict:
    """The last evaluation within the main job's budget."""
    return [row for row in rows if row["env_steps"] <= env_steps][-1]


def outcome(rows: list[dict]) -> dict:
    """Per-seed values and intervals of one arm."""
    success = [row["eval/success"] for row in rows]
    above = sum(value > SUCCESS_ABOVE for value in success)
    mean, *interval = mean_interval(success)
    return {
        "success": success,
        "success_mean": mean,
        "success_interval": [round(end, 3) for end in interval],
        f"seeds_above_{SUCCESS_ABOVE}": f"{above} of {len(rows)}",
        "share_interval": [round(end, 3) for end in share_interval(above, len(rows))],
        "learned_reward_final": [round(row["eval/learned_reward_final"], 3) for row in rows],
        "env_steps": rows[0]["env_steps"],
    }


def draw(seeds: list[int]) -> None:
    """True success and learned reward against env steps: mean over seeds, band from the least to the greatest."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    steps = budget(RUNS / "environment" / str(seeds[0]))
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), constrained_layout=True)
    panels = (("eval/success", "true success (share of episodes)"), ("eval/learned_reward_final", "learned reward"))
    for axis, (key, label) in zip(axes, panels, strict=True):
        for arm, name in ARMS.items():
            if key != "eval/success" and arm == "environment":
                continue
            rows = [[row for row in evaluations(arm, seed) if row["env_steps"] <= steps] for seed in seeds]
            values = np.array([[row[key] for row in seed_rows] for seed_rows in rows])
            x = np.array([row["env_steps"] for row in rows[0]]) / 1e6
            axis.plot(x, values.mean(axis=0), color=COLORS[arm], label=name)
            axis.fill_between(x, values.min(axis=0), values.max(axis=0), color=COLORS[arm], alpha=0.15, linewidth=0)
        axis.set(xlabel="environment steps (millions)", ylabel=label, ylim=(-0.02, 1.02))
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].legend(frameon=False, loc="upper left")
    axes[0].set_title("What really happens", loc="left")
    axes[1].set_title("What the classifier believes (in final states)", loc="left")
    figure.savefig(RESULTS / "main_job.png", dpi=110)


if __name__ == "__main__":
    main()

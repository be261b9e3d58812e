"""Makes small runs with all their files in this process, as the command line does."""

import shutil
from pathlib import Path

import jax
from omegaconf import OmegaConf

from rl_rewards.loop import build
from rl_rewards.loop.checkpoint.one_item import save_reward
from rl_rewards.loop.sources import keep_reward
from rl_rewards.loop.state import init_state
from rl_rewards.run import resume_run, start_run
from tests.runs import composed
from tests.unevaluated import evaluations

SMALL = ("debug=smoke", "video=false", "report=false")


def finished_run(run_dir: Path, *overrides: str, evaluated: bool = True) -> Path:
    """Run ``debug=smoke`` with ``overrides`` to the end, and return the run folder."""
    choices = {"env": "point", "algorithm": "ppo", "reward": "adversarial_classifier"}
    choices |= dict(part.split("=", 1) for part in overrides if part.split("=")[0] in choices)
    with jax.debug_key_reuse(False), evaluations(evaluated):  # see conftest
        start_run(composed(*SMALL, *overrides), run_dir, choices)
    return run_dir


def untrained(folder: Path, *overrides: str) -> Path:
    """Write what is read of a run's folder to restore its reward, as it is before the first round."""
    cfg = composed("debug=smoke", "env=point", *overrides)
    with jax.debug_key_reuse(False):
        parts = build.build(cfg, folder).parts
        folder.mkdir(exist_ok=True)
        OmegaConf.save(cfg, folder / "config.yaml", resolve=True)
        parts.env.spec.save(folder / "spec.json")
        keep_reward(parts.source, folder, cfg.seed, parts.seeds)
        save_reward(folder / "checkpoints", init_state(parts, cfg.seed).reward)
    return folder


def cut_back(run_dir: Path) -> None:
    """Take a finished run back to where it was when it had just begun to save its newest checkpoint."""
    newest = max((run_dir / "checkpoints").glob("[0-9]*"), key=lambda path: int(path.name))
    shutil.rmtree(newest)
    (run_dir / "DONE").unlink()


def resumed_run(run_dir: Path, total_env_steps: int, evaluated: bool = True) -> Path:
    with jax.debug_key_reuse(False), evaluations(evaluated):
        resume_run(run_dir, [f"total_env_steps={total_env_steps}"])
    return run_dir

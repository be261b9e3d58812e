"""Helpers that run complete experiments, in this process or in a new one."""

import copy
import json
import subprocess
import sys
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import jax
from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from rl_rewards.command_line.choices import CONFIGS, list_choices
from rl_rewards.loop import build, supplied
from rl_rewards.loop.experiment import run_experiment
from rl_rewards.reporting.glossary import meaning
from rl_rewards.rewards.classifier.places import Places
from tests.processes import Command
from tests.unevaluated import evaluations

ADDED_LATER = {"learning_rate_schedule": "constant", "final_learning_rate_share": 0.0, "target_kl": None}
ADDED_LATER |= {"min_log_std": None, "reward_scale_floor": None, "noise_every": None}
ADDED_LATER |= {"negatives": "visits", "recent_share": 0.0, "recent_rounds": 20}
ADDED_LATER |= {"places": Places(features="inputs", dimensions=8, side=0.5)}
ADDED_LATER |= {"input_scale": 1.0, "gradient_penalty_at": "between", "negative_weighting": "none", "average": 0.0}
ADDED_LATER |= {"queries": 0, "queries_per_session": 1, "rounds_per_session": 4, "query_share": 0.25}
ADDED_LATER |= {"carry_returns": False}
ADDED_LATER |= {"ask_done": "Is the task done in this picture?"}
ADDED_LATER |= {"flatten_observations": False}
ADDED_LATER |= {"keep_best": False, "begins_with": "nothing", "unsure": "refuse", "answers_from": "labeler"}
ADDED_LATER |= {"corpus": None, "corpus_cut": "files"}
ADDED_LATER |= {"samples": 1}
ADDED_LATER |= {"length_control": 0.0, "balanced_by": None}
ADDED_LATER |= {"combine": "mean", "variance_weight": 1.0, "shared_trunk": False, "recombine": None}
ADDED_LATER |= {"heldout_every": None, "split": "train"}
ADDED_LATER |= {"own_responses": 128, "gold": None, "rated_texts": "outputs/datasets/rated_texts"}
ADDED_LATER |= {"objective": None}
ADDED_LATER |= {"task": "", "strength": False, "soft_answers": False}
ADDED_LATER |= {"answers": "comparisons", "corrections": 5, "corrections_from": "pushes"}
ADDED_LATER |= {"reward": "sparse"}
ADDED_LATER |= {"token_file": None}
ADDED_LATER |= {"described": None, "largest_change": 2.0}
"""Keys with a default in their class, because saved configurations of older runs lack them; the default is off."""

SMALL_SAC = ("algorithm=sac", "algorithm.model.hidden=[16]", "algorithm.batch_size=32", "algorithm.update_ratio=0.02")
"""Few and small gradient steps; with its own settings SAC runs for longer than it compiles."""


def composed(*overrides: str) -> DictConfig:
    """Return the configuration of a command line, as a copy that the test may change."""
    return copy.deepcopy(_composed(*overrides))


@cache
def _composed(*overrides: str) -> DictConfig:
    """Return the configuration of a command line, which costs Hydra a quarter of a second for every choice of files.

    Hydra also applies the overrides of values last, so that those of the same choice can share its composition.
    """
    cfg = copy.deepcopy(_chosen(*filter(_chooses, overrides)))
    values = [override for override in overrides if not _chooses(override)]
    ConfigLoaderImpl._apply_overrides_to_config(OverridesParser.create().parse_overrides(values), cfg)
    return cfg


@cache
def _chosen(*choices: str) -> DictConfig:
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        cfg = compose("config", list(choices))
    OmegaConf.set_struct(cfg, True)
    return cfg


def _chooses(override: str) -> bool:
    """Return True for an override that chooses the file of a group, or belongs to Hydra; others change a value."""
    key = override.split("=")[0].lstrip("+~")
    return "@" in key or "/" in key or key.startswith("hydra.") or (CONFIGS / key).is_dir()


def usable_envs() -> list[str]:
    """Return the choices of env, without envpool if that extra is not installed."""
    return [name for name in list_choices("env") if name != "envpool" or find_spec("envpool") is not None]


def run_here(run_dir: Path, *overrides: str, evaluated: bool = True) -> dict:
    """Make a small run in this process, without video and report, and return the last row of metrics.jsonl.

    Only its end is a checkpoint, unless ``overrides`` say more: each costs a tenth of a short run's time.

    Args:
        evaluated: False to leave out its evaluations, a quarter of its time; see :mod:`tests.unevaluated`.
    """
    cfg = composed("debug=smoke", "checkpoint.every=1000", *overrides)
    run_dir.mkdir(parents=True, exist_ok=True)
    with jax.debug_key_reuse(False), evaluations(evaluated):  # see conftest
        experiment = build.build(cfg, run_dir)
        return run_experiment(experiment, supplied.build_data(*experiment), run_dir, "test")


def command(*arguments: str, timeout: float = 300.0, evaluated: bool = True) -> subprocess.CompletedProcess[str]:
    """Run ``python -m rl_rewards.run`` in a new process, forked from one that has imported the libraries."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = Command(*arguments, output=output.fileno(), errors=errors.fileno(), evaluated=evaluated)
        code = process.wait(timeout)
        said = []
        for file in (output, errors):
            file.seek(0)
            said.append(file.read().decode("utf-8"))
    return subprocess.CompletedProcess(start_command(*arguments), code, *said)


def start_command(*arguments: str) -> list[str]:
    """Return the command for a new interpreter, which is slower than a fork, for tests that need one."""
    return [sys.executable, "-m", "rl_rewards.run", *arguments]


def raw_rows(run_dir: Path) -> list[dict]:
    """Return the rows of metrics.jsonl."""
    return [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def rows(run_dir: Path) -> list[dict]:
    """Return the rows of metrics.jsonl without measured times."""
    return [{k: v for k, v in row.items() if not k.startswith("time/")} for row in raw_rows(run_dir)]


def unexplained(run_dir: Path) -> set[str]:
    """Return the metrics of a run that have no entry in the glossary."""
    return {key for row in raw_rows(run_dir) for key in row if meaning(key) is None}


def digest_of(run_dir: Path) -> str:
    """Return the digest of the complete final state, from DONE."""
    return json.loads((run_dir / "DONE").read_text(encoding="utf-8"))["digest"]

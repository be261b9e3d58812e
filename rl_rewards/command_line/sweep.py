"""Jobs of a sweep (``--multirun``): a folder for each set of overrides, finished jobs skipped, failed ones recorded.

Started again, a sweep finds its jobs by the hash of their overrides, so that finished jobs are not repeated and
interrupted ones continue. A failed job leaves FAILED.json and a finite worst score for sweepers that optimise.
"""

import gc
import hashlib
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString
from omegaconf import DictConfig, OmegaConf

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.files import parse_json, read_json, read_text
from rl_rewards.core.seed_rows import values
from rl_rewards.loop.run_folder import plain_values, read_config


def override_hash(overrides: Sequence[str]) -> str:
    """Return ten hexadecimal digits for a job's overrides. Their order counts only if one changes a part of another."""
    parsed = [
        ((one.package or "", one.key_or_group), str(one.type), _plain(one.value()))
        for one in OverridesParser.create().parse_overrides(list(overrides))
    ]
    whole = [key for (_, key), _, value in parsed if isinstance(value, dict)]
    if not any(key.startswith(f"{one}.") for one in whole for (_, key), _, _ in parsed):
        parsed.sort(key=lambda one: one[0])
    return _digest(json.dumps(parsed, sort_keys=True))


def _plain(value: Any) -> Any:
    """Return an override's value in JSON's containers, quoted text without its quotes."""
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, QuotedString):
        return value.text
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:10]


# ``${override_hash:LIST}`` in configs names folders. It is registered here because a launcher's processes import this
# module and not main.
OmegaConf.register_new_resolver("override_hash", override_hash, replace=True)

LAUNCHERS = {
    "joblib": ("hydra_plugins.hydra_joblib_launcher", "joblib"),
    "slurm": ("submitit", "submitit"),
    "ray": ("ray", "ray"),
}
"""Launchers that need a package: its module, and the extra that installs it."""


def check_launcher(arguments: list[str]) -> None:
    """Raise ConfigError if ``arguments`` choose a launcher that is not installed; Hydra would only list the others."""
    for argument in arguments:
        key, _, launcher = argument.partition("=")
        if key != "hydra/launcher" or launcher not in LAUNCHERS:
            continue
        module, extra = LAUNCHERS[launcher]
        name = module.removeprefix("hydra_plugins.").replace("_", "-")
        require(
            _is_installed(module),
            f"{argument} needs the package {name}, which is not installed; pip install 'rl_rewards[{extra}]', or leave "
            "the launcher out to run one job after another.",
        )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package that it is in
        return False


SCORES = ("eval/success", "eval/true_return", "eval/unpaid_return", "eval/learned_return")
"""Metrics by which jobs are compared, the most trustworthy first; the last two only without a true reward."""


def score(row: dict[str, Any]) -> float:
    """Return a finished run's score: the mean over seeds of the first metric in ``SCORES`` that the run has."""
    found = next((found for key in SCORES if (found := values(row, key))), [])
    return sum(found) / len(found)


def folders(cfg: DictConfig, run_dir: Path, overrides: Sequence[str]) -> list[Path]:
    """Return where a job may be finished already: in its folder, or in the one that earlier versions gave it.

    Earlier versions named folders by pieces of the overrides, which jobs with different lists could share. Such a
    folder counts only if it holds this configuration.
    """
    pieces = ",".join(sorted(",".join(sorted(overrides)).split(",")))
    earlier = run_dir.with_name(_digest(pieces))
    found = [run_dir]
    with suppress(ConfigError):  # also where there is no such folder
        saved = read_config(earlier, built=(), trust=())
        if _agree(saved, plain_values(cfg)):
            found.append(earlier)
    return found


def _agree(saved: Any, now: Any) -> bool:
    """Return True if every key of ``saved`` has the same value in ``now``, which may have keys added later."""
    if not isinstance(saved, dict) or not isinstance(now, dict):
        return saved == now
    return all(key in now and _agree(value, now[key]) for key, value in saved.items() if key != "resume")


def finished_score(run_dir: Path) -> float | None:
    """Return the score of a finished job; None for any other, and for one with broken files, which must run again."""
    if not (run_dir / "DONE").exists():
        return None
    try:
        done = read_json(run_dir / "DONE")
        row = parse_json(read_text(run_dir / "metrics.jsonl").splitlines()[-1], "its last row")
        return score(row) if row["round"] + 1 == done["rounds"] else None
    except (ConfigError, KeyError, TypeError, IndexError, ZeroDivisionError):
        return None


def record_failure(run_dir: Path, error: Exception) -> float:
    """Report a failed job, write FAILED.json unless training did, and return its finite score."""
    from rl_rewards.loop.failures import worst_score, write_failed

    print(
        f"Error: {error or type(error).__name__}\nThe sweep continues; see {run_dir / 'FAILED.json'}.", file=sys.stderr
    )
    if (known := failed_score(run_dir)) is not None:
        return known
    with suppress(OSError):
        run_dir.mkdir(parents=True, exist_ok=True)
    has_success = _has_success(run_dir)
    write_failed(run_dir, error, has_success, [])
    return worst_score(has_success)


def failed_score(run_dir: Path) -> float | None:
    """Return the score of a failed job; None for any other."""
    with suppress(ConfigError, KeyError, TypeError, ValueError):
        return float(read_json(run_dir / "FAILED.json")["score"])
    return None


def release() -> None:
    """Free the device memory of a job, so that the next one in this process can use it."""
    import jax

    gc.collect()
    jax.clear_caches()
    gc.collect()


def _has_success(run_dir: Path) -> bool:
    try:
        return bool(read_json(run_dir / "spec.json").get("has_success"))
    except ConfigError:
        return False

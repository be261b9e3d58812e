"""Holds a run's folder while a run goes on in it: its configuration compared and saved, and run.json written."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from rl_rewards.command_line.declared import check_changed
from rl_rewards.command_line.early import check_job
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.files import read_json, write_whole
from rl_rewards.loop.provenance import code, command_line, digests
from rl_rewards.loop.run_folder import is_started, only_process, own_config, plain_values, save_config
from rl_rewards.loop.trust import check_targets, take_trust, trusted_packages

GROUPS = ("env", "reward", "algorithm")
RESUMABLE_OVERRIDES = ("logger", "total_env_steps", "trust")
OF_A_STUDY = ("study", "arms", "size", "sizes")
"""Keys of an arm's configuration that say where it comes from and change nothing of the run."""


@contextmanager
def started(
    cfg: DictConfig, run_dir: Path, choices: Mapping[str, str], overrides: list[str] | None = None
) -> Iterator[None]:
    """Hold ``run_dir`` for the run that ``cfg`` describes; one with checkpoints of the same run is gone on with.

    ``cfg`` is the user's own: it may name any class. Of other runs' folders that it reads, it says whom to trust.

    Args:
        choices: the name that was chosen in each of ``GROUPS``.
        overrides: what run.json tells the run was started with; None is the command line, which a sweep's job may
            have been given by its launcher.

    Raises:
        ConfigError: when another run's files are there, or a number is out of its range.
    """
    check_job(cfg)
    overrides = sys.argv[1:] if overrides is None else overrides
    config = plain_values(cfg)
    trusted_packages(config.get("trust"))
    run_dir.mkdir(parents=True, exist_ok=True)
    with only_process(run_dir):
        stored = own_config(run_dir, command_line(overrides))
        if stored is not None and _comparable(stored) != _comparable(config):
            raise ConfigError(
                f"{run_dir} holds a run with another configuration; choose another hydra.run.dir, or go on with that "
                f"run by resume={run_dir}."
            )
        save_config(config, run_dir)
        _write_run_json(run_dir, config, choices, overrides)
        yield


@contextmanager
def resumed(run_dir: Path, overrides: list[str]) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """Hold ``run_dir`` for the run in it, whose saved configuration may be someone else's.

    Yields:
        Its configuration with what ``overrides`` change, and what was chosen in each of ``GROUPS``.

    Raises:
        ConfigError: when there is none, an override would change the run, or the configuration names a class that is
            neither of rl_rewards nor of a package that ``trust=`` names.
    """
    if not is_started(run_dir):
        if (run_dir / "arms").is_dir():
            raise ConfigError(f"resume={run_dir} is a study's folder; the command that started it goes on with it.")
        raise ConfigError(f"resume={run_dir} is not a run's folder; it has no config.yaml.")
    for override in overrides:
        if override.split("=")[0].split(".")[0] not in RESUMABLE_OVERRIDES:
            raise ConfigError(
                f"{override} cannot be changed when a run is resumed; only the logger and total_env_steps can."
            )
    trust, changes = take_trust(overrides)
    with only_process(run_dir):
        saved = own_config(run_dir)
        assert saved is not None, "it is started"
        check_targets(saved, [str(key) for key in saved], trust, str(run_dir / "config.yaml"))
        cfg = OmegaConf.create({**saved, "trust": list(trust)})
        OmegaConf.set_struct(cfg, True)
        try:
            cfg.merge_with_dotlist(changes)
        except Exception as error:
            raise ConfigError(f"{' '.join(changes)} does not fit the saved configuration: {error}") from error
        check_changed(cfg, changes)
        config = plain_values(cfg)
        choices = _stored_choices(run_dir, config, [f"resume={run_dir}", *overrides])
        save_config(config, run_dir)
        yield config, choices


def _stored_choices(run_dir: Path, config: Mapping[str, Any], overrides: list[str]) -> dict[str, str]:
    """Returns the choice that was made in each group, as run.json has it.

    A damaged run.json is written again, with the names of the classes as choices.
    """
    try:
        record = read_json(run_dir / "run.json")
        return {group: str(record[f"{group}_choice"]) for group in GROUPS}
    except (ConfigError, KeyError) as error:
        broken = error if isinstance(error, ConfigError) else f"{run_dir / 'run.json'} lacks {error}."
        print(f"Warning: {broken} It is written anew, without the command that the run was started with.", flush=True)
    choices = {group: str(config[group].get("_target_")).rpartition(".")[2] for group in GROUPS}
    _write_run_json(run_dir, config, choices, overrides)
    return choices


def _write_run_json(run_dir: Path, config: Mapping[str, Any], choices: Mapping[str, str], overrides: list[str]) -> None:
    packages = ("rl_rewards", "jax", "flax", "optax", "mujoco", "numpy")
    record = {
        "command": command_line(overrides),
        **code(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: version(name) for name in packages},
        **{f"{group}_choice": choice for group, choice in choices.items()},
        "data_sha256": digests([config["demos"], config["examples"].get("path")]),
    }
    write_whole(run_dir / "run.json", json.dumps(record, indent=2) + "\n", private=True)


def _comparable(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in (*RESUMABLE_OVERRIDES, *OF_A_STUDY, "resume")}

"""Lock a run's folder while a run is in progress, compare and save its configuration, and write run.json."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from rl_rewards.command_line.compose import composed
from rl_rewards.command_line.declared import check_changed
from rl_rewards.command_line.early import check_job
from rl_rewards.command_line.pretrained import take_sizes
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.files import read_json, write_whole
from rl_rewards.loop.loggers.chosen import check_loggers
from rl_rewards.loop.provenance import code, command_line, digests
from rl_rewards.loop.run_folder import is_started, only_process, own_config, plain_values, save_config
from rl_rewards.loop.trust import check_targets, take_trust, trusted_packages

GROUPS = ("env", "reward", "algorithm")
CHOSEN_AGAIN = ("logger", "placement")
"""Groups whose choice may differ when a run is resumed."""
RESUMABLE_OVERRIDES = (*CHOSEN_AGAIN, "total_env_steps", "trust")
OF_A_STUDY = ("study", "arms", "shared", "size", "sizes")
"""Keys of an arm's configuration that say where it comes from and do not affect the run."""


@contextmanager
def started(
    cfg: DictConfig, run_dir: Path, choices: Mapping[str, str], overrides: list[str] | None = None
) -> Iterator[None]:
    """Lock ``run_dir`` for the run that ``cfg`` describes; if it has checkpoints of this run, the run continues.

    ``cfg`` is the user's own and may name any class. It also says which packages to trust in other runs' folders.

    Args:
        choices: the name that was chosen in each of ``GROUPS``.
        overrides: the overrides that run.json records; None takes the command line, but a sweep's job may get its
            overrides from a launcher.

    Raises:
        ConfigError: when the folder holds another run, a number is outside its range, or the run begins with a file of
            pretrained weights that cannot be read.
    """
    check_job(cfg)
    overrides = sys.argv[1:] if overrides is None else overrides
    take_sizes(cfg, overrides, run_dir)
    config = plain_values(cfg)
    trusted_packages(config.get("trust"))
    check_loggers(config)
    run_dir.mkdir(parents=True, exist_ok=True)
    with only_process(run_dir):
        stored = own_config(run_dir, command_line(overrides))
        if stored is not None and _comparable(stored) != _comparable(config):
            raise ConfigError(
                f"{run_dir} holds a run with another configuration; choose another hydra.run.dir, or continue that "
                f"run with resume={run_dir}."
            )
        save_config(config, run_dir)
        _write_run_json(run_dir, config, choices, overrides)
        yield


@contextmanager
def resumed(run_dir: Path, overrides: list[str]) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """Lock ``run_dir`` for resuming the run in it, whose saved configuration may be someone else's.

    Yields:
        Its configuration with the changes of ``overrides``, and the name that was chosen in each of ``GROUPS``.

    Raises:
        ConfigError: when the folder holds no run, an override would change the run, or the configuration names a class
            that is neither in rl_rewards nor in a package that ``trust=`` names.
    """
    if not is_started(run_dir):
        if (run_dir / "arms").is_dir():
            raise ConfigError(f"resume={run_dir} is a study's folder; the command that started the study continues it.")
        raise ConfigError(f"resume={run_dir} is not a run's folder; it has no config.yaml.")
    for override in overrides:
        if override.split("=")[0].split(".")[0] not in RESUMABLE_OVERRIDES:
            raise ConfigError(
                f"{override} cannot be changed when a run is resumed; only logger, placement, total_env_steps and "
                "trust can."
            )
    trust, changes = take_trust(overrides)
    with only_process(run_dir):
        saved = own_config(run_dir)
        assert saved is not None, "it is started"
        check_targets(saved, [str(key) for key in saved], trust, str(run_dir / "config.yaml"))
        cfg = OmegaConf.create({**saved, "trust": list(trust)})
        OmegaConf.set_struct(cfg, True)
        chosen, changes = _take_choices(changes)
        if chosen or "placement" not in cfg:  # runs of earlier versions have no placement
            OmegaConf.set_struct(cfg, False)
            now = composed(chosen)
            for group in {choice.partition("=")[0] for choice in chosen} | ({"placement"} - set(cfg)):
                cfg[group] = now[group]
            OmegaConf.set_struct(cfg, True)
        try:
            cfg.merge_with_dotlist(changes)
        except Exception as error:
            raise ConfigError(f"{' '.join(changes)} does not fit the saved configuration: {error}") from error
        check_changed(cfg, changes)
        config = plain_values(cfg)
        check_loggers(config)
        choices = _stored_choices(run_dir, config, [f"resume={run_dir}", *overrides])
        save_config(config, run_dir)
        yield config, choices


def _take_choices(changes: list[str]) -> tuple[list[str], list[str]]:
    """Split changes into those that choose from a group, such as ``logger=[csv,tensorboard]``, and of single keys."""
    chosen = [change for change in changes if change.partition("=")[0] in CHOSEN_AGAIN]
    return chosen, [change for change in changes if change not in chosen]


def _stored_choices(run_dir: Path, config: Mapping[str, Any], overrides: list[str]) -> dict[str, str]:
    """Return the choice that was made in each group, according to run.json.

    A damaged run.json is rewritten, with the names of the classes as choices.
    """
    try:
        record = read_json(run_dir / "run.json")
        return {group: str(record[f"{group}_choice"]) for group in GROUPS}
    except (ConfigError, KeyError) as error:
        broken = error if isinstance(error, ConfigError) else f"{run_dir / 'run.json'} lacks {error}."
        print(f"Warning: {broken} It is written again, without the command that started the run.", flush=True)
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
        "data_sha256": digests(files_read(config)),
    }
    write_whole(run_dir / "run.json", json.dumps(record, indent=2) + "\n", private=True)


def files_read(config: Mapping[str, Any]) -> list[str | None]:
    """Return what a run is told to learn from; some of it is no file, such as the name of a data set."""
    data, env = config.get("data"), config["env"]
    texts = [env.get("path"), env.get("corpus"), env.get("tokenizer")]
    rated = env.get("rated_texts") if env.get("gold") == "rated" else None
    data = [data] if data is None or isinstance(data, str) else list(data)
    pretrained = (config.get("pretrain") or {}).get("run")
    return [*data, config["demos"], config["examples"].get("path"), pretrained, *texts, rated]


def _comparable(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in (*RESUMABLE_OVERRIDES, *OF_A_STUDY, "resume")}

"""The run folder: one process at a time writes it, and reading another person's folder executes no code of theirs."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError, FolderInUse
from rl_rewards.core.files import HOLDER, locked, read_json, read_text, write_whole
from rl_rewards.loop.renamed import with_new_names
from rl_rewards.loop.saved_state import CHECKPOINTS
from rl_rewards.loop.trust import check_targets

CONFIG = "config.yaml"
LOCK = "run.lock"
SECTIONS = ("env", "reward", "algorithm", "logger", "examples", "evaluation", "checkpoint")
NEEDED = (*SECTIONS, "seed", "num_seeds", "total_env_steps", "demos", "video", "report")
"""The keys that a resumed run needs; an incomplete config.yaml lacks the last ones."""


def only_process(folder: Path) -> AbstractContextManager[object]:
    """Return the lock of the run or the study in ``folder``.

    Raises:
        FolderInUse: when another process holds it; the message names the process.
    """
    busy = f"{folder} is in use: {HOLDER} runs there; wait until it has ended, or stop it, and start again."
    return locked(folder / LOCK, busy, FolderInUse)


def read_config(folder: Path, built: Sequence[str], trust: Sequence[str]) -> dict[str, Any]:
    """Return the configuration, as plain values, of the run in ``folder``, which may be another person's.

    Args:
        built: the keys of the parts that will be instantiated.
        trust: other packages whose classes those parts may be.

    Raises:
        ConfigError: when it is missing or broken, or one of ``built`` names a class that is not trusted.
    """
    path = folder / CONFIG
    require(path.is_file(), f"{folder} is not a run folder; it has no {CONFIG}.")
    config = parse_config(read_text(path), str(path))
    check_targets(config, built, trust, str(path))
    return config


def is_started(folder: Path) -> bool:
    """Return True if a run has been started in ``folder``."""
    return (folder / CONFIG).is_file() or (folder / CHECKPOINTS).is_dir()


def own_config(folder: Path, command: str | None = None) -> dict[str, Any] | None:
    """Return the configuration of the run to resume in ``folder``, or None if there is nothing to resume.

    If config.yaml is missing or broken, the copy in the newest checkpoint is used, with a warning. Checkpoints of
    earlier versions have no copy; then ``command`` must be the one that started the run according to run.json.

    Raises:
        ConfigError: when there are checkpoints, but no configuration for them.
    """
    path, checkpoints = folder / CONFIG, folder / CHECKPOINTS
    if not is_started(folder):
        return None
    try:
        require(path.is_file(), f"{path} is missing.")
        config = parse_config(read_text(path), str(path))
        lacking = [key for key in NEEDED if key not in config]
        lacking += [key for key in SECTIONS if key in config and not isinstance(config[key], dict)]
        require(not lacking, f"{path} is incomplete: it has no {', '.join(lacking)}.")
        return config
    except ConfigError as error:
        broken = error
    from rl_rewards.loop.checkpoint.one_item import is_checkpointed, stored_config  # only here: it is slow

    if (kept := stored_config(folder)) is not None:
        print(f"Warning: {broken} It is restored from the newest checkpoint.", flush=True)
        return parse_config(kept, f"The configuration in {checkpoints}")
    try:
        first = str(read_json(folder / "run.json").get("command"))
    except ConfigError:
        first = "(run.json does not have it)"
    if command is not None and (first == command or not is_checkpointed(folder)):
        print(f"Warning: {broken} It is written again from the command line.", flush=True)
        return None
    raise ConfigError(
        f"{broken} No checkpoint has a copy; restore the file, or repeat the command that started the run: {first}"
    )


def parse_config(text: str, where: str) -> dict[str, Any]:
    """Return the configuration, as plain values, in the ``text`` of a stored config.yaml.

    Raises:
        ConfigError: when it is empty, not YAML of plain values, or not resolved; the message begins with ``where``.
    """
    require(bool(text.strip("\0 \n")), f"{where} is empty.")
    try:
        config = OmegaConf.create(text)
        plain = OmegaConf.to_container(config, resolve=False)
    except Exception as error:  # errors of YAML and OmegaConf, and failed assertions
        raise ConfigError(f"{where} cannot be read as a configuration: {_one_line(error)}.") from error
    if not isinstance(plain, dict):
        raise ConfigError(f"{where} must be a mapping of keys to values.")
    place = _interpolation(plain, "")
    require(not place, f"{where} has an interpolation at {place}; the configuration of a run must have plain values.")
    return with_new_names(plain)


def _interpolation(node: Any, place: str) -> str:
    """Return the key of the first interpolation; empty if there is none."""
    if isinstance(node, str):
        return place if "${" in node else ""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return next((found for key, one in items if (found := _interpolation(one, f"{place}.{key}".lstrip(".")))), "")


def plain_values(config: DictConfig | Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration as dicts, lists and scalars."""
    if isinstance(config, DictConfig):
        return cast(dict[str, Any], OmegaConf.to_container(config, resolve=True))
    return dict(config)


def config_text(config: Mapping[str, Any]) -> str:
    """Return the text of config.yaml, without ``trust``, which only the command line may give."""
    return OmegaConf.to_yaml(OmegaConf.create({key: value for key, value in config.items() if key != "trust"}))


def save_config(config: Mapping[str, Any], folder: Path) -> None:
    """Write config.yaml if its content changes; only its owner may read it, because it may contain tokens."""
    for copy in (folder / ".hydra").glob("*.yaml"):  # Hydra's copies
        copy.chmod(0o600)
    path, text = folder / CONFIG, config_text(config)
    try:
        if read_text(path) == text:
            return
    except ConfigError:
        pass
    write_whole(path, text, private=True)


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Convert any error of the block to a ConfigError about the files in ``folder``.

    Raises:
        ConfigError: the one that the block raises, or one for any other exception.
    """
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:  # a broken file can cause any error in any library
        raise ConfigError(
            f"{folder} is not a usable run folder ({_one_line(error)}); its files are damaged or of another version."
        ) from error


def _one_line(error: Exception) -> str:
    said = " ".join(str(error).split())[:300].rstrip(".")
    return f"{type(error).__name__}: {said}" if said else type(error).__name__

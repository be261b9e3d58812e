"""A run's folder: one process at a time writes it, and reading someone else's runs no code of theirs."""

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
"""Keys without which no run goes on; a config.yaml that was cut lacks the last ones."""


def only_process(folder: Path) -> AbstractContextManager[None]:
    """The lock of the run, or the study, in ``folder``.

    Raises:
        FolderInUse: when another process runs there; the sentence names it.
    """
    busy = f"{folder} is in use: {HOLDER} runs there; wait until it has ended, or stop it, and start again."
    return locked(folder / LOCK, busy, FolderInUse)


def read_config(folder: Path, built: Sequence[str], trust: Sequence[str]) -> dict[str, Any]:
    """The configuration, as plain values, of the run in ``folder``, which may be someone else's.

    Args:
        built: keys of the configuration of which objects will be made.
        trust: packages, besides this one, whose classes those may be.

    Raises:
        ConfigError: when there is none, it is broken, or one of ``built`` names a class that is not trusted.
    """
    path = folder / CONFIG
    require(path.is_file(), f"{folder} is not a run's folder; it has no {CONFIG}.")
    config = parse_config(read_text(path), str(path))
    check_targets(config, built, trust, str(path))
    return config


def is_started(folder: Path) -> bool:
    """True where ``folder`` has what a run leaves there."""
    return (folder / CONFIG).is_file() or (folder / CHECKPOINTS).is_dir()


def own_config(folder: Path, command: str | None = None) -> dict[str, Any] | None:
    """The configuration of the run that is to go on in ``folder``; None where nothing is to go on.

    Where config.yaml is missing or broken, the newest checkpoint's copy takes its place, with a warning. A checkpoint
    of an earlier version has none; then the run goes on by the very ``command`` that run.json says it was started with.

    Raises:
        ConfigError: when checkpoints are there and it is not known by which configuration they were made.
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
    from rl_rewards.loop.checkpoint.one_item import is_checkpointed, stored_config  # only here: they take their time

    if (kept := stored_config(folder)) is not None:
        print(f"Warning: {broken} It is mended from the newest checkpoint.", flush=True)
        return parse_config(kept, f"The configuration in {checkpoints}")
    try:
        first = str(read_json(folder / "run.json").get("command"))
    except ConfigError:
        first = "(run.json does not tell it)"
    if command is not None and (first == command or not is_checkpointed(folder)):
        print(f"Warning: {broken} It is written anew, from the command line.", flush=True)
        return None
    raise ConfigError(
        f"{broken} No checkpoint keeps a copy; put the file back, or go on by the command that started the run: {first}"
    )


def parse_config(text: str, where: str) -> dict[str, Any]:
    """The configuration, as plain values, that ``text``, a stored config.yaml, holds.

    Raises:
        ConfigError: when it is empty, no YAML of plain values, or not resolved; the sentence begins with ``where``.
    """
    require(bool(text.strip("\0 \n")), f"{where} is empty.")
    try:
        config = OmegaConf.create(text)
        plain = OmegaConf.to_container(config, resolve=False)
    except Exception as error:  # YAML's, OmegaConf's and its assertions'
        raise ConfigError(f"{where} cannot be read as a configuration: {_one_line(error)}.") from error
    if not isinstance(plain, dict):
        raise ConfigError(f"{where} must hold keys and values.")
    place = _interpolation(plain, "")
    require(not place, f"{where} has an interpolation at {place}; a run's configuration is saved with plain values.")
    return with_new_names(plain)


def _interpolation(node: Any, place: str) -> str:
    """The key of the first value that OmegaConf would compute; empty where there is none."""
    if isinstance(node, str):
        return place if "${" in node else ""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return next((found for key, one in items if (found := _interpolation(one, f"{place}.{key}".lstrip(".")))), "")


def plain_values(config: DictConfig | Mapping[str, Any]) -> dict[str, Any]:
    """A configuration, composed or plain already, as dicts, lists and scalars."""
    if isinstance(config, DictConfig):
        return cast(dict[str, Any], OmegaConf.to_container(config, resolve=True))
    return dict(config)


def config_text(config: Mapping[str, Any]) -> str:
    """Returns the text of config.yaml. ``trust`` is left out, since only the command line may give it."""
    return OmegaConf.to_yaml(OmegaConf.create({key: value for key, value in config.items() if key != "trust"}))


def save_config(config: Mapping[str, Any], folder: Path) -> None:
    """Write config.yaml, unless it says that already; only its owner may read it, for it may hold tokens."""
    for copy in (folder / ".hydra").glob("*.yaml"):  # Hydra's own
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
    """Whatever goes wrong in the block is told as a fault of the files in ``folder``.

    Raises:
        ConfigError: as the block raises it, or in the place of any other exception.
    """
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:  # a broken file can make any constructor and any library say anything
        raise ConfigError(
            f"What {folder} holds cannot be used as a run's ({_one_line(error)}); its files are damaged, or those of "
            "another version."
        ) from error


def _one_line(error: Exception) -> str:
    said = " ".join(str(error).split())[:300].rstrip(".")
    return f"{type(error).__name__}: {said}" if said else type(error).__name__

"""Compose the configuration of a command line without Hydra's entry point, and that of a study's size."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf, open_dict

from rl_rewards.command_line.arguments import mended
from rl_rewards.command_line.choices import CONFIGS
from rl_rewards.command_line.declared import check_numbers
from rl_rewards.command_line.early import own_folders
from rl_rewards.loop.run_folder import plain_values


def composed(overrides: Sequence[str]) -> dict[str, Any]:
    """Return the configuration, as plain values, of a run with these overrides.

    Raises:
        ConfigError: for a number outside its range.
    """
    import hydra
    from hydra.core.global_hydra import GlobalHydra

    begun = GlobalHydra.instance().is_initialized()  # in a study, whose own configuration Hydra has composed
    with nullcontext() if begun else hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
        cfg = hydra.compose("config", mended(list(overrides)))
    check_numbers(cfg)
    return plain_values(cfg)


class ComposedRun(NamedTuple):
    """The configuration, the folder and the choices of a run that is about to start."""

    cfg: DictConfig
    run_dir: Path
    choices: dict[str, str]  # the name that was chosen in each group


def composed_run(overrides: Sequence[str]) -> ComposedRun:
    """Return the run of a command line with these overrides, in which all numbers are checked.

    Hydra's state in this process, which may be another program's, is as before.

    Raises:
        ConfigError: for a number outside its range, or a choice that cannot be a name.
        HydraException: for overrides that do not compose.
    """
    import hydra

    words = mended(list(overrides))
    with _hydra_put_aside(), hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
        cfg = hydra.compose("config", words, return_hydra_config=True)
    choices = {group: str(choice) for group, choice in cfg.hydra.runtime.choices.items()}
    run_dir, folders = Path(cfg.hydra.run.dir), own_folders(cfg.hydra)
    with open_dict(cfg):
        del cfg["hydra"]
    check_numbers(cfg, folders)
    return ComposedRun(cfg, run_dir, choices)


@contextmanager
def _hydra_put_aside() -> Iterator[None]:
    """Forget for the block that Hydra was initialised in this process; it refuses to be initialised twice."""
    from hydra.core.global_hydra import GlobalHydra

    before = GlobalHydra.instance().hydra
    GlobalHydra.instance().hydra = None
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = before


def of_size(cfg: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """Return the configuration of a study with the keys ``study.*`` that its size sets.

    Args:
        overrides: of the command line, whose keys keep their values.
    """
    sized, given = cfg.copy(), {one.partition("=")[0].lstrip("+") for one in overrides}
    for one in (cfg.sizes or {}).get(cfg.size, ()):
        key = one.partition("=")[0]
        if key.startswith("study.") and key not in given:
            OmegaConf.update(sized, key, OmegaConf.select(OmegaConf.from_dotlist([one]), key), force_add=False)
    return sized

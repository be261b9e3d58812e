"""Compose the configuration of a command line for programs that do not start a run, and of a study's size."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from omegaconf import DictConfig, OmegaConf

from rl_rewards.command_line.arguments import mended
from rl_rewards.command_line.choices import CONFIGS
from rl_rewards.command_line.declared import check_numbers
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

"""Composes the configuration of a command line for doors that start no run of their own."""

from collections.abc import Sequence
from typing import Any

from rl_rewards.command_line.arguments import mended
from rl_rewards.command_line.choices import CONFIGS
from rl_rewards.command_line.declared import check_numbers
from rl_rewards.loop.run_folder import plain_values


def composed(overrides: Sequence[str]) -> dict[str, Any]:
    """The configuration, as plain values, of a run with these overrides.

    Raises:
        ConfigError: for a number that is out of its range.
    """
    import hydra

    with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
        cfg = hydra.compose("config", mended(list(overrides)))
    check_numbers(cfg)
    return plain_values(cfg)

"""Makes the loggers that a run's settings choose."""

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rl_rewards.core.checks import require
from rl_rewards.loop.loggers.base import RowLogger
from rl_rewards.loop.loggers.csv_file import CsvLog
from rl_rewards.loop.loggers.tensorboard import TensorboardLog
from rl_rewards.loop.loggers.wandb import WandbLog
from rl_rewards.loop.settings import Settings


def check_loggers(config: Mapping[str, Any]) -> None:
    """Raise ConfigError if the configuration chooses a logger whose package is not installed.

    Weights & Biases is not checked: it belongs to the installation, and a run goes on without it.
    """
    require(
        not config["logger"].get("tensorboard") or find_spec("tensorboardX") is not None,
        "logger=tensorboard needs the package tensorboardX, which is not installed; pip install "
        "'rl_rewards[tensorboard]', or choose another logger, such as csv.",
    )


def chosen_loggers(
    settings: Settings, run_dir: Path, rows: Sequence[Mapping[str, Any]], say: Callable[[str], None]
) -> list[RowLogger]:
    """Return the loggers of a run that starts or goes on in ``run_dir``.

    Args:
        rows: the rows of metrics.jsonl before the next round; new ones are added to it before they are logged.
        say: prints a line that stays on the screen.
    """
    logger, found = settings.logger, []
    if logger.csv:
        found.append(CsvLog(run_dir, rows, settings.seed, say))
    if logger.tensorboard:
        found.append(TensorboardLog(run_dir, rows, settings.seed, say))
    if logger.mode != "disabled":
        found.append(WandbLog(settings, run_dir, say))
    return found

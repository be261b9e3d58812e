"""Logs rows to event files of TensorBoard with tensorboardX; see them with ``tensorboard --logdir RUN_DIR``."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rl_rewards.core.seed_rows import steps
from rl_rewards.loop.loggers.base import RowLogger, Texts, series

FOLDER = "tensorboard"
NO_SCALARS = ("round", "env_steps", "gradient_steps")
"""Numbers of a row that say when it was; the axis of TensorBoard has them."""


class TensorboardLog(RowLogger):
    """Logs every metric at its env steps (gradient steps of an offline run); several seeds as one series each.

    When a run goes on, TensorBoard hides what was logged after the checkpoint. A run that logs here only from now on
    begins with its earlier rows.
    """

    def __init__(
        self, run_dir: Path, rows: Sequence[Mapping[str, Any]], first_seed: int, say: Callable[[str], None]
    ) -> None:
        super().__init__("logger=tensorboard", say)
        self._first_seed = first_seed
        self._writer: Any = None
        self._try(lambda: self._start(run_dir / FOLDER, rows))

    def _start(self, folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
        from tensorboardX import SummaryWriter

        missed = () if any(folder.glob("events.*")) else rows
        following = steps(rows[-1])[0] + 1 if rows and not missed else 0
        self._writer = SummaryWriter(str(folder), purge_step=following, flush_secs=10)
        for row in missed:
            self._write(row, ())

    def _write(self, row: Mapping[str, Any], texts: Texts) -> None:
        count, _ = steps(row)
        for key, value in series(row, self._first_seed).items():
            if key not in NO_SCALARS:
                self._writer.add_scalar(key, value, count)
        if texts:
            self._writer.add_text("texts", self._table(texts), count)

    def _table(self, texts: Texts) -> str:
        """Return a table in Markdown, which TensorBoard shows, with a line for every text of every seed."""
        lines = ["seed | why | prompt | response | gold | proxy", "--- | --- | --- | --- | --- | ---"]
        for index, of_seed in enumerate(texts):
            for one in of_seed:
                cells = [one[name] for name in ("why", "prompt", "response", "gold", "proxy")]
                lines.append(" | ".join(_cell(cell) for cell in (self._first_seed + index, *cells)))
        return "\n".join(lines)

    def _flush(self) -> None:
        self._writer.flush()

    def _finish(self) -> None:
        self._writer.close()


def _cell(value: Any) -> str:
    return "" if value is None else " ".join(str(value).replace("|", "\\|").split())

"""Runs from Python: ``rl_rewards.run(...)`` does what ``python -m rl_rewards.run`` does, and returns a ``Run``.

``rl_rewards.Run(RUN_DIR)`` opens the folder of a run that was made earlier, with either of them.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rl_rewards.command_line.compose import composed_run
from rl_rewards.command_line.early import leaving_nothing, remember_missing
from rl_rewards.command_line.exits import as_config_errors
from rl_rewards.command_line.listing.listed import RunStatus, status_of
from rl_rewards.command_line.run_dir import GROUPS
from rl_rewards.command_line.spelled import spelled
from rl_rewards.core.checks import require
from rl_rewards.core.seed_rows import tidy
from rl_rewards.loop.run_folder import plain_values
from rl_rewards.loop.trust import named_packages, take_trust, trusted_packages
from rl_rewards.reporting.card import card, outcome_of, title_of
from rl_rewards.reporting.run_files import read_run
from rl_rewards.run import resume_run, start_run

if TYPE_CHECKING:
    from rl_rewards.api import LoadedReward
    from rl_rewards.loop.loaded_policy import LoadedPolicy


def run(overrides: Sequence[str] | Mapping[str, Any] = (), **settings: Any) -> "Run":
    """Train, print and write what ``python -m rl_rewards.run`` would, and return the finished run.

    These three are the same run::

        rl_rewards.run(["env=point", "reward=goal_classifier", "algorithm.learning_rate=1e-3"])
        rl_rewards.run({"env": "point", "reward": "goal_classifier", "algorithm.learning_rate": 1e-3})
        rl_rewards.run({"algorithm.learning_rate": 1e-3}, env="point", reward="goal_classifier")

    Args:
        overrides: the words of the command line, or a mapping from keys, in which dots lead to inner keys, to values
            of Python. Text in a mapping is never read as Hydra's syntax, so that it needs no quotes.
        **settings: further keys, as in a mapping. ``folder`` is short for ``hydra.run.dir``. A mapping as the value of
            a group, as in ``algorithm={"learning_rate": 1e-3}``, sets keys of the group and chooses nothing.

    With ``resume=RUN_DIR`` the run in that folder goes on. Ctrl-C, and a notebook's stop button, end the run after its
    round with the exception ``Stopped``, which says how to continue it; pressed twice, they end it at once. Sweeps are
    loops in Python. Studies are started from the command line.

    Raises:
        ConfigError: with the sentence that the command line would print.
        TrainingFailed: when training cannot go on; the folder has a report of the rounds before.
    """
    words = spelled(overrides, settings)
    with as_config_errors():
        if resume := [word.partition("=")[2] for word in words if word.startswith("resume=")]:
            return _resumed(Path(resume[-1]).expanduser(), [one for one in words if not one.startswith("resume=")])
        cfg, run_dir, choices = composed_run(words)
        require(
            cfg.study is None,
            "This experiment is a study, which runs jobs of its own; start it with python -m rl_rewards.run.",
        )
        remember_missing(run_dir)
        with leaving_nothing(run_dir):
            start_run(cfg, run_dir, {group: choices[group] for group in GROUPS}, words)
    return Run(run_dir, (*trusted_packages(plain_values(cfg).get("trust")), *named_packages(plain_values(cfg))))


def _resumed(run_dir: Path, words: list[str]) -> "Run":
    resume_run(run_dir, words)
    return Run(run_dir, take_trust(words)[0])


class Run:
    """A run's folder, finished or not, as :func:`run` returns it. Notebooks show it as a card.

    Attributes:
        folder: the run's folder.

    Args:
        folder: the folder of a run.
        trust: a package, or several, with your own classes, for ``policy`` and ``reward``; loading these runs its code.

    Raises:
        ConfigError: when it is not the folder of a run, or a file in it is damaged.
    """

    def __init__(self, folder: str | PathLike, trust: str | Sequence[str] = ()) -> None:
        self.folder = Path(folder)
        self._trust = trusted_packages(trust)
        self._files = read_run(self.folder, evaluations=0)

    @property
    def status(self) -> RunStatus:
        """``finished``, ``running``, ``interrupted`` or ``failed`` now, as ``python -m rl_rewards.runs`` lists it."""
        return status_of(self.folder)

    @property
    def config(self) -> Mapping[str, Any]:
        """The whole configuration."""
        return self._files.config

    @property
    def outcome(self) -> str:
        """A sentence about what the run reached and kept."""
        return outcome_of(self._files)

    @property
    def metrics(self) -> Any:
        """A pandas DataFrame with one row for each round and seed; without pandas, a list of dicts of the same rows.

        The columns are those of metrics.jsonl, and ``seed``. Values of evaluations are missing in other rounds.
        """
        rows = tidy(self._files.rows, self._files.seeds[0])
        try:
            import pandas
        except ModuleNotFoundError:
            return rows
        return pandas.DataFrame(rows)

    @cached_property
    def policy(self) -> "LoadedPolicy":
        """The newest policy, by :func:`rl_rewards.load_policy`, which also loads the best one or that of one seed."""
        from rl_rewards.api import load_policy

        return load_policy(self.folder, trust=self._trust)

    @cached_property
    def reward(self) -> "LoadedReward":
        """The newest reward, by :func:`rl_rewards.load_reward`, which also loads the best one or that of one seed."""
        from rl_rewards.api import load_reward

        return load_reward(self.folder, trust=self._trust)

    @property
    def report(self) -> Path | None:
        """The path of the run's page; None if it has none, which ``python -m rl_rewards.report RUN_DIR`` writes."""
        path = self.folder / "report.html"
        return path if path.is_file() else None

    def __repr__(self) -> str:
        return f"<Run {self.folder}: {title_of(self._files)}; {self.outcome}>"

    def _repr_html_(self) -> str:
        return card(self._files, self.report)

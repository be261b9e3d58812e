"""One experiment in one folder: restore or start, run the rounds, evaluate, log, checkpoint, finish with DONE."""

import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from omegaconf import DictConfig

from rl_rewards.core.alarm import exploit_alarm
from rl_rewards.core.errors import TrainingFailed
from rl_rewards.core.types import Examples
from rl_rewards.envs.base import HostEnv
from rl_rewards.loop import build
from rl_rewards.loop.checkpoint import Checkpoints, digest
from rl_rewards.loop.data import fingerprint
from rl_rewards.loop.evaluate import Evaluator
from rl_rewards.loop.log import MetricsFile, Progress
from rl_rewards.loop.sources import keep_reward
from rl_rewards.loop.train import Parts, Rounds, TrainState, init_state, make_host_env
from rl_rewards.loop.wandb_log import WandbLog


class Live(NamedTuple):
    """What a checkpoint restores."""

    state: TrainState
    host_env: HostEnv | None
    first_round: int


def run_experiment(cfg: DictConfig, parts: Parts, examples: Examples, run_dir: Path, title: str) -> dict[str, Any]:
    """Train to the end of ``cfg.total_env_steps``, from the newest checkpoint in ``run_dir`` if there is one.

    Returns:
        The last row of metrics.jsonl.

    Raises:
        ConfigError: when a checkpoint is there but does not fit.
        TrainingFailed: when parameters stop being finite.
    """
    started = time.perf_counter()
    parts.env.spec.save(run_dir / "spec.json")
    keep_reward(parts.source, run_dir)
    data_hash = fingerprint(examples)
    checkpoints = Checkpoints(run_dir / "checkpoints", cfg.checkpoint.keep)
    live = _start_or_restore(parts, cfg.seed, checkpoints, data_hash)
    for marker in ("DONE", "FAILED.json"):  # only now: a refused restart leaves a finished run finished
        (run_dir / marker).unlink(missing_ok=True)
    rounds = build.rounds_of(parts, cfg)
    metrics_file = MetricsFile(run_dir / "metrics.jsonl", live.first_round)
    progress = Progress(rounds, live.first_round, title)
    wandb_log = WandbLog(cfg, run_dir, progress.say)
    try:
        if live.first_round > 0:
            progress.say(f"Resumed after round {live.first_round} of {rounds}.")
        session = _Session(cfg, parts, examples, run_dir, checkpoints, metrics_file, progress, wandb_log)
        row, end = session.train(live, rounds, data_hash)
        done = {
            "rounds": rounds,
            "env_steps": row["env_steps"],
            "digest": end,
            "seconds": round(time.perf_counter() - started, 1),
        }
        (run_dir / "DONE").write_text(json.dumps(done) + "\n", encoding="utf-8")
        return row
    finally:
        wandb_log.close()
        progress.close()
        metrics_file.close()
        checkpoints.close()


def _start_or_restore(parts: Parts, seed: int, checkpoints: Checkpoints, data_hash: str) -> Live:
    state = init_state(parts, jax.random.key(seed))
    host_env = make_host_env(parts, seed)
    if checkpoints.newest() is None:
        return Live(state, host_env, 0)
    state, env_bytes, first_round = checkpoints.restore(state, data_hash)
    if host_env is not None:
        host_env.load(env_bytes)
    return Live(state, host_env, first_round)


class _Session:
    """The loop over rounds, with what it writes to."""

    def __init__(
        self,
        cfg: DictConfig,
        parts: Parts,
        examples: Examples,
        run_dir: Path,
        checkpoints: Checkpoints,
        metrics_file: MetricsFile,
        progress: Progress,
        wandb_log: WandbLog,
    ) -> None:
        self.cfg, self.parts, self.examples, self.run_dir = cfg, parts, examples, run_dir
        self.checkpoints, self.metrics_file = checkpoints, metrics_file
        self.progress, self.wandb_log = progress, wandb_log
        self.evaluate = Evaluator(parts, examples, cfg.evaluation.episodes, cfg.seed)

    def train(self, live: Live, rounds: int, data_hash: str) -> tuple[dict[str, Any], str]:
        """All rounds still to do; returns the last row and the digest of the final state."""
        state, host_env, first_round = live
        if first_round >= rounds:
            self.progress.say("Nothing left to do: the newest checkpoint is already at the end.")
            return self.metrics_file.rows[-1], digest(state, _saved(host_env))
        self.progress.say("Compiling ...")
        run_round = Rounds(self.parts, self.examples, state, host_env)
        self.progress.say(f"Compiled in {run_round.compile_seconds:.1f} s.")
        row: dict[str, Any] = {}
        for i in range(first_round, rounds):
            round_started = time.perf_counter()
            state, metrics = run_round(state, i)
            row = {"round": i, "env_steps": (i + 1) * self._steps_per_round, **jax.device_get(metrics)}
            self._stop_unless_finite(row)
            seconds = time.perf_counter() - round_started
            row["time/env_steps_per_second"] = self._steps_per_round / seconds
            row |= {f"time/{name}_seconds": value for name, value in run_round.seconds.items()}
            row["time/round_seconds"] = seconds
            if i == first_round:
                row["time/compile_seconds"] = run_round.compile_seconds
            self._log(row, state, last=i + 1 == rounds)
            if (i + 1) % self.cfg.checkpoint.every == 0 or i + 1 == rounds:
                self.metrics_file.sync()
                self.checkpoints.save(i + 1, state, _saved(host_env), data_hash)
        return self.metrics_file.rows[-1], digest(state, _saved(host_env))

    @property
    def _steps_per_round(self) -> int:
        return self.parts.algorithm.num_envs * self.parts.algorithm.rollout_length

    def _log(self, row: dict[str, Any], state: TrainState, last: bool) -> None:
        """Evaluate if due, then write the row everywhere."""
        if (row["round"] + 1) % self.cfg.evaluation.every == 0 or row["round"] == 0 or last:
            started = time.perf_counter()
            evaluation = self.evaluate(state, row["round"])
            row |= evaluation.metrics
            row["time/evaluate_seconds"] = time.perf_counter() - started
            evaluation.save(self.run_dir / "evaluations", row["round"], row["env_steps"])
        row = self.metrics_file.append(row)
        alarm = exploit_alarm(self.metrics_file.rows)
        self.progress.update(row, alarm.message if alarm else None)
        self.wandb_log.log(row)

    def _stop_unless_finite(self, row: dict[str, Any]) -> None:
        """The last good checkpoint stays; what is not finite is named."""
        if bool(np.all(row.pop("agent/finite"))):
            return
        broken = sorted(k for k, v in row.items() if k.startswith("agent/") and not np.isfinite(v)) or ["parameters"]
        error = (
            f"Training stopped in round {row['round']}: {', '.join(broken)} became NaN or infinite; the last good "
            f"checkpoint is kept. A smaller algorithm.learning_rate or reward.classifier.learning_rate may help."
        )
        failed = {"error": error, "round": row["round"], "env_steps": row["env_steps"]}
        (self.run_dir / "FAILED.json").write_text(json.dumps(failed) + "\n", encoding="utf-8")
        raise TrainingFailed(error)


def _saved(host_env: HostEnv | None) -> bytes | None:
    return None if host_env is None else host_env.save()

"""One experiment in one folder: restore or start, run the rounds, evaluate, log, checkpoint, finish with DONE."""

import contextlib
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from omegaconf import DictConfig

from rl_rewards.core.errors import ConfigError, EnvironmentFault, Stopped, TrainingFailed
from rl_rewards.core.files import write_whole
from rl_rewards.core.seed_rows import steps
from rl_rewards.core.types import Examples
from rl_rewards.data.arrays import fingerprint
from rl_rewards.loop import compatibility, pretrain
from rl_rewards.loop.best import BestKeeper, best_choice
from rl_rewards.loop.checkpoint import BestState, Checkpoints, digest
from rl_rewards.loop.evaluate import Evaluator
from rl_rewards.loop.log import MetricsFile, Progress, stored_rows
from rl_rewards.loop.questions import HostSide, Questions
from rl_rewards.loop.rounds import Rounds, check_saving, initial_memory, make_host_env
from rl_rewards.loop.run_folder import config_text
from rl_rewards.loop.saved_state import CHECKPOINTS
from rl_rewards.loop.sources import keep_reward
from rl_rewards.loop.stop import StopRequest
from rl_rewards.loop.train import FINITE, Parts, TrainState, init_state
from rl_rewards.loop.wandb_log import WandbLog
from rl_rewards.reporting.alarm import Alarm, exploit_alarms
from rl_rewards.reporting.outcome import collapses, numbers
from rl_rewards.rewards.classifier import places


class Live(NamedTuple):
    """What a checkpoint restores."""

    state: TrainState
    host: HostSide
    first_round: int
    best: BestState | None = None


def run_experiment(cfg: DictConfig, parts: Parts, examples: Examples, run_dir: Path, title: str) -> dict[str, Any]:
    """Train to the end of ``cfg.total_env_steps``, from the newest checkpoint in ``run_dir`` if there is one.

    Returns:
        The last row of metrics.jsonl.

    Raises:
        ConfigError: when a checkpoint is there but does not fit.
        TrainingFailed: when something stops being finite, or the environment fails or breaks its word.
        Stopped: after SIGTERM or SIGINT, with the round finished and saved.
    """
    started = time.perf_counter()
    parts.env.spec.save(run_dir / "spec.json")
    keep_reward(parts.source, run_dir, cfg.seed, parts.seeds)
    data_hash = fingerprint(examples)
    checkpoints = Checkpoints(run_dir / CHECKPOINTS, cfg.checkpoint.keep, config_text(cfg))
    rows = stored_rows(run_dir / "metrics.jsonl", parts.seeds.count)
    live = _start_or_restore(cfg, parts, checkpoints, data_hash, run_dir, len(rows))
    for damaged in checkpoints.damaged:
        print(f"Warning: {damaged}", flush=True)
    for marker in ("DONE", "FAILED.json"):  # only now: a refused restart leaves a finished run finished
        (run_dir / marker).unlink(missing_ok=True)
    rounds = compatibility.rounds_of(parts, cfg)
    metrics_file = MetricsFile(run_dir / "metrics.jsonl", rows, live.first_round)
    progress = Progress(rounds, live.first_round, title)
    wandb_log = WandbLog(cfg, run_dir, progress.say)
    try:
        if live.first_round > 0:
            progress.say(f"Resumed after round {live.first_round} of {rounds}.")
            if not parts.env.spec.restores:
                progress.say(
                    "The environment cannot save its state: it starts fresh episodes, so that this run is not "
                    "bit-identical to one that never stopped."
                )
        choice = best_choice(cfg.checkpoint.get("best", "auto"), parts.env, parts.source)  # earlier versions had none
        best = BestKeeper(run_dir, choice, parts.source, parts.seeds, live.best)
        session = _Session(cfg, parts, examples, run_dir, checkpoints, metrics_file, progress, wandb_log, best)
        with StopRequest() as stop:
            row, end = session.train(live, rounds, data_hash, stop)
        done = {
            "rounds": row["round"] + 1,
            "env_steps": row["env_steps"],
            "digest": end,
            "seconds": round(time.perf_counter() - started, 1),
            **numbers(metrics_file.rows, cfg.seed),
        }
        write_whole(run_dir / "DONE", json.dumps(done) + "\n")
        return row
    except EnvironmentFault as fault:
        failed = TrainingFailed(f"Training stopped in round {len(metrics_file.rows)}: {fault} {kept(checkpoints)}")
        write_failed(run_dir, failed, parts.env.spec.has_success, metrics_file.rows, fault.trace)
        raise failed from fault
    except (ConfigError, Stopped):
        raise
    except Exception as error:
        write_failed(run_dir, error, parts.env.spec.has_success, metrics_file.rows)
        raise
    finally:
        live.host.questions.close()
        wandb_log.close()
        progress.close()
        metrics_file.close()
        checkpoints.close()


def kept(checkpoints: Checkpoints) -> str:
    """A sentence that says what of a run that failed is kept."""
    newest = checkpoints.newest()
    if newest is None:
        return "No checkpoint had been written."
    return f"The last good checkpoint, after round {newest}, is kept."


def write_failed(
    run_dir: Path, error: Exception, has_success: bool, rows: list[dict[str, Any]], trace: str | None = None
) -> None:
    """FAILED.json: the reason, how far it came, and a finite score for whoever searches over configurations.

    Nothing where it cannot be written: the reason is told anyway.

    Args:
        trace: the traceback of what a user's own code raised.
    """
    last = rows[-1] if rows else {"round": 0, "env_steps": 0}
    failed = {
        "error": str(error) or type(error).__name__,
        "kind": type(error).__name__,
        "round": last["round"],
        "env_steps": last["env_steps"],
        "score": worst_score(has_success),
    }
    if trace is not None:
        failed["traceback"] = trace
    with contextlib.suppress(OSError):
        write_whole(run_dir / "FAILED.json", json.dumps(failed) + "\n")


def worst_score(has_success: bool) -> float:
    """Below what any finished run scores: no success, or a true return that no environment goes down to."""
    return 0.0 if has_success else -1e9


def _start_or_restore(
    cfg: DictConfig, parts: Parts, checkpoints: Checkpoints, data_hash: str, run_dir: Path, rows: int
) -> Live:
    pretrained = pretrain.load_pretrained(cfg, parts) if checkpoints.newest() is None else None
    check_saving(parts, cfg.seed)
    host = HostSide(make_host_env(parts, cfg.seed), Questions(parts, cfg.seed, run_dir))
    if checkpoints.newest() is None:
        state = init_state(parts, cfg.seed)
        return Live(state if pretrained is None else pretrain.adopt(cfg, parts, state, pretrained), host, 0)
    shapes = jax.eval_shape(lambda: init_state(parts, cfg.seed))  # a fresh state beside the restored one might not fit
    restored = checkpoints.restore(shapes, data_hash, rows)
    host.load(restored.host_env)
    state = restored.state
    if not parts.env.spec.restores and not parts.offline:  # fresh episodes, of which the policy remembers nothing
        fresh = initial_memory(parts, parts.algorithm.num_envs)
        state = state.replace(memory=parts.seeds.split(fresh, axis=0))
    return Live(state, host, restored.rounds, restored.best)


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
        best: BestKeeper,
    ) -> None:
        self.cfg, self.parts, self.examples, self.run_dir = cfg, parts, examples, run_dir
        self.checkpoints, self.metrics_file = checkpoints, metrics_file
        self.progress, self.wandb_log, self.best = progress, wandb_log, best
        self.evaluate = Evaluator(parts, examples, cfg.evaluation.episodes, cfg.seed)
        self._warned = False  # once is enough

    def train(self, live: Live, rounds: int, data_hash: str, stop: StopRequest) -> tuple[dict[str, Any], str]:
        """All rounds still to do; returns the last row and the digest of the final state."""
        state, host, first_round, _ = live
        if first_round >= rounds:
            self.progress.say("Nothing left to do: the newest checkpoint is already at the end.")
            return self.metrics_file.rows[-1], digest(state, host.save())
        self.progress.say("Compiling ...")
        run_round = Rounds(self.parts, self.examples, state, host.env)
        self.progress.say(f"Compiled in {run_round.compile_seconds:.1f} s.")
        row: dict[str, Any] = {}
        for i in range(first_round, rounds):
            round_started = time.perf_counter()
            state, metrics, query = run_round(state, i)
            row = {"round": i, "env_steps": (i + 1) * self.parts.steps_per_round, **jax.device_get(metrics)}
            self._stop_unless_finite(row)
            state = host.questions(state, query, i, lambda: stop.name, self.progress.say)
            row |= host.questions.metrics()
            seconds = time.perf_counter() - round_started
            if self.parts.offline:
                row["gradient_steps"] = (i + 1) * self.parts.algorithm.gradient_steps
            else:
                row["time/env_steps_per_second"] = self.parts.seeds.count * self.parts.steps_per_round / seconds
            row |= {f"time/{name}_seconds": value for name, value in run_round.seconds.items()}
            row["time/round_seconds"] = seconds
            if i == first_round:
                row["time/compile_seconds"] = run_round.compile_seconds
            last = i + 1 == rounds or bool(np.all(row.get("agent/stopped", False)))
            self._log(row, state, last)
            asked = stop.name  # once: a signal may come at any time
            if (i + 1) % self.cfg.checkpoint.every == 0 or last or asked:
                self.metrics_file.sync()
                self.checkpoints.save(i + 1, state, host.save(), data_hash, self.best.state)
            if last:
                break
            if asked:
                raise Stopped(
                    f"Stopped by {asked} after round {i + 1} of {rounds}, with everything saved; go on with "
                    f"resume={self.run_dir}."
                )
        return self.metrics_file.rows[-1], digest(state, host.save())

    def _log(self, row: dict[str, Any], state: TrainState, last: bool) -> None:
        """Evaluate if due, then write the row everywhere."""
        if (row["round"] + 1) % self.cfg.evaluation.every == 0 or row["round"] == 0 or last:
            started = time.perf_counter()
            evaluation = self.evaluate(state, row["round"])
            row |= evaluation.metrics
            row["time/evaluate_seconds"] = time.perf_counter() - started
            evaluation.save(self.run_dir / "evaluations", row["round"], steps(row)[0])
        row = self.metrics_file.append(row)
        if not self._warned and (warning := places.warning(row)):
            self._warned = True
            self.progress.say(f"Warning: {warning}")
        rows = self.metrics_file.rows
        self.best.consider(rows, state)
        alarm = self._in_words(exploit_alarms(rows))
        self.progress.update(row, alarm, self._in_words(collapses(rows, self.best.state is not None)))
        self.wandb_log.log(row)

    def _in_words(self, raised: dict[int, Alarm]) -> str | None:
        """The alarm or notice that stands, if any; with several seeds, in which of them."""
        if not raised:
            return None
        message = next(iter(raised.values())).message
        if self.parts.seeds.count == 1:
            return message
        seeds = ", ".join(str(self.cfg.seed + i) for i in raised)
        return f"In {len(raised)} of {self.parts.seeds.count} seeds ({seeds}). The first of them: {message}"

    def _stop_unless_finite(self, row: dict[str, Any]) -> None:
        """The last good checkpoint stays; where it arose is named."""
        checked = [name for name in FINITE if f"finite/{name}" in row]
        finite = {name: np.atleast_1d(row.pop(f"finite/{name}")) for name in checked}
        broken = next((name for name, flags in finite.items() if not flags.all()), None)
        if broken is None:
            return
        seeds = self.cfg.seed + np.flatnonzero(~finite[broken])
        where = f" of seed {', '.join(map(str, seeds))}" if self.parts.seeds.count > 1 else ""
        raise TrainingFailed(
            f"Training stopped in round {row['round']}: {FINITE[broken]}{where} became NaN or infinite. "
            f"{kept(self.checkpoints)}"
        )

"""Runs an experiment in a run folder: restore or start, run the rounds, evaluate, log, checkpoint, and write DONE."""

import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from rl_rewards.core.errors import ConfigError, EnvironmentFault, Stopped, TrainingFailed
from rl_rewards.core.files import write_whole
from rl_rewards.core.seed_rows import steps
from rl_rewards.core.types import Examples, Metrics
from rl_rewards.data.dataset import fingerprint
from rl_rewards.loop import compatibility, pretrain
from rl_rewards.loop.best import BestKeeper, best_choice, best_setting
from rl_rewards.loop.build import Experiment
from rl_rewards.loop.checkpoint.best import BestState
from rl_rewards.loop.checkpoint.everything import Checkpoints
from rl_rewards.loop.checkpoint.trees import digest
from rl_rewards.loop.evaluate import Evaluator
from rl_rewards.loop.failures import write_failed
from rl_rewards.loop.log import MetricsFile, Progress, stored_rows
from rl_rewards.loop.loggers.chosen import chosen_loggers
from rl_rewards.loop.questions import HostSide, Questions
from rl_rewards.loop.recordings import check_length, write_recordings
from rl_rewards.loop.reward_gate import check_comparisons, check_reward_accuracy
from rl_rewards.loop.rounds import Rounds, check_saving, initial_memory, make_host_env
from rl_rewards.loop.run_folder import config_text
from rl_rewards.loop.saved_state import CHECKPOINTS
from rl_rewards.loop.settings import Settings
from rl_rewards.loop.sources import keep_reward
from rl_rewards.loop.state import Parts, TrainState, init_state, state_shapes
from rl_rewards.loop.stop import StopRequest, until_ready
from rl_rewards.loop.train import FINITE
from rl_rewards.reporting.alarm import Alarm, exploit_alarms
from rl_rewards.reporting.outcome import collapses, numbers
from rl_rewards.rewards.classifier import places


def run_experiment(experiment: Experiment, examples: Examples, run_dir: Path, title: str) -> dict[str, Any]:
    """Train for ``total_env_steps``, starting from the newest checkpoint in ``run_dir`` if there is one.

    Returns:
        The last row of metrics.jsonl.

    Raises:
        ConfigError: when there is a checkpoint that does not fit.
        TrainingFailed: when a value is not finite, or the environment fails or violates its declaration.
        Stopped: after SIGTERM or SIGINT, when the round is finished and saved.
    """
    started = time.perf_counter()
    session = _Session(experiment, examples, run_dir, title)
    with session.recorded(), StopRequest(shown=session.progress.live) as stop:
        session.progress.stopping = lambda: stop.name
        state = session.begin()
        if session.first_round >= session.rounds:
            session.progress.say("Nothing is left to do: the newest checkpoint is already at the end.")
            return session.finish(state, started)
        run_round = session.compiled_round(state)
        session.mark()
        waiting: tuple[int, Metrics] | None = None  # a round whose row is written while the device is at the next one
        for i in range(session.first_round, session.rounds):
            session.progress.pace.begin_round()
            state, metrics, query = run_round(state, i)
            if waiting is not None:
                session.write(session.row(*waiting) | session.measured(waiting[0], run_round))
                session.stage(run_round.stage)
                waiting = None
            if session.is_quiet(i, metrics) and not stop.name:
                waiting = i, metrics
                continue
            row = session.row(i, metrics)
            session.stage("answers" if session.host.questions else None)
            state = session.host.questions(state, query, i, lambda: stop.name, session.progress.say)
            row |= session.measured(i, run_round)
            last = i + 1 == session.rounds or bool(np.all(row.get("agent/stopped", False)))
            session.log(row, state, last)
            asked = stop.name  # read once, because a signal may arrive at any time
            if (i + 1) % experiment.settings.checkpoint.every == 0 or last or asked:
                session.save(i + 1, state)
            if last:
                break
            session.mark()
            if asked:
                raise Stopped(
                    f"Stopped by {asked} after round {i + 1} of {session.rounds}, with everything saved; continue with "
                    f"resume={run_dir}."
                )
        return session.finish(state, started)


class _Live(NamedTuple):
    """The start of a session: a fresh state, or the contents of a checkpoint."""

    state: TrainState
    host: HostSide
    first_round: int
    best: BestState | None = None


def _start_or_restore(
    settings: Settings,
    parts: Parts,
    examples: Examples,
    checkpoints: Checkpoints,
    data_hash: str,
    run_dir: Path,
    rows: int,
) -> _Live:
    seed = settings.seed
    pretrained = pretrain.load_pretrained(settings, parts) if checkpoints.newest() is None else None
    check_saving(parts, seed)
    host = HostSide(make_host_env(parts, seed), Questions(parts, seed, run_dir, settings.trust))
    if checkpoints.newest() is None:
        state = init_state(parts, seed)
        if pretrained is not None:
            state = pretrain.adopt(settings.pretrain.part, parts, state, pretrained)
        if parts.source.requirements.takes_comparisons:
            begin = partial(parts.source.begin_with_comparisons, compared=examples["compared"])
            here = replace(parts.seeds, devices=1)  # the state is not divided yet, and comparisons are checked by value
            state = state.replace(reward=here.map(begin, 0)(state.reward))
        return _Live(state, host, 0)
    if parts.recorded_steps:
        check_length(settings, run_dir)
    # Only shapes, because a fresh state beside the restored one might not fit into memory. Earlier versions always had
    # a replay ring.
    shapes, older = (state_shapes(parts, ring) for ring in (False, True))
    restored = checkpoints.restore((shapes, older), data_hash, rows, parts.seeds.sharding)
    host.load(restored.host_env)
    state = restored.state if shapes.replay is not None else restored.state.replace(replay=None)
    if not parts.env.spec.restores and not parts.offline:  # fresh episodes need a fresh memory of the policy
        fresh = initial_memory(parts, parts.algorithm.num_envs)
        state = state.replace(memory=parts.seeds.split(fresh, axis=0))
    return _Live(state, host, restored.rounds, restored.best)


class _Session:
    """A run in progress: its first and last round, and the files and objects that rounds are written to."""

    def __init__(self, experiment: Experiment, examples: Examples, run_dir: Path, title: str) -> None:
        self.parts, self.settings = parts, settings = experiment
        self.examples, self.run_dir = examples, run_dir
        parts.env.spec.save(run_dir / "spec.json")
        check_comparisons(parts)
        check_reward_accuracy(parts)
        keep_reward(parts.source, run_dir, settings.seed, parts.seeds)
        self.data_hash = fingerprint(examples)
        config = config_text(settings.record)
        self.checkpoints = Checkpoints(run_dir / CHECKPOINTS, settings.checkpoint.keep, config)
        rows = stored_rows(run_dir / "metrics.jsonl", parts.seeds.count)
        live = _start_or_restore(settings, parts, examples, self.checkpoints, self.data_hash, run_dir, len(rows))
        self._live = live._replace(state=parts.seeds.place(live.state))
        self.host, self.first_round = self._live.host, self._live.first_round
        for damaged in self.checkpoints.damaged:
            print(f"Warning: {damaged}", flush=True)
        for marker in ("DONE", "FAILED.json"):  # only now, so that a refused restart does not remove DONE
            (run_dir / marker).unlink(missing_ok=True)
        self.rounds = compatibility.rounds_of(parts, settings.total_env_steps)
        self.metrics_file = MetricsFile(run_dir / "metrics.jsonl", rows, self.first_round)
        at_terminal = self.host.questions.at_terminal
        self.progress = Progress(self.rounds, self.first_round, title, plain=at_terminal)
        self.stage = self.progress.pace.begin
        self.loggers = chosen_loggers(settings, run_dir, self.metrics_file.rows, self.progress.say)
        self._warned = False  # warn only once
        self._marked = time.perf_counter()

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Write a failure of the block to FAILED.json, and close all files at its end."""
        try:
            yield
        except EnvironmentFault as fault:
            sentence = f"Training stopped in round {len(self.metrics_file.rows)}: {fault} {self._kept()}"
            failed = TrainingFailed(sentence)
            write_failed(self.run_dir, failed, self.parts.env.spec.has_success, self.metrics_file.rows, fault.trace)
            raise failed from fault
        except (ConfigError, Stopped):
            raise
        except Exception as error:
            write_failed(self.run_dir, error, self.parts.env.spec.has_success, self.metrics_file.rows)
            raise
        finally:
            self.host.questions.close()
            for logger in self.loggers:
                logger.close()
            self.progress.close()
            self.metrics_file.close()
            self.checkpoints.close()

    def begin(self) -> TrainState:
        """Return the state to start from, after creating the evaluator and the keeper of the best state."""
        say = self.progress.say
        if self.first_round > 0:
            say(f"Resumed after round {self.first_round} of {self.rounds}.")
            if not self.parts.env.spec.restores:
                say(
                    "The environment cannot save its state. It starts fresh episodes, so that this run is not "
                    "bit-identical to one that never stopped."
                )
        setting = best_setting(self.settings, bool(self.parts.algorithm.requirements.data))
        choice = best_choice(setting, self.parts.env, self.parts.source)
        self.best = BestKeeper(self.run_dir, choice, self.parts.source, self.parts.seeds, self._live.best)
        self.evaluate = Evaluator(self.parts, self.examples, self.settings.evaluation.episodes, self.settings.seed)
        return self._live.state

    def compiled_round(self, state: TrainState) -> Rounds:
        """Return the compiled round for states like ``state``."""
        self.progress.say("Compiling ...")
        self.stage("compile")
        started = time.perf_counter()
        with ThreadPoolExecutor(1) as beside:
            evaluating = beside.submit(self.evaluate.compile, state)
            run_round = Rounds(self.parts, self.examples, state, self.host.env, self.stage)
            evaluating.result()
        self.stage(None)
        self.progress.say(f"Compiled in {time.perf_counter() - started:.1f} s.")
        return run_round

    def is_quiet(self, round: int, metrics: Metrics) -> bool:
        """Return True if nothing but its row depends on a round, so that the next one can begin before it is written.

        The device then has work while Python writes rows. The rounds are the same ones, with the same bits.
        """
        after = round + 1
        return not (
            self.host.env is not None
            or self.host.questions
            or "agent/stopped" in metrics  # it may end the run
            or self._evaluated(round)
            or after % self.settings.checkpoint.every == 0
            or after == self.rounds
        )

    def mark(self) -> None:
        """Begin to measure the next round's time; what came before it, such as a checkpoint, does not count."""
        self._marked = time.perf_counter()

    def row(self, round: int, metrics: Metrics) -> dict[str, Any]:
        """Return the row of a round, with the metrics that it returned.

        Raises:
            TrainingFailed: when a checked value is NaN or infinite.
        """
        until_ready(metrics)
        row = {"round": round, "env_steps": (round + 1) * self.parts.steps_per_round, **jax.device_get(metrics)}
        self._stop_unless_finite(row)
        return row

    def measured(self, round: int, run_round: Rounds) -> dict[str, Any]:
        """Return the metrics that are measured outside the compiled round, when it has just ended."""
        row = self.host.questions.metrics()
        seconds, self._marked = time.perf_counter() - self._marked, time.perf_counter()
        if self.parts.offline:
            row["gradient_steps"] = (round + 1) * self.parts.dataset_sizes.gradient_steps
        else:
            row["time/env_steps_per_second"] = self.parts.seeds.count * self.parts.steps_per_round / seconds
        row |= {f"time/{name}_seconds": value for name, value in run_round.seconds.items()}
        row["time/round_seconds"] = seconds
        if round == self.first_round:
            row["time/compile_seconds"] = run_round.compile_seconds
        return row

    def log(self, row: dict[str, Any], state: TrainState, last: bool) -> None:
        """Evaluate if it is due, then write the row to all logs."""
        texts: list[list[dict[str, Any]]] = []
        if self._evaluated(row["round"]) or last:
            self.stage("evaluate")
            started = time.perf_counter()
            evaluation = self.evaluate(state, row["round"])
            row |= evaluation.metrics
            row["time/evaluate_seconds"] = time.perf_counter() - started
            texts = evaluation.texts
            evaluation.save(self.run_dir / "evaluations", row["round"], steps(row)[0])
        self.write(row, texts, state)

    def write(
        self, row: dict[str, Any], texts: Sequence[list[dict[str, Any]]] = (), state: TrainState | None = None
    ) -> None:
        """Write the row to all logs.

        Args:
            state: after the row's round; needed if the policy was evaluated in it.
        """
        row = self.metrics_file.append(row)
        if not self._warned and (warning := places.warning(row)):
            self._warned = True
            self.progress.say(f"Warning: {warning}")
        rows = self.metrics_file.rows
        if state is not None:
            self.best.consider(rows, state)
        alarm = self._in_words(exploit_alarms(rows))
        self.progress.update(row, alarm, self._in_words(collapses(rows, self.best.state is not None)))
        for logger in self.loggers:
            logger.log(row, texts)

    def _evaluated(self, round: int) -> bool:
        return (round + 1) % self.settings.evaluation.every == 0 or round == 0

    def _in_words(self, raised: dict[int, Alarm]) -> str | None:
        """Return the message of the raised alarm or notice, if any; with several seeds, also the affected seeds."""
        if not raised:
            return None
        message = next(iter(raised.values())).message
        if self.parts.seeds.count == 1:
            return message
        seeds = ", ".join(str(self.settings.seed + i) for i in raised)
        return f"In {len(raised)} of {self.parts.seeds.count} seeds ({seeds}). The first of them: {message}"

    def _stop_unless_finite(self, row: dict[str, Any]) -> None:
        """Raise TrainingFailed if a checked value is not finite; the message names where this happened first."""
        checked = [name for name in FINITE if f"finite/{name}" in row]
        finite = {name: np.atleast_1d(row.pop(f"finite/{name}")) for name in checked}
        broken = next((name for name, flags in finite.items() if not flags.all()), None)
        if broken is None:
            return
        seeds = self.settings.seed + np.flatnonzero(~finite[broken])
        where = f" of seed {', '.join(map(str, seeds))}" if self.parts.seeds.count > 1 else ""
        raise TrainingFailed(
            f"Training stopped in round {row['round']}: {FINITE[broken]}{where} became NaN or infinite. {self._kept()}"
        )

    def _kept(self) -> str:
        """Return a sentence about the checkpoint that a failed run keeps."""
        newest = self.checkpoints.newest()
        if newest is None:
            return "No checkpoint had been written."
        return f"The last good checkpoint, after round {newest}, is kept."

    def save(self, rounds: int, state: TrainState) -> None:
        """Write a checkpoint of the state after ``rounds`` rounds."""
        self.stage("save")
        self.metrics_file.sync()
        for logger in self.loggers:
            logger.flush()
        self.checkpoints.save(rounds, state, self.host.save(), self.data_hash, self.best.state)

    def finish(self, state: TrainState, started: float) -> dict[str, Any]:
        """Write the recordings and DONE, and return the last row."""
        write_recordings(self.parts, self.settings, state, self.run_dir)
        row = self.metrics_file.rows[-1]
        done = {
            "rounds": row["round"] + 1,
            "env_steps": row["env_steps"],
            "digest": digest(state, self.host.save()),
            "seconds": round(time.perf_counter() - started, 1),
            **numbers(self.metrics_file.rows, self.settings.seed),
        }
        write_whole(self.run_dir / "DONE", json.dumps(done) + "\n")
        return row

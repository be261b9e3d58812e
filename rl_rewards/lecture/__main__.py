"""Entry point of the whole lecture: ``python -m rl_rewards.lecture`` runs every study and writes one page.

Studies that are finished are not run again, so that the same command continues after an interruption. ``--stored``
writes the page of the published results instead, and runs nothing.
"""

import argparse
import fnmatch
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rl_rewards.command_line.choices import CONFIGS, time_of
from rl_rewards.command_line.exits import REFUSED, REQUEUE
from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError
from rl_rewards.lecture.chapters import CHAPTERS, commands_before
from rl_rewards.lecture.page import Files, of_runs, of_stored, write_lecture

FOLDER = Path("outputs/lecture")
STORED = CONFIGS.parent / "scripts" / "results"
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the studies, write the page and return the exit code: 0, 1 if a study failed, 2, 75 or 130 as a run's."""
    parser = argparse.ArgumentParser(
        prog="python -m rl_rewards.lecture",
        description="Run every study of the lecture in its order, and write one page with all claims. Finished studies "
        "are not run again.",
        epilog="Example: python -m rl_rewards.lecture --only 'preferences/*'",
    )
    parser.add_argument("--size", choices=("small", "full"), default="small", help="small is indicative, full counts")
    parser.add_argument("--only", metavar="GLOB", default="*", help="only studies that match, such as 'language/*'")
    parser.add_argument(
        "--hours", type=float, metavar="H", help="only so many of the shortest studies that are left as take H hours"
    )
    parser.add_argument("--stored", action="store_true", help="run nothing; show the published results")
    parser.add_argument("--list", action="store_true", help="run nothing; list the studies and their minutes")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the page; outputs/lecture/lecture.html by default")
    chosen = parser.parse_args(arguments)
    experiments = [one for chapter in CHAPTERS for one in chapter.experiments if fnmatch.fnmatch(one, chosen.only)]
    try:
        if not experiments:
            raise ConfigError(f"--only {chosen.only} matches no study; --list shows their names.")
        out, files = chosen.out or FOLDER / "lecture.html", of_runs(FOLDER, chosen.size)
        if chosen.hours is not None:
            require(chosen.size == "small", "--hours goes by the times of --size small; leave one of the two out.")
            experiments = _shortest([one for one in experiments if not files(one)[0].is_file()], chosen.hours)
        if chosen.list:
            for one in experiments:
                print(f"{one:42} {time_of(f'lecture/{one}'):>7}")
            return 0
        if chosen.stored:
            write_lecture(out, of_stored(STORED), "full", ["These are the results that the repository publishes."])
            print(out)
            return 0
        return _run_all(experiments, chosen.size, files, out)
    except ConfigError as error:
        print(f"Error: {error}", file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        return INTERRUPTED


def _shortest(experiments: Sequence[str], hours: float) -> list[str]:
    """Return the shortest studies that together take at most so many hours, in the order of the lecture.

    Raises:
        ConfigError: if there is none.
    """
    left, found = hours, set()
    for one in sorted(experiments, key=_hours):
        left -= _hours(one)
        if left < 0.0:
            break
        found.add(one)
    require(bool(found), f"--hours {hours:g} is too short for any study that is left; --list shows their times.")
    return [one for one in experiments if one in found]


def _hours(experiment: str) -> float:
    value, unit = (time_of(f"lecture/{experiment}") or "inf h").split()
    return float(value) / {"s": 3600.0, "min": 60.0, "h": 1.0}[unit]


def _run_all(experiments: Sequence[str], size: str, files: Files, out: Path) -> int:
    """Run the studies that are not finished, and write the page after each of them."""
    told, recorded = [] if size == "full" else ["Small studies are indicative only: few development seeds."], set()
    failed = False
    for number, experiment in enumerate(experiments, 1):
        which = f"Study {number} of {len(experiments)}, {experiment}"
        if files(experiment)[0].is_file():
            print(f"{which}: done already.", flush=True)
            continue
        minutes = time_of(f"lecture/{experiment}")
        print(f"\n{which}{f' (about {minutes} with size=small)' if minutes else ''}", flush=True)
        code = _prepare(experiment, recorded) or _run(experiment, size)
        if code in (REQUEUE, INTERRUPTED):
            return code
        if code:
            failed = True
            told.append(f"The study {experiment} ended with the exit code {code}; its output says why.")
        write_lecture(out, files, size, told)
    write_lecture(out, files, size, told)
    print(out)
    return int(failed)


def _prepare(experiment: str, recorded: set[str]) -> int:
    """Run the commands that an experiment's configuration names, each once; return the exit code of one that failed."""
    commands, others = commands_before(experiment)
    for one in others:
        print(f"It reads files of this command, if they are not there yet: {one}", flush=True)
    for one in commands:
        if one in recorded:
            continue
        print(f"First: {one}", flush=True)
        words = shlex.split(one)
        done = subprocess.run([sys.executable if words[0] == "python" else words[0], *words[1:]], check=False)
        if done.returncode:
            return done.returncode
        recorded.add(one)
    return 0


def _run(experiment: str, size: str) -> int:
    started = time.monotonic()
    command = [sys.executable, "-m", "rl_rewards.run", f"experiment=lecture/{experiment}", f"size={size}"]
    code = subprocess.run(command, check=False).returncode
    print(f"{experiment} took {(time.monotonic() - started) / 60.0:.1f} minutes.", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())

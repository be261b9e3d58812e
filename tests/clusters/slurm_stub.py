"""A small SLURM on this machine: sbatch, srun, sacct and scancel, which are one program.

It runs arrays with at most so many tasks at once, sends SIGUSR2 before the time limit and kills at it. A minute of the
cluster takes STUB_MINUTE seconds. The folder STUB_FOLDER has a folder for each array, with the state of each task.
"""

import os
import random
import re
import signal
import stat
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

COMMANDS = ("sbatch", "srun", "sacct", "scancel")
ENDED = ("COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "PREEMPTED", "NODE_FAIL")


def install(folder: Path, minute: float) -> dict[str, str]:
    """Put the commands into ``folder``, and return the environment in which they are found."""
    programs = folder / "bin"
    programs.mkdir(parents=True)
    for name in COMMANDS:
        path = programs / name
        path.write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} {name} "$@"\n', encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    first = str(random.randrange(10**5, 10**8))  # submitit remembers how jobs have ended by their numbers
    return {"PATH": path, "STUB_FOLDER": str(folder / "arrays"), "STUB_MINUTE": str(minute), "STUB_FIRST": first}


def arrays(folder: Path) -> list[Path]:
    """Return the folders of all arrays that were submitted, the first one first."""
    return sorted((folder / "arrays").iterdir(), key=lambda one: int(one.name))


def end_task(where: Path, task: int, state: str) -> None:
    """Kill a task of the array ``where`` at once, as a lost machine does, and say that it has ended in ``state``."""
    (where / f"{task}.state").write_text(state, encoding="utf-8")
    os.killpg(int((where / f"{task}.pid").read_text(encoding="utf-8")), signal.SIGKILL)


def sbatch(arguments):
    root = Path(os.environ["STUB_FOLDER"])
    root.mkdir(parents=True, exist_ok=True)
    array = str(int(os.environ["STUB_FIRST"]) + len(list(root.iterdir())))
    (root / array).mkdir()
    script = Path(arguments[-1]).read_text(encoding="utf-8")
    (root / array / "script.sh").write_text(script, encoding="utf-8")
    with open(root / array / "log", "w") as log:
        command = [sys.executable, __file__, "run", array]
        subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    print(f"Submitted batch job {array}")


def run(arguments):
    """Run an array to its end."""
    (array,) = arguments
    where = Path(os.environ["STUB_FOLDER"]) / array
    script = (where / "script.sh").read_text(encoding="utf-8")
    option = dict(re.findall(r"^#SBATCH --([\w-]+)=(.*)$", script, flags=re.MULTILINE))
    minute = float(os.environ["STUB_MINUTE"])
    limit, notice = minute * int(option["time"]), minute / 60 * int(option["signal"].partition("@")[2])
    last, _, room = option.get("array", "0-0%1").partition("-")[2].partition("%")
    waiting, running = list(range(int(last) + 1)), {}
    while waiting or running:
        while waiting and len(running) < int(room):
            task = waiting.pop(0)
            if not (where / f"{task}.state").exists():  # it may be cancelled already
                running[task] = [start(where, array, task, "array" in option), time.monotonic(), False]
        for task, (process, begun, told) in list(running.items()):
            passed = time.monotonic() - begun
            if process.poll() is not None:
                state = where / f"{task}.state"
                if state.read_text() not in ENDED:
                    state.write_text("COMPLETED" if process.returncode == 0 else "FAILED")
                del running[task]
            elif passed >= limit:
                (where / f"{task}.state").write_text("TIMEOUT")
                os.killpg(process.pid, signal.SIGKILL)
            elif passed >= limit - notice and not told:
                running[task][2] = True
                os.killpg(process.pid, signal.SIGUSR2)
        time.sleep(0.02)


def start(where, array, task, is_array):
    names = {"JOB_ID": str(int(array) * 1000 + task) if is_array else array, "NTASKS": "1", "JOB_NUM_NODES": "1",
             "NODEID": "0", "PROCID": "0", "LOCALID": "0", "JOB_NODELIST": "here"}  # fmt: skip
    if is_array:
        names |= {"ARRAY_JOB_ID": array, "ARRAY_TASK_ID": str(task)}
    # Like SLURM, the signal before the limit goes to the steps, and not to the shell that runs the script.
    command = ["bash", "-c", f"trap '' USR2; . {where / 'script.sh'}"]
    environment = os.environ | {f"SLURM_{name}": value for name, value in names.items()}
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    (where / f"{task}.pid").write_text(str(process.pid))
    (where / f"{task}.state").write_text("RUNNING")
    return process


def srun(arguments):
    while arguments[0].startswith("--"):
        arguments = arguments[1 if arguments[0] == "--unbuffered" or "=" in arguments[0] else 2 :]
    signal.signal(signal.SIGUSR2, signal.SIG_DFL)
    os.execvp(arguments[0], arguments)


def sacct(arguments):
    print("JobID|State|NodeList")
    for array in [one for flag, one in pairwise(arguments) if flag == "-j"]:
        for state in sorted((Path(os.environ["STUB_FOLDER"]) / array).glob("*.state")):
            script = (state.parent / "script.sh").read_text(encoding="utf-8")
            name = f"{array}_{state.stem}" if "--array" in script else array
            print(f"{name}|{state.read_text()}|here")


def scancel(arguments):
    array, _, task = arguments[0].partition("_")
    where = Path(os.environ["STUB_FOLDER"]) / array
    state = where / f"{task or 0}.state"
    if not state.exists() or state.read_text() not in ENDED:
        state.write_text("CANCELLED")
        if (pid := where / f"{task or 0}.pid").exists():
            os.killpg(int(pid.read_text()), signal.SIGTERM)


if __name__ == "__main__":
    {"sbatch": sbatch, "run": run, "srun": srun, "sacct": sacct, "scancel": scancel}[sys.argv[1]](sys.argv[2:])

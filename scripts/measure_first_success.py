"""Measures the time from a clone to the first success on screen, by following the README alone.

    python scripts/measure_first_success.py [REPOSITORY]

The script clones REPOSITORY (default: this one, at its newest commit) into a temporary folder, and runs the first
command that README.md prints under "Start" until a line says "Success reached 1.00". The clone has no virtual
environment, so that installing is measured, too; packages that pip has downloaded before come from its cache.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parents[1]
SUCCESS = "Success reached 1.00"
INSTALLED = "adversarial_classifier on point"
"""The first line that the program prints; what comes before it is the installation."""


def first_command(readme: str) -> str:
    """Return the first command under the heading "Start"."""
    block = re.search(r"^## Start\n.*?```bash\n(.*?)```", readme, flags=re.DOTALL | re.MULTILINE)
    if block is None:
        raise ValueError('README.md prints no command under "Start".')
    return block[1].splitlines()[0].partition(" #")[0].strip()


def measure(repository: str, folder: Path) -> dict[str, float | str]:
    """Return the command, and the seconds of cloning, installing and learning.

    Raises:
        RuntimeError: if the command fails, or ends without success.
    """
    began = time.monotonic()
    subprocess.run(["git", "clone", "--quiet", repository, str(folder)], check=True)
    cloned = time.monotonic()
    command = first_command((folder / "README.md").read_text(encoding="utf-8"))
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    running = subprocess.Popen(
        command, shell=True, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert running.stdout is not None
    installed = succeeded = None
    for line in running.stdout:
        print(line, end="", flush=True)
        if installed is None and line.startswith(INSTALLED):
            installed = time.monotonic()
        if succeeded is None and SUCCESS in line:
            succeeded = time.monotonic()
    if running.wait() or installed is None or succeeded is None:
        raise RuntimeError(f"{command} did not end in success.")
    return {
        "command": command,
        "clone": cloned - began,
        "install": installed - cloned,
        "compile and learn": succeeded - installed,
        "all": succeeded - began,
    }


def main() -> None:
    """Measure, and print the seconds of each part."""
    with tempfile.TemporaryDirectory() as folder:
        found = measure(sys.argv[1] if len(sys.argv) > 1 else str(HERE), Path(folder) / "clone")
    print(f"\nTwo commands: git clone, and {found.pop('command')}")
    for name, seconds in found.items():
        print(f"{name:18} {seconds:6.0f} s")


if __name__ == "__main__":
    main()

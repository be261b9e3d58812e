"""Entry point of labelling by people: ``python -m rl_rewards.label RUN_DIR`` serves a page and prints its address."""

import argparse
import os
import re
import secrets
import socket
from dataclasses import replace
from pathlib import Path

from rl_rewards.command_line.exits import guarded
from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError
from rl_rewards.labelers.instructions import Instructions, instructions_in
from rl_rewards.labelers.page.run_state import RunState
from rl_rewards.labelers.store import STORE_NAME, LabelStore

PORT = 8642


def main(arguments: list[str] | None = None) -> None:
    """Serve the page, or export or import labels; a failure ends the process with an exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m rl_rewards.label",
        description="Serve the page on which people answer a run's questions, on this machine only; or export or "
        "import labels.",
        epilog="Example: python -m rl_rewards.label RUN_DIR --export labels.jsonl",
    )
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="folder of a run, in progress or finished")
    parser.add_argument("--store", type=Path, metavar="FILE", help=f"label store; default: RUN_DIR/{STORE_NAME}")
    parser.add_argument("--run", metavar="NAME", help="only the questions of this run, in a store of several runs")
    parser.add_argument(
        "--port", type=int, default=PORT, help=f"port on 127.0.0.1; default: {PORT}; 0 takes a free port"
    )
    parser.add_argument("--ask", metavar="TEXT", help="question about clips; default: that of the run")
    parser.add_argument("--ask-done", metavar="TEXT", help="yes/no question about a state; default: that of the run")
    parser.add_argument("--export", type=Path, metavar="FILE", help="write the labels to FILE and exit")
    parser.add_argument(
        "--format",
        choices=("lines", "preference_transformer", "chosen_rejected", "texts"),
        default="lines",
        help="format of --export: JSON lines (complete, the default), PreferenceTransformer's .npz, chosen and "
        "rejected clips, or chosen and rejected texts, which env=text_prompts reads",
    )
    parser.add_argument("--import", dest="read", type=Path, metavar="FILE", help="add the JSON lines of FILE and exit")
    chosen = parser.parse_args(arguments)
    with guarded():
        _run(chosen)


def _run(chosen: argparse.Namespace) -> None:
    require(chosen.run_dir.is_dir(), f"{chosen.run_dir} is not a folder; name the folder of a run.")
    path = chosen.store or chosen.run_dir / STORE_NAME
    if chosen.export is not None:
        require(path.is_file(), f"{path} does not exist: there are no labels to export.")
    if chosen.export is not None or chosen.read is not None:
        _carry(LabelStore(path), chosen)
    else:
        told = instructions_in(chosen.run_dir)
        told = replace(told, ask=chosen.ask or told.ask, ask_done=chosen.ask_done or told.ask_done)
        serve(path, chosen.run_dir, run=chosen.run, port=chosen.port, told=told)


def _carry(store: LabelStore, chosen: argparse.Namespace) -> None:
    from rl_rewards.labelers.exchange import FORMATS, import_lines

    if chosen.read is not None:
        print(f"{store.path}: {import_lines(store.database, chosen.read)} rows added from {chosen.read}")
    if chosen.export is not None:
        print(f"{chosen.export}: {FORMATS[chosen.format](store.database, chosen.export)} rows")


def serve(path: Path, run_dir: Path, *, run: str | None, port: int, told: Instructions) -> None:
    """Serve the page for the label store at ``path`` on 127.0.0.1 until the process is interrupted; prints its address.

    Raises:
        ConfigError: when the extra is not installed, the port is taken, the store is already being served, or the run
            has asked nothing.
    """
    try:
        import uvicorn

        from rl_rewards.labelers.page.door import MOST_CONNECTIONS, MOST_WAITING, Door
        from rl_rewards.labelers.page.server import create_app, only_server
    except ImportError as error:
        raise ConfigError(
            "the labelling page needs starlette and uvicorn, which are not installed; pip install 'rl_rewards[label]'."
        ) from error
    from rl_rewards.labelers.desk import Desk

    require(0 <= port < 65_536, f"--port={port} must be 0 to 65535.")
    store, door = _asked(path, run_dir), Door()
    with only_server(path):
        try:
            listening = socket.create_server(("127.0.0.1", port))
        except OSError as error:
            raise ConfigError(
                f"port {port} of 127.0.0.1 cannot be used ({os.strerror(error.errno or 0)}); choose --port."
            ) from error
        port, token = listening.getsockname()[1], _token(run_dir)
        desk = Desk(store.database, run=run)
        app = create_app(desk, run_dir, port=port, token=token, told=told, admit=door.admit)
        print(f"Label at http://127.0.0.1:{port}/?token={token} (Ctrl-C ends; every answer is saved)", flush=True)
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,  # it would show the token
            server_header=False,
            proxy_headers=False,
            http=door.protocol(),
            ws="none",
            limit_concurrency=MOST_WAITING + MOST_CONNECTIONS,
            timeout_graceful_shutdown=2,
        )
        try:
            uvicorn.Server(config).run(sockets=[listening])
        except KeyboardInterrupt:
            pass
        finally:
            listening.close()


def _asked(path: Path, run_dir: Path) -> LabelStore:
    """Return the label store of a run that has asked something, or may still ask.

    Raises:
        ConfigError: when there is nothing to label; no file is created then.
    """
    how = (
        "Rewards that ask are reward=preferences, reward=linear_preferences and reward=adversarial_classifier with "
        "reward.queries above 0; with labeler=human the run serves this page itself."
    )
    require(path.is_file(), f"{run_dir} has asked nothing: there is no label store {path}. {how}")
    store = LabelStore(path)
    if RunState(run_dir).is_over() and not store.runs():
        store.close()
        raise ConfigError(f"{run_dir} is finished and has asked nothing: its label store {path} has no question. {how}")
    return store


def _token(run_dir: Path) -> str:
    """Return the run's token, from a file that only its owner may read; open pages survive a restart of the server."""
    path = run_dir / "label_token"
    try:
        with open(path, "x", encoding="ascii", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(secrets.token_urlsafe(24))
    except FileExistsError:
        pass
    token = path.read_bytes().decode("ascii", "replace").strip()
    right = re.fullmatch(r"[A-Za-z0-9_-]{32,}", token) is not None  # a file in another encoding has other characters
    require(right, f"{path} holds no token (32 or more ASCII letters and digits); delete it and start again.")
    return token


if __name__ == "__main__":
    main()

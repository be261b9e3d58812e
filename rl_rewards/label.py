"""Entry point of labelling by people: ``python -m rl_rewards.label RUN_DIR`` serves a page and prints its address.

``python -m rl_rewards.label FOLDER --shared`` serves a store of its own to runs on any machine.
"""

import argparse
import os
import re
import secrets
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rl_rewards.command_line.exits import guarded
from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError, warn
from rl_rewards.labelers.instructions import Instructions, instructions_in
from rl_rewards.labelers.page.run_state import RunState
from rl_rewards.labelers.remote import TOKEN, TOKEN_VARIABLE
from rl_rewards.labelers.store import STORE_NAME, LabelStore

PORT = 8642
HERE = "127.0.0.1"
TOKEN_NAME = "label_token"
"""The name of the file with the token, in the folder that is served."""
ADDRESS = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?")


def main(arguments: list[str] | None = None) -> None:
    """Serve the page, or export or import labels; a failure ends the process with an exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m rl_rewards.label",
        description="Serve the page on which people answer the questions of a run, or of runs on several machines; or "
        "export or import labels.",
        epilog="Example: python -m rl_rewards.label RUN_DIR --export labels.jsonl",
    )
    parser.add_argument(
        "run_dir", type=Path, metavar="FOLDER", help="folder of a run, in progress or finished; or of a shared store"
    )
    parser.add_argument(
        "--shared",
        action="store_true",
        help="create a label store in FOLDER if there is none, and serve it to runs on any machine "
        "(labeler=human labeler.store=http://HOST:PORT) and to people",
    )
    parser.add_argument(
        "--host",
        default=HERE,
        help=f"address of this machine to listen at; default: {HERE}, which no other machine reaches; 0.0.0.0 is all",
    )
    parser.add_argument(
        "--address",
        action="append",
        default=[],
        metavar="URL",
        help="further address at which the page is reached, such as https://label.example.org of a proxy",
    )
    parser.add_argument("--store", type=Path, metavar="FILE", help=f"label store; default: RUN_DIR/{STORE_NAME}")
    parser.add_argument("--run", metavar="NAME", help="only the questions of this run, in a store of several runs")
    parser.add_argument("--port", type=int, default=PORT, help=f"port; default: {PORT}; 0 takes a free port")
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
    if chosen.shared:
        _check_shared(chosen)
    require(chosen.run_dir.is_dir(), f"{chosen.run_dir} is not a folder; name the folder of a run.")
    path = chosen.store or chosen.run_dir / STORE_NAME
    if chosen.export is not None:
        require(path.is_file(), f"{path} does not exist: there are no labels to export.")
    if chosen.export is not None or chosen.read is not None:
        _carry(LabelStore(path), chosen)
    else:
        serve(path, chosen)


def _check_shared(chosen: argparse.Namespace) -> None:
    """Create the folder of a shared store.

    Raises:
        ConfigError: when it cannot be one, or an option does not fit it.
    """
    folder = chosen.run_dir
    require(
        not (folder / "config.yaml").exists(),
        f"{folder} is the folder of a run; a shared label store needs a folder of its own.",
    )
    fits = (chosen.export, chosen.read, chosen.store, chosen.ask, chosen.ask_done) == (None,) * 5
    require(
        fits,
        "--shared serves FOLDER, and each run brings its own questions; leave out --export, --import, --store, --ask "
        "and --ask-done.",
    )
    require(folder.parent.is_dir(), f"{folder}: the folder {folder.parent} does not exist.")
    require(folder.is_dir() or not folder.exists(), f"{folder} is a file; a shared label store needs a folder.")
    folder.mkdir(exist_ok=True)


def _carry(store: LabelStore, chosen: argparse.Namespace) -> None:
    from rl_rewards.labelers.exchange import FORMATS, import_lines

    if chosen.read is not None:
        print(f"{store.path}: {import_lines(store.database, chosen.read)} rows added from {chosen.read}")
    if chosen.export is not None:
        print(f"{chosen.export}: {FORMATS[chosen.format](store.database, chosen.export)} rows")


def serve(path: Path, chosen: argparse.Namespace) -> None:
    """Serve the page for the label store at ``path`` until the process is interrupted; prints its address.

    Raises:
        ConfigError: when the extra is not installed, the port is taken, the store is already being served, or the run
            has asked nothing.
    """
    try:
        import uvicorn

        from rl_rewards.labelers.page.door import MOST_CONNECTIONS, MOST_WAITING, Door
        from rl_rewards.labelers.page.security import Origins
        from rl_rewards.labelers.page.server import create_app, only_server
    except ImportError as error:
        raise ConfigError(
            "the labelling page needs starlette and uvicorn, which are not installed; pip install 'rl_rewards[label]'."
        ) from error
    from rl_rewards.labelers.desk import Desk

    folder = chosen.run_dir
    require(0 <= chosen.port < 65_536, f"--port={chosen.port} must be 0 to 65535.")
    for address in chosen.address:
        require(
            ADDRESS.fullmatch(address) is not None,
            f"--address={address} must be http://HOST or https://HOST, perhaps with :PORT, and nothing after it.",
        )
    store, door = LabelStore(path) if chosen.shared else _asked(path, folder), Door()
    with only_server(path):
        listening = _listen(chosen.host, chosen.port)
        port, token = listening.getsockname()[1], _token(folder)
        names = _names(chosen.host)
        app = create_app(
            Desk(store.database, run=chosen.run),
            folder,
            port=port,
            token=token,
            told=_told(store, chosen),
            admit=door.admit,
            store=store if chosen.shared else None,
            origins=Origins(port, [*(f"http://{name}:{port}" for name in names), *chosen.address], bool(names)),
        )
        _announce(chosen, names, port, token)
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


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise ConfigError(
            f"port {port} of {host} cannot be used ({error.strerror or error}); choose --port."
        ) from error


def _names(host: str) -> list[str]:
    """Return the names of this machine by which others reach a server at ``host``; none if only this machine does."""
    if host in (HERE, "localhost", "::1"):
        return []
    own = [socket.gethostname(), socket.getfqdn()]
    return list(dict.fromkeys([*own, host] if re.search("[A-Za-z]", host) and ":" not in host else own))


def _told(store: LabelStore, chosen: argparse.Namespace) -> Callable[[str | None], Instructions]:
    """Return a function from the name of a run to what people are told about it."""
    own = Instructions() if chosen.shared else instructions_in(chosen.run_dir)

    def told(run: str | None) -> Instructions:
        said = (None if run is None else store.told(run)) or own
        return replace(said, ask=chosen.ask or said.ask, ask_done=chosen.ask_done or said.ask_done)

    return told


def _announce(chosen: argparse.Namespace, names: list[str], port: int, token: str) -> None:
    """Print where people label and how trainers reach the store, and what an open network means."""
    number = f"[{chosen.host}]" if ":" in chosen.host else chosen.host
    everywhere = chosen.host in ("0.0.0.0", "::")
    base = chosen.address[0] if chosen.address else f"http://{names[-1] if everywhere else number}:{port}"
    print(f"Label at {base}/?token={token} (Ctrl-C ends; every answer is saved)", flush=True)
    if chosen.shared:
        print(
            f"Trainers: labeler=human labeler.store={base} labeler.token_file=FILE, a copy of "
            f"{chosen.run_dir / TOKEN_NAME} on their machine; or {TOKEN_VARIABLE} in their environment.",
            flush=True,
        )
    if names:
        warn(
            f"port {port} is open to every machine that reaches this one, and nothing on it is encrypted: whoever "
            "reads the traffic reads the token, the clips and the answers, and can answer. Where you do not trust the "
            f"whole network, leave out --host and use ssh -L {port}:127.0.0.1:{port} HOST, or a reverse proxy with TLS "
            "and --address."
        )


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
    path = run_dir / TOKEN_NAME
    try:
        with open(path, "x", encoding="ascii", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(secrets.token_urlsafe(24))
    except FileExistsError:
        pass
    token = path.read_bytes().decode("ascii", "replace").strip()
    right = TOKEN.fullmatch(token) is not None  # a file in another encoding has other characters
    require(right, f"{path} holds no token (32 or more ASCII letters and digits); delete it and start again.")
    return token


if __name__ == "__main__":
    main()

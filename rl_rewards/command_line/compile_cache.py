"""Prepare JAX for a run: quiet, and with compiled programs kept between runs where there is a folder for them."""

import atexit
import logging
import os
import shutil
import tempfile
from pathlib import Path

SECONDS = "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"
"""The environment variable of JAX that says how long a program must take to compile to be kept."""


def prepare_jax() -> None:
    """Import JAX and let it keep compiled programs, in the user's folder if one is configured, else in ours.

    Programs are kept that take 0.2 s to compile, unless the environment says otherwise.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.getLogger("jax").setLevel(logging.WARNING)  # otherwise Hydra's log would list every missing backend
    import jax

    if not jax.config.values["jax_compilation_cache_dir"]:
        place, problem = cache_folder()
        if problem is not None:
            print(f"Warning: {problem}", flush=True)
        jax.config.update("jax_compilation_cache_dir", None if place is None else str(place))
    if SECONDS not in os.environ:
        jax.config.update(SECONDS.lower(), 0.2)
    _replace_home()


def cache_folder() -> tuple[Path | None, str | None]:
    """Return the folder for compiled programs, created if missing; or None and a warning where there cannot be one.

    It is never a folder that all users of the machine share, because programs found in it are executed.
    """
    hint = "set XDG_CACHE_HOME=FOLDER to choose a folder for them."
    named = os.environ.get("XDG_CACHE_HOME", "")
    try:
        base = Path(named) if os.path.isabs(named) else Path.home() / ".cache"  # the convention: ignored if relative
    except RuntimeError:
        return None, f"Compiled programs are not kept because there is no home folder; {hint}"
    place = base / "rl_rewards" / "jax"
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return None, f"Compiled programs are not kept because {place} cannot be created ({error.strerror}); {hint}"
    if not os.access(place, os.W_OK | os.X_OK):
        return None, f"Compiled programs are not kept because {place} cannot be written; {hint}"
    return place, None


def _replace_home() -> None:
    """If the home folder cannot be written, give libraries that need one a temporary folder for this process."""
    home = os.environ.get("HOME", "")
    needed = [name for name in ("MPLCONFIGDIR", "WANDB_CACHE_DIR") if name not in os.environ]
    if needed and not (os.path.isdir(home) and os.access(home, os.W_OK | os.X_OK)):
        folder = tempfile.mkdtemp(prefix="rl_rewards_")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ.update(dict.fromkeys(needed, folder))

"""JAX as a run needs it: quiet, and with compiled programs kept between runs where there is a place for them."""

import atexit
import logging
import os
import shutil
import tempfile
from pathlib import Path


def prepare_jax() -> None:
    """Import JAX and compile once per machine: keep compiled programs, unless the user chose a place for them."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.getLogger("jax").setLevel(logging.WARNING)  # Hydra's log would tell of every backend that is not there
    import jax

    if not jax.config.values["jax_compilation_cache_dir"]:
        place, problem = cache_folder()
        if problem is not None:
            print(f"Warning: {problem}", flush=True)
        jax.config.update("jax_compilation_cache_dir", None if place is None else str(place))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    _replace_home()


def cache_folder() -> tuple[Path | None, str | None]:
    """The folder that keeps compiled programs, made if it was not there; None, and a sentence, where there can be none.

    Never one that all users of the machine share: what is in it is run.
    """
    hint = "XDG_CACHE_HOME=FOLDER names a place for them."
    named = os.environ.get("XDG_CACHE_HOME", "")
    try:
        base = Path(named) if os.path.isabs(named) else Path.home() / ".cache"  # the convention: ignored if relative
    except RuntimeError:
        return None, f"Compiled programs are not kept, since there is no home folder; {hint}"
    place = base / "rl_rewards" / "jax"
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return None, f"Compiled programs are not kept, since {place} cannot be made ({error.strerror}); {hint}"
    if not os.access(place, os.W_OK | os.X_OK):
        return None, f"Compiled programs are not kept, since {place} cannot be written; {hint}"
    return place, None


def _replace_home() -> None:
    """Where there is no home folder to write to, give the libraries that complain one for the life of this process."""
    home = os.environ.get("HOME", "")
    needed = [name for name in ("MPLCONFIGDIR", "WANDB_CACHE_DIR") if name not in os.environ]
    if needed and not (os.path.isdir(home) and os.access(home, os.W_OK | os.X_OK)):
        folder = tempfile.mkdtemp(prefix="rl_rewards_")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ.update(dict.fromkeys(needed, folder))

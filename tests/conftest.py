"""The settings of every test: checks of key reuse and of types at run time, a compilation cache, few examples."""

import ast
import ctypes
import gc
import os
import shutil
import tempfile
from pathlib import Path
from unittest.mock import patch

import hypothesis
import jax
import jaxtyping
import pytest
import yaml
from jaxtyping import _import_hook

from tests.cpu_times import CpuTimes
from tests.shared_programs import forget_shared_programs, shared_jit, sharing

CHECKED = (
    "core",
    "models",
    "data.dataset",
    "data.draws",
    "data.replay",
    "data.demonstrations.records",
    "rewards",
    "algorithms",
    "games.rules",
    "games.reward",
    "games.algorithm",
    "loop.collect",
)
"""Modules of rl_rewards whose functions check their type annotations in tests."""


def _functions_only(transformer, node):
    """Visit a class without decorating it: tree_map and eval_shape rebuild struct dataclasses with non-arrays."""
    if any("Protocol" in ast.unparse(base) for base in node.bases):
        node.decorator_list.append(ast.parse("__import__('typing').runtime_checkable", mode="eval").body)
    for child in ast.walk(node):
        if isinstance(child, ast.FunctionDef) and isinstance(child.returns, ast.Name) and child.returns.id == "Self":
            child.returns = ast.Constant(node.name)  # beartype supports Self only in classes that it decorates
    transformer._parents.append(node)
    transformer.generic_visit(node)
    transformer._parents.pop()
    return node


_import_hook.JaxtypingTransformer.visit_ClassDef = _functions_only
_visit_function = _import_hook.JaxtypingTransformer.visit_FunctionDef


def _outermost_only(transformer, node):
    """Leave functions inside functions unchecked: they would be decorated again at every call of the outer one."""
    if any(isinstance(parent, ast.FunctionDef) for parent in transformer._parents):
        return node
    return _visit_function(transformer, node)


_import_hook.JaxtypingTransformer.visit_FunctionDef = _outermost_only
BEARTYPE = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"  # ints pass as floats, as in pyright
jaxtyping.install_import_hook([f"rl_rewards.{name}" for name in CHECKED], BEARTYPE)

# Tests write many small files, flush them to the disk and remove them again. A file system in memory makes that cheap;
# the disk is used if there is little room in memory, or if the variable is set already.
IN_MEMORY, BYTES_NEEDED = Path("/dev/shm"), 2 << 30
if os.access(IN_MEMORY, os.W_OK) and shutil.disk_usage(IN_MEMORY).free > BYTES_NEEDED:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))

# Tests compile much and run little. These flags halve the processor time of compiling; XLA reads them at its first use.
FAST_TO_COMPILE = (
    "--xla_cpu_use_fusion_emitters=false",
    "--xla_cpu_opt_preset=FAST_COMPILE",
    "--xla_cpu_parallel_codegen_split_count=1",
)
os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", ""), *FAST_TO_COMPILE]).strip()
JAX_SETTINGS = {
    "jax_disable_most_optimizations": True,
    "jax_compilation_cache_dir": str(Path(tempfile.gettempdir()) / f"rl_rewards_jax_cache_{os.getuid()}"),
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    "jax_traceback_in_locations_limit": 0,  # every operation would record the lines that led to it: 8% of the time
}
for name, value in JAX_SETTINGS.items():
    jax.config.update(name, value)
    os.environ[name.upper()] = str(value)  # also for the processes that tests start

jax.jit = shared_jit
# OmegaConf reads YAML with it; the parser in C, where there is one, takes a fifth off a composition.
yaml.SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
NOT_SHARED = {"test_compiled_once.py", "test_bench.py"}
"""Test files that count or measure compilations."""

hypothesis.settings.register_profile("rl_rewards", deadline=None, max_examples=25)
hypothesis.settings.load_profile("rl_rewards")

MUCH_MEMORY = 4 << 30  # bytes

# Tracing makes many small objects that live on. Looking for garbage among them less often saves 7% of the time.
gc.set_threshold(200_000, 50, 100)

FIRST = (
    "test_smoke.py",
    "loop/test_resume.py",
    "studies/test_base.py",
    "labelers/test_in_runs.py",
    "lecture/test_lecture_story.py",
    "test_storage.py",
    "loop/test_best.py",
    "loop/test_seeds.py",
    "reporting/test_glossary.py",
    "loop/test_compiled_once.py",
    "algorithms/test_sac_demonstrations.py",
    "loop/test_image_runs.py",
    "loop/test_stop.py",
    "reporting/test_end_to_end.py",
)
"""Files that take long, begun first, so that the workers end at about the same time. The others follow by name."""

KEYS_WATCHED = {"algorithms", "core", "data", "envs", "games", "loop", "models", "rewards"}
"""Folders of tests in which JAX checks that no random key is used twice.

The check is off during complete runs (``runs``, ``finished``): it does not see inside compiled rounds, makes every
jitted call go through Python, and has false positives under vmap.
"""


def pytest_addoption(parser):
    parser.addoption("--cpu-times", metavar="FILE", help="write the processor seconds of every test; see cpu_times.py")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: not item.path.as_posix().endswith(FIRST))


def pytest_configure(config):
    if (path := config.getoption("cpu_times", None)) is not None:
        config.pluginmanager.register(CpuTimes(path))


@pytest.fixture(autouse=True)
def _programs_are_shared(request):
    """Share compiled programs, except in tests that may replace a part of the code."""
    with sharing("monkeypatch" not in request.fixturenames and request.path.name not in NOT_SHARED):
        yield


@pytest.fixture(autouse=True, scope="module")
def _memory_is_given_back():
    """Forget compiled programs after a file of tests if this process holds much memory: JAX never does by itself.

    The C library keeps freed memory unless it is told to return it. Without that, a process that was once large would
    forget its programs after every further file.
    """
    yield
    if _resident_bytes() > MUCH_MEMORY:
        forget_shared_programs()
        jax.clear_caches()
        gc.collect()
        if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:  # glibc
            trim(0)


def _resident_bytes() -> int:
    """Return the memory of this process, or 0 where the system does not tell."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.is_file() else 0


@pytest.fixture
def outer_patch():
    """Return a ``monkeypatch`` for what compiled programs do not contain, so that the test shares them with others."""
    with pytest.MonkeyPatch.context() as context:
        yield context


@pytest.fixture(autouse=True)
def _programs_are_optimised(request):
    """Compile the programs of a test with the mark ``optimised`` as a user's are, also in processes that it starts."""
    name = "jax_disable_most_optimizations"
    if request.node.get_closest_marker("optimised") is None:
        yield
        return
    with patch.dict(os.environ, {name.upper(): "False"}):
        jax.config.update(name, False)
        yield
        jax.config.update(name, True)


@pytest.fixture(autouse=True)
def _keys_are_watched(request):
    with jax.debug_key_reuse(not KEYS_WATCHED.isdisjoint(request.path.relative_to(request.config.rootpath).parts)):
        yield


@pytest.fixture(scope="session")
def kept_run(tmp_path_factory) -> Path:
    """Return the folder of a finished run of five rounds, with checkpoints of rounds 2, 4 and 5. Change only a copy."""
    from tests.finished import finished_run

    folder = tmp_path_factory.mktemp("kept") / "run"
    return finished_run(folder, "env=point", "checkpoint.every=2")

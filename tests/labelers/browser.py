"""A headless Chromium, controlled through its DevTools: it presses keys, reads the page and takes screenshots."""

import base64
import contextlib
import itertools
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SERIOUS = "(found) => found.violations.filter((one) => ['serious', 'critical'].includes(one.impact))"
BROKEN = "found.map((one) => `${one.id}: ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(' | ')}`)"
VIOLATIONS = f"axe.run({{resultTypes: ['violations']}}).then({SERIOUS}).then((found) => {BROKEN})"
BEYOND = (
    "[...document.querySelectorAll('main *')].filter((one) => one.scrollWidth > one.clientWidth + 1 && "
    "getComputedStyle(one).overflowX !== 'visible').map((one) => one.outerHTML.slice(0, 200))"
)
CODES = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Enter": 13, "Tab": 9}


def found() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


def require(*packages: str) -> None:
    """Skip a file of tests without a browser or one of ``packages``; fail it if RL_REWARDS_BROWSER=required."""
    required = os.environ.get("RL_REWARDS_BROWSER") == "required"  # set in .ci/run, where nothing may be skipped
    if required and found() is None:
        pytest.fail("RL_REWARDS_BROWSER=required, and there is no Chromium on PATH", pytrace=False)
    for package in () if required else packages:
        pytest.importorskip(package, reason=f"{package} is not installed")
    if found() is None:
        pytest.skip("no Chromium on PATH", allow_module_level=True)


class Page:
    """One tab of the browser."""

    def __init__(self, socket: Any) -> None:
        self._socket, self._ids = socket, itertools.count(1)
        self.problems: list[str] = []  # errors and warnings in the page's console

    def command(self, method: str, **params: Any) -> dict:
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            said = json.loads(self._socket.recv(timeout=60))
            if said.get("id") == number:
                assert "error" not in said, said
                return said["result"]
            if said.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
                self.problems.append(json.dumps(said["params"]))

    def open(self, address: str) -> None:
        self.command("Page.navigate", url=address)

    def read(self, expression: str) -> Any:
        said = self.command("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in said, said
        return said["result"].get("value")

    def wait(self, expression: str, seconds: float = 30.0) -> Any:
        """Wait until ``expression`` is true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(AssertionError):  # the page is being replaced
                value = self.read(expression)
                if value:
                    return value
            time.sleep(0.05)
        raise AssertionError(f"{expression} never came true; the page says: {self.read('document.body.innerText')}")

    def press(self, key: str) -> None:
        text = {"text": "\r"} if key == "Enter" else {"text": key} if len(key) == 1 else {}
        code = CODES.get(key, ord(key.upper()) if len(key) == 1 else 0)
        self.command("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **text)
        self.command("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def size(self, width: int, height: int) -> None:
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def colours(self, mode: str) -> None:
        """Prefer the light or the dark mode."""
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": mode}])

    def assert_fits(self, width: int, height: int) -> None:
        """Assert that the page, and everything in it, needs no scrolling sideways at this size."""
        self.size(width, height)
        assert self.read("document.documentElement.scrollWidth") <= width, width
        assert self.read(BEYOND) == [], f"{width}: these must be scrolled sideways"

    def violations(self) -> list[str]:
        """Return the serious violations that axe-core finds on the page: the rule, and some elements that break it."""
        self.read(f"{(files('axe_core_python') / 'axe.min.js').read_text(encoding='utf-8')}; 0")
        return self.read(VIOLATIONS)

    def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.command("Page.captureScreenshot", format="png")["data"]))


@contextlib.contextmanager
def browsing(folder: Path) -> Iterator[Page]:
    """Start a browser with its own profile in ``folder``."""
    from websockets.sync.client import connect

    program = found()
    assert program is not None
    options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")
    with (folder / "browser.log").open("wb") as log:
        process = subprocess.Popen(
            [program, *options, "--remote-debugging-port=0", f"--user-data-dir={folder / 'profile'}", "about:blank"],
            stderr=log,
            stdout=log,
        )
    try:
        base = _address(folder / "browser.log", process)
        with connect(base, max_size=None, open_timeout=60) as main:
            targets = Page(main).command("Target.getTargets")["targetInfos"]
        target = next(target["targetId"] for target in targets if target["type"] == "page")
        with connect(base.split("/devtools/")[0] + f"/devtools/page/{target}", max_size=None, open_timeout=60) as own:
            page = Page(own)
            for domain in ("Page", "Runtime", "Log"):
                page.command(f"{domain}.enable")
            yield page
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(log: Path, process: subprocess.Popen) -> str:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        told = re.search(r"DevTools listening on (ws://\S+)", log.read_text(errors="replace"))
        if told:
            return told[1]
        time.sleep(0.1)
    raise AssertionError(f"the browser did not start: {log.read_text(errors='replace')[-2000:]}")

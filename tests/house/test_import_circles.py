"""No two files of the product import each other, directly or over others."""

import ast
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"


def modules_in(folder):
    """Return the file of each module below `folder`, by its dotted name; a package is named as its folder is."""
    files = {}
    for path in folder.rglob("*.py"):
        parts = path.relative_to(folder).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return files


def statements(body):
    """Yield the statements that run when the module is imported, or that a type checker reads (TYPE_CHECKING)."""
    for node in body:
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for field in ("body", "orelse", "finalbody"):
                yield from statements(getattr(node, field, []))
            for handler in getattr(node, "handlers", []):
                yield from statements(handler.body)


def imported(name, path, *, names):
    """Return the modules among `names` that the file imports; `from package import module` is the module."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    targets = set()
    for node in statements(ast.parse(path.read_text()).body):
        if isinstance(node, ast.Import):
            targets |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parent = package.rsplit(".", node.level - 1)[0] if node.level else ""
            source = ".".join(part for part in (parent, node.module) if part)
            submodules = {f"{source}.{alias.name}" for alias in node.names} & names
            targets |= submodules
            if len(submodules) < len(node.names):
                targets.add(source)
    return (targets & names) - {name}


def graph_of(folder):
    files = modules_in(folder)
    names = set(files)
    return {name: imported(name, path, names=names) for name, path in files.items()}


def circles(graph):
    """Return the strongly connected components of more than one module, sorted (Tarjan's algorithm)."""
    index, low, stack, components = {}, {}, [], []

    def visit(name):
        index[name] = low[name] = len(index)
        stack.append(name)
        for target in graph[name]:
            if target not in index:
                visit(target)
            if target in stack:
                low[name] = min(low[name], low[target])
        if low[name] == index[name]:
            position = stack.index(name)
            components.append(sorted(stack[position:]))
            del stack[position:]

    for name in graph:
        if name not in index:
            visit(name)
    return sorted(component for component in components if len(component) > 1)


def write(folder, **files):
    for name, text in files.items():
        path = folder / "shop" / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return graph_of(folder)


def test_no_two_files_import_each_other():
    assert circles(graph_of(SOURCE)) == []


def test_a_circle_over_a_type_checking_import_is_seen(tmp_path):
    graph = write(
        tmp_path,
        __init__="",
        order="from shop.item import Item\n",
        item="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from shop import basket\n",
        basket="import shop.order\n",
        price="import shop.order\n",
    )
    assert circles(graph) == [["shop.basket", "shop.item", "shop.order"]]


def test_an_import_inside_a_function_is_no_circle(tmp_path):
    graph = write(tmp_path, __init__="", order="import shop.item\n", item="def f():\n    import shop.order\n")
    assert circles(graph) == []


def test_a_package_may_export_a_module_that_imports_nothing_from_it(tmp_path):
    graph = write(tmp_path, __init__="from shop.order import Order\n", order="class Order: ...\n")
    assert circles(graph) == []
    graph = write(tmp_path, order="from shop import total\n")
    assert circles(graph) == [["shop", "shop.order"]]

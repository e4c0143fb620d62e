"""The rules of design that no linter knows, read from syntax trees: who may import whom, who may touch what."""

import ast
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from dataflow.access.doors import DOORS

TOP = frozenset(
    {"flows", "checks", "dataflow", "lakehouse", "deployments", "tests"}
    | {"README.md", "pyproject.toml", "prefect.yaml", "Makefile", "LICENSE", "CHANGELOG.md"}
)
PRODUCT = ("lakehouse", "checks", "dataflow", "flows", "deployments")
ORCHESTRATOR = re.compile(r"prefect(_\w+)?(\.|$)")
OPENS_DUCKDB = "lakehouse/connect.py"
# the extra `spark`: half a gigabyte that hardly anybody has
USES_SPARK = "dataflow/resolve/pairs/spark.py"
OF_SPARK = ("pyspark", "py4j", "rapidfuzz", "splink.backends.spark", "splink.internals.spark")
# Sinks follow a publication by its snapshot; every other reader takes the door or the pipeline's reader.
OPENS_READERS = ("lakehouse/", "dataflow/access/", "dataflow/sinks/")
# What opens the lake for a person, or the pipeline's reader in a package that speaks to persons.
OPENS_DOORS = frozenset(
    {f"dataflow.access.door{name}" for name in ("", ".open_for", ".open_to_decide")}
    | {"dataflow.cli.options.open_door"}
)
FOR_PERSONS = ("dataflow.cli", "dataflow.ui", "dataflow.mcp", "dataflow.serve")
PIPELINES_READER = "dataflow.access.pipeline"
# The places that shape what all doors of the command line and of the workbench share; the counts of `dataflow demo`.
SHARES_DOORS = ("dataflow/cli/options.py", "dataflow/ui/visit.py")
COUNTS_A_DEMO = "dataflow/cli/sampling.py"
READS_ENVIRONMENT = "dataflow/settings/"
ENVIRONMENT = frozenset({"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"})
# A function of the duckdb module that connections have as a method works on a hidden global connection.
METHODS = set(dir(duckdb.DuckDBPyConnection)) - set(dir(object))
HIDDEN_CONNECTION = frozenset({name for name in METHODS if hasattr(duckdb, name)} | {"default_connection"})
DOTTED = re.compile(r"(?:dataflow|lakehouse|checks|flows|tests|prefect\w*)(?:\.\w+)*\Z")


@dataclass(frozen=True)
class Module:
    """One parsed source file."""

    path: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """The dotted name it is imported by."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def at(self, node: ast.AST, message: str) -> str:
        """Word a violation."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}: {message}"


def read_tree(root: Path) -> dict[str, str]:
    """Read the product's Python sources under `root`, by path relative to it."""
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for package in PRODUCT
        for path in sorted((root / package).rglob("*.py"))
    }


def violations(sources: Mapping[str, str]) -> list[str]:
    """List each breach of the rules in `sources` (path to text), complete and in order of path."""
    modules = [Module(path, ast.parse(text, path)) for path, text in sorted(sources.items())]
    each: tuple[Callable[[Module], Iterator[str]], ...] = (
        _upward_by_name,
        _orchestrator_below_flows,
        _spark_for_all,
        _environment_outside_settings,
        _prints_outside_cli,
        _opens_duckdb_elsewhere,
        _opens_readers_elsewhere,
        _is_no_declared_door,
    )
    found = [violation for module in modules for rule in each for violation in rule(module)]
    return found + _opens_duckdb_twice(modules)


def stray_top_level(names: list[str]) -> list[str]:
    """List the names at the root that design.md does not know; dotfiles are free."""
    return sorted(name for name in names if name not in TOP and not name.startswith("."))


def imports(module: Module) -> Iterator[tuple[ast.AST, str]]:
    """Yield each dotted name the module imports, lazily by name too, wherever the statement stands."""
    by_name = any(
        isinstance(n, ast.Name | ast.Attribute) and _last(n) == "import_module" for n in ast.walk(module.tree)
    )
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = _absolute(module, node)
            yield from ((node, f"{origin}.{alias.name}") for alias in node.names)
        elif by_name and isinstance(node, ast.Constant) and isinstance(node.value, str) and DOTTED.match(node.value):
            yield node, node.value


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = module.name.split(".") if module.path.endswith("__init__.py") else module.name.split(".")[:-1]
    kept = package[: len(package) - node.level + 1]
    return ".".join([*kept, *([node.module] if node.module else [])])


def _last(node: ast.Name | ast.Attribute) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id


def _within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def layers_of(pyproject: str) -> list[list[str]]:
    """The layers that pyproject.toml's contract draws, highest first."""
    contracts = tomllib.loads(pyproject)["tool"]["importlinter"]["contracts"]
    return [line.split(" | ") for line in contracts[0]["layers"]]


LAYERS = layers_of((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))


def _height(name: str) -> int:
    """How far down the contract a module stands; what it does not name stands on top."""
    return next((n for n, line in enumerate(LAYERS) if any(_within(name, layer) for layer in line)), 0)


def _upward_by_name(module: Module) -> Iterator[str]:
    """Find what import-linter cannot see: an import by name that points up, and one of what is not shipped."""
    statements = {id(node) for node in ast.walk(module.tree) if isinstance(node, ast.Import | ast.ImportFrom)}
    for node, target in imports(module):
        if _within(target, "tests") or _within(target, "deployments"):
            yield module.at(node, f"imports {target}, which is not part of the product")
        elif id(node) not in statements and _within_any(target) and _height(target) < _height(module.name):
            yield module.at(node, f"imports {target} by name, which is above it")


def _within_any(name: str) -> bool:
    return any(_within(name, layer) for line in LAYERS for layer in line)


def _orchestrator_below_flows(module: Module) -> Iterator[str]:
    if module.path.startswith(("flows/", "deployments/")):
        return
    for node, target in imports(module):
        if ORCHESTRATOR.match(target):
            yield module.at(node, f"imports {target}; Prefect stays in flows/ and deployments/")


def _spark_for_all(module: Module) -> Iterator[str]:
    lazy = {id(node) for outer in ast.walk(module.tree) if _is_lazy(outer) for node in ast.walk(outer)}
    for node, target in imports(module):
        if any(_within(target, package) for package in OF_SPARK):
            if module.path != USES_SPARK:
                yield module.at(node, f"imports {target}; Spark stays in {USES_SPARK}")
            elif id(node) not in lazy:
                yield module.at(node, f"imports {target} for everybody; import it where it is used")


def _is_lazy(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")


def _environment_outside_settings(module: Module) -> Iterator[str]:
    if module.path.startswith((READS_ENVIRONMENT, "deployments/")):
        return
    for node, name in _uses_of(module, "os"):
        if name in ENVIRONMENT:
            yield module.at(node, f"uses os.{name}; the environment is read in {READS_ENVIRONMENT}")


def _prints_outside_cli(module: Module) -> Iterator[str]:
    if _within(module.name, "dataflow.cli"):
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name) and node.id == "print":
            yield module.at(node, "prints; only the command line speaks to a terminal")


def _opens_duckdb(module: Module) -> list[ast.AST]:
    return [node for node, name in _uses_of(module, "duckdb") if name == "connect"]


def _opens_duckdb_elsewhere(module: Module) -> Iterator[str]:
    for node, name in _uses_of(module, "duckdb"):
        if name in HIDDEN_CONNECTION:
            yield module.at(node, f"uses duckdb.{name}, a hidden global connection; take a connection as an argument")
        elif name == "connect" and module.path != OPENS_DUCKDB:
            yield module.at(node, f"uses duckdb.connect; connections are opened in {OPENS_DUCKDB}")


def _opens_readers_elsewhere(module: Module) -> Iterator[str]:
    if module.path.startswith(OPENS_READERS):
        return
    for node, target in imports(module):
        if target in ("lakehouse.open_reader", "lakehouse.reader.open_reader", "lakehouse.reader"):
            yield module.at(node, f"imports {target}; the lake is read through dataflow.access")


def _is_no_declared_door(module: Module) -> Iterator[str]:
    """Find a module that reads published rows for a person and is not in the registry of doors."""
    if module.path.startswith("dataflow/access/") or module.path in SHARES_DOORS:
        return
    for_persons = any(_within(module.name, package) for package in FOR_PERSONS)
    declared = module.name in {kind.module for kind in DOORS.values()}
    for node, target in _at_run_time(module):
        if target in OPENS_DOORS and not declared:
            yield module.at(node, f"imports {target}, and is not in the registry of doors (dataflow/access/doors.py)")
        elif for_persons and _within(target, PIPELINES_READER) and module.path != COUNTS_A_DEMO:
            yield module.at(node, f"imports {target}; persons read through a door (dataflow/access/doors.py)")


def _at_run_time(module: Module) -> Iterator[tuple[ast.AST, str]]:
    """Yield the imports that are not for type annotations only."""
    guarded = [
        inner
        for outer in ast.walk(module.tree)
        if isinstance(outer, ast.If) and ast.unparse(outer.test) == "TYPE_CHECKING"
        for inner in ast.walk(outer)
    ]
    ignored = {id(node) for node in guarded}
    return ((node, target) for node, target in imports(module) if id(node) not in ignored)


def _opens_duckdb_twice(modules: list[Module]) -> list[str]:
    opened = [(module, node) for module in modules for node in _opens_duckdb(module) if module.path == OPENS_DUCKDB]
    return [module.at(node, "uses duckdb.connect a second time; there is one way in") for module, node in opened[1:]]


def _uses_of(module: Module, package: str) -> Iterator[tuple[ast.AST, str]]:
    """Yield each name taken from `package`: as attribute under any alias or path, by from-import, by getattr."""
    aliases = {package}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            aliases |= {alias.asname for alias in node.names if alias.name == package and alias.asname}
        elif isinstance(node, ast.ImportFrom):
            aliases |= {alias.asname or alias.name for alias in node.names if alias.name == package}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
            # `ibis.duckdb.connect` opens DuckDB as well: the last part counts.
            if _last(node.value) in aliases:
                yield node, node.attr
        elif isinstance(node, ast.ImportFrom) and node.module == package and not node.level:
            yield from ((node, alias.name) for alias in node.names)
        elif _is_getattr(node, aliases):
            yield from (
                (node, c.value) for c in ast.walk(node) if isinstance(c, ast.Constant) and isinstance(c.value, str)
            )


def _is_getattr(node: ast.AST, aliases: set[str]) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "getattr"
        and bool(node.args)
        and isinstance(node.args[0], ast.Name)
        and node.args[0].id in aliases
    )

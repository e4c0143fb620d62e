"""Parts of libraries that they do not document and we use: where each is, and which one module of ours uses it."""

import ast
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Any

# Public, whatever they look like: of a named tuple, and Ibis's own column of the table at hand.
_PUBLIC = frozenset({"_asdict", "_replace", "_fields", "_"})
OURS = ("dataflow", "lakehouse", "checks", "flows", "deployments", "tests")


@dataclass(frozen=True)
class Part:
    """One part: `place` is `module:path.of.attributes`, `()` makes an object; `takes` names arguments it must have."""

    library: str
    place: str
    used_in: str
    takes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.place.rpartition(".")[2].partition(":")[2] or self.place.rpartition(".")[2]


PARTS = (
    *(
        Part("splink", place, "dataflow/resolve/model/splink_weights.py", takes)
        for place, takes in (
            ("splink:SettingsCreator.get_settings", ("sql_dialect_str",)),
            ("splink.internals.settings:CoreModelSettings.__dataclass_fields__", ()),
            (
                "splink.internals.comparison:Comparison._columns_to_select_for_comparison_vector_values",
                ("retain_matching_columns",),
            ),
            (
                "splink.internals.comparison:Comparison._columns_to_select_for_match_weight_parts",
                ("retain_matching_columns", "retain_intermediate_calculation_columns"),
            ),
            ("splink.internals.comparison:Comparison._gamma_column_name", ()),
            ("splink.internals.comparison_level:ComparisonLevel._validate_sql", ()),
        )
    ),
    Part("nicknames", "nicknames:NickNamer()._nickname_lookup", "dataflow/resolve/records/nickname_dictionary.py"),
    *(
        Part("PyMySQL", place, "dataflow/sources/mysql/pymysql_socket.py", takes)
        for place, takes in (
            ("pymysql.connections:Connection._sock", ()),
            ("pymysql.connections:Connection._rfile", ()),
            ("pymysql.connections:Connection._force_close", ()),
            ("pymysql.connections:Connection._execute_command", ("command", "sql")),
            ("pymysql.connections:MySQLResult", ("connection",)),
            ("pymysql.connections:MySQLResult.init_unbuffered_query", ()),
        )
    ),
    Part("PyMySQL", "pymysql:err.raise_mysql_exception", "dataflow/sources/mysql/wire.py", ("data",)),
    Part("requests", "requests:Response()._content", "dataflow/sources/salesforce/requests_body.py"),
    Part("requests", "requests:Response()._content_consumed", "dataflow/sources/salesforce/requests_body.py"),
    Part("google-cloud-bigquery", "google.cloud.bigquery:Client._http", "dataflow/sinks/bigquery/client.py"),
    Part("botocore", "botocore.httpsession:URLLib3Session._get_ssl_context", "dataflow/connect/botocore_tls.py"),
    Part(
        "botocore",
        "botocore.httpsession:URLLib3Session",
        "dataflow/connect/botocore_tls.py",
        ("verify", "proxies", "timeout", "max_pool_connections"),
    ),
    *(
        Part("soda-core", place, "checks/soda.py", takes)
        for place, takes in (
            ("soda_core.common.env_config_helper:EnvConfigHelper._initialize", ()),
            ("soda_core.common.env_config_helper:EnvConfigHelper.soda_core_telemetry_enabled", ()),
            ("soda_core.common.yaml:ContractYamlSource.from_str", ()),
            ("soda_core.common.yaml:ContractYamlSource.parse", ()),
            ("soda_core.common.yaml:YamlObject", ("yaml_source", "yaml_dict")),
            ("soda_core.common.yaml:CommentedMap().lc", ()),
            ("soda_core.common.yaml:CommentedSeq().lc", ()),
            (
                "soda_core.contracts.contract_verification:ContractVerificationSession.execute",
                ("contract_yaml_sources", "data_source_impls"),
            ),
        )
    ),
    Part(
        "soda-duckdb",
        "soda_duckdb.common.data_sources.duckdb_data_source:DuckDBDataSourceImpl.from_existing_cursor",
        "checks/soda.py",
        ("cursor", "name"),
    ),
    Part("prefect", "prefect.server.database:provide_database_interface", "tests/lib/prefect_database.py"),
    Part("prefect", "prefect.server.database.interface:PrefectDBInterface.create_db", "tests/lib/prefect_database.py"),
    Part("prefect", "prefect.server.database.interface:PrefectDBInterface.engine", "tests/lib/prefect_database.py"),
    Part("mmdb-writer", "mmdb_writer:MMDBWriter._build_meta", "dataflow/sample/mmdb_dated.py"),
    Part(
        "ibis-framework",
        "ibis.backends.sql.datatypes:DuckDBType.from_string",
        "dataflow/workspace/ibis_types.py",
        ("text",),
    ),
)


def moved(part: Part) -> str:
    """Say what an upgrade did to a part; empty where it is as it was."""
    module, _, path = part.place.partition(":")
    where = f"{part.library} {version(part.library)}"
    try:
        found: Any = import_module(module)
        for step in path.split("."):
            # A property of the class itself, and not what it answers.
            found = _step(found, step)
    except (ImportError, AttributeError):
        return f"{where} has no {part.place} any more: {part.used_in} relies on it."
    missing = [name for name in part.takes if name not in inspect.signature(found).parameters]
    if missing:
        return f"{where}: {part.place} takes no {', '.join(missing)} any more: {part.used_in} relies on it."
    return ""


def _step(found: Any, step: str) -> Any:
    if step.endswith("()"):
        return getattr(found, step[:-2])()
    return getattr(found, step)


def undeclared(sources: Mapping[str, str], parts: tuple[Part, ...] = PARTS) -> list[str]:
    """List each use of a private part in `sources` (path to text) that `parts` do not name for that module."""
    allowed = {(part.used_in, part.name.removesuffix("()")) for part in parts}
    modules = {(part.used_in, part.place.partition(":")[0]) for part in parts}
    return [
        f"{path}:{line}: {use}; declare it in tests/lib/private_parts.py, in the one module named for its library"
        for path, text in sorted(sources.items())
        for line, use, key in _uses(path, text)
        if key not in allowed and key not in modules
    ]


def _uses(path: str, text: str) -> Iterator[tuple[int, str, tuple[str, str]]]:
    tree = ast.parse(text, path)
    overridden = {method.name: (line, kind) for line, kind, method in _overridden(tree)}
    yield from ((line, f"overrides {kind}.{name}", (path, name)) for name, (line, kind) in overridden.items())
    own = _own_names(tree) - set(overridden) | _PUBLIC
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _is_private(node.attr) and node.attr not in own:
            yield node.lineno, f"uses {ast.unparse(node)}", (path, node.attr)
        elif isinstance(node, ast.ImportFrom) and not node.level and _is_foreign(node.module or ""):
            module = node.module or ""
            if any(_is_private(piece) or piece == "internals" for piece in module.split(".")):
                yield node.lineno, f"imports {module}", (path, module)
            yield from (
                (node.lineno, f"imports {module}.{alias.name}", (path, alias.name))
                for alias in node.names
                if _is_private(alias.name)
            )


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _is_foreign(module: str) -> bool:
    return module.split(".")[0] not in OURS


def _own_names(tree: ast.Module) -> set[str]:
    """Private names that the module defines itself: functions, attributes of self and cls."""
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    attributes = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
    }
    return functions | attributes


def _overridden(tree: ast.Module) -> Iterator[tuple[int, str, ast.FunctionDef]]:
    """Private methods of classes that a base of a library has as well."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef):
            continue
        bases = [_resolve(ast.unparse(base), tree) for base in node.bases]
        methods = [each for each in node.body if isinstance(each, ast.FunctionDef) and _is_private(each.name)]
        yield from (
            (each.lineno, node.name, each) for each in methods if any(hasattr(base, each.name) for base in bases)
        )


def _resolve(name: str, tree: ast.Module) -> Any:
    """The class of a library that a name in a module means; None for one of ours."""
    first, *rest = name.split(".")
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and _is_foreign(first) and first in [alias.name for alias in node.names]:
            return _walk(import_module(first), rest)
        if isinstance(node, ast.ImportFrom) and _is_foreign(node.module or "") and not node.level:
            for alias in node.names:
                if (alias.asname or alias.name) == first:
                    return _walk(import_module(node.module or ""), [alias.name, *rest])
    return None


def _walk(found: Any, steps: list[str]) -> Any:
    for step in steps:
        found = getattr(found, step, None)
    return found

"""Layers hold, packages re-export nothing, and files stay readable."""

import ast
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from astrid_assets.resources.environment import VARIABLES
from astrid_assets.resources.home import project_root

PACKAGE = project_root() / "astrid_assets"
LONGEST_FILE = 350  # lines; one idea fits
LONGEST_FUNCTION = 80  # lines without the docstring; longer ones are named phases
LONG_FUNCTION_WITH_REASON = {
    # Its signature is the documented query of the REST API, one parameter a line.
    "list_detections",
}
LONG_WITH_REASON = {
    # A table: every reason code with its sentence and remedy.
    "science/reasons.py",
    # A kernel's machine code is kept per file, so a file holds all that its kernels call.
    "science/registration/resampling_kernels.py",
    "science/stars/stamp_kernels.py",
}
GENERATED = "migrations/versions"
TOUCHES_THE_ENVIRONMENT = {
    "cli/backfill.py": "child processes read ASTRID_WORKERS",
    "cli/children.py": "children inherit everything",
    "cli/workplace.py": "Dagster reads DAGSTER_HOME, MLflow how much it says",
    "compute.py": "libraries read their number of threads, Ray its cluster",
    "learning/search/cluster.py": "Ray reads what it reports",
    "resources/dagster_instance.py": "boto3 reads region and checksums",
    "resources/environment.py": "numba reads where compiled code is kept",
    "tracking/client.py": "MLflow reads whether it reports",
}
"""Files that use `os.environ`, and why; ours are read by `resources.environment`."""
WRITING = {"os.environ[...] = ...", "os.environ.setdefault", "os.environ.update"}
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
SHARED_NAMES = {
    # Alembic calls these two of every revision.
    "upgrade",
    "downgrade",
    # What `python -m` runs, and what the `astrid` command runs.
    "main",
}
"""Public names that may stand in several modules."""


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@pytest.mark.slow
def test_the_layers_import_only_downwards() -> None:
    result = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=project_root(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"Contracts: \d+ kept, 0 broken", result.stdout)


def test_package_files_hold_a_docstring_and_nothing_else() -> None:
    packages = [path for path in modules() if path.name == "__init__.py"]
    assert len(packages) > 10
    for path in packages:
        body = ast.parse(path.read_text()).body
        assert len(body) == 1, path
        assert isinstance(body[0], ast.Expr), path
        assert isinstance(body[0].value, ast.Constant), path


@pytest.mark.slow
def test_every_module_says_what_it_is_for() -> None:
    silent = [p for p in modules() if not ast.get_docstring(ast.parse(p.read_text()))]
    assert silent == []


def lines_to_read(path: Path) -> int:
    """Count lines; in `science`, docstrings of functions state every array and do not count."""
    source = path.read_text()
    lines = len(source.splitlines())
    if path.relative_to(PACKAGE).parts[0] != "science":
        return lines
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node):
            first = node.body[0]
            lines -= (first.end_lineno or first.lineno) - first.lineno
    return lines


def test_migrations_follow_each_other_in_one_line() -> None:
    """Two that follow the same one, each made in its own branch, would upgrade nothing."""
    folder = PACKAGE / "storage/database/migrations/versions"
    names = sorted(path.name for path in folder.glob("0*.py"))
    before = None
    for name in names:
        values = {
            node.targets[0].id: ast.literal_eval(node.value)
            for node in ast.parse((folder / name).read_text()).body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
            if node.targets[0].id in {"revision", "down_revision"}
        }
        assert values == {"revision": name[:4], "down_revision": before}, name
        before = name[:4]


def test_a_module_that_a_text_names_exists() -> None:
    known = {".".join(p.relative_to(PACKAGE).with_suffix("").parts): p for p in modules()}
    rooms = "science|steps|storage|surveys|learning|web|tracking"
    stale = []
    for path in modules():
        for name in re.findall(rf"`((?:{rooms})\.[a-z_.]+\w+)`", path.read_text()):
            owner, _, last = name.rpartition(".")
            is_there = name in known or (PACKAGE / name.replace(".", "/")).is_dir()
            if not is_there and not (owner in known and last in known[owner].read_text()):
                stale.append(f"{path.relative_to(PACKAGE)}: {name}")
    assert stale == []


@pytest.mark.slow
def test_files_stay_short_enough_to_read() -> None:
    long = {
        str(path.relative_to(PACKAGE)): lines
        for path in modules()
        if GENERATED not in path.as_posix()
        and path.relative_to(PACKAGE).as_posix() not in LONG_WITH_REASON
        and (lines := lines_to_read(path)) > LONGEST_FILE
    }
    assert long == {}


@pytest.mark.slow
def test_no_function_is_too_long_to_read_without_a_reason() -> None:
    long = {}
    for path in modules():
        if GENERATED in path.as_posix():
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            first = node.body[0]
            has_text = ast.get_docstring(node) is not None
            text = (first.end_lineno or 0) - first.lineno + 1 if has_text else 0
            lines = (node.end_lineno or 0) - node.lineno + 1 - text
            if lines > LONGEST_FUNCTION and node.name not in LONG_FUNCTION_WITH_REASON:
                long[f"{path.relative_to(PACKAGE)}: {node.name}"] = lines
    assert long == {}


@pytest.mark.parametrize(("folder", "most"), [("science", 22), ("steps", 16)])
def test_a_folder_holds_few_enough_entries_to_survey(folder: str, most: int) -> None:
    entries = [p.name for p in (PACKAGE / folder).iterdir() if not p.name.startswith("__")]
    assert len(entries) <= most, sorted(entries)


def test_the_folders_of_the_tests_mirror_the_package() -> None:
    tests = PACKAGE.with_name("astrid_assets_tests")
    folders = {p.parent.relative_to(tests) for p in tests.rglob("test_*.py")}
    strays = [
        str(f)
        for f in folders
        if not (PACKAGE / f).is_dir()
        and not (PACKAGE / f).with_suffix(".py").is_file()
        and not (project_root() / f).is_dir()  # docs stand beside the package
    ]
    assert len(folders) > 10
    assert strays == []


@pytest.mark.slow
def test_no_file_imports_itself_through_others() -> None:
    paths = {
        ".".join(p.relative_to(PACKAGE.parent).with_suffix("").parts): p
        for p in modules()
        if p.name != "__init__.py"
    }
    waiting = {name: _imports_of(path, set(paths)) for name, path in paths.items()}
    assert len(paths) > 100
    while free := {name for name, needs in waiting.items() if not needs & waiting.keys()}:
        waiting = {name: needs for name, needs in waiting.items() if name not in free}
    assert not waiting, "in a circle, or importing one: " + ", ".join(sorted(waiting))


def test_compiled_code_in_the_cache_cannot_be_stale() -> None:
    calling = {
        f"{path.stem} -> {node.module.rsplit('.', 1)[-1]}"
        for path in PACKAGE.rglob("*_kernels.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        and node.module is not None
        and node.module.endswith("_kernels")
    }
    # The one that `compiled` tells of.
    assert calling <= {"resampling_kernels -> pixel_mapping_kernels"}


@pytest.mark.slow
def test_a_public_name_stands_for_one_thing() -> None:
    owners = defaultdict(list)
    for path in modules():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, DEFINITIONS) and not node.name.startswith("_"):
                owners[node.name].append(path.relative_to(PACKAGE).as_posix())
    shared = {name: found for name, found in owners.items() if len(set(found)) > 1}
    assert len(owners) > 1000
    assert {name: shared[name] for name in shared.keys() - SHARED_NAMES} == {}
    assert shared.keys() >= SHARED_NAMES, "an exception that nothing needs any more"


@pytest.mark.slow
def test_nothing_catches_everything() -> None:
    wide = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler) and _is_wide(node) and not _raises_again(node)
    ]
    assert wide == []


@pytest.mark.slow
def test_variables_are_read_where_they_are_declared() -> None:
    touching = {
        path.relative_to(PACKAGE).as_posix(): uses
        for path in modules()
        if (uses := _uses_of_the_environment(ast.parse(path.read_text())))
    }
    assert touching.keys() == TOUCHES_THE_ENVIRONMENT.keys()
    reads = {name: sorted(set(uses) - WRITING) for name, uses in touching.items()}
    assert {name: uses for name, uses in reads.items() if uses} == {
        "cli/children.py": ["os.environ"],
        "compute.py": ["os.environ.get('RAY_ADDRESS')"],
    }


@pytest.mark.parametrize(
    "line",
    [
        "os.environ['ASTRID_HOME']",
        "x = os.environ.get('ASTRID_HOME', '')",
        "os.getenv('ASTRID_HOME')",
        "from os import environ",
        "from os import getenv as read",
        "'ASTRID_HOME' in os.environ",
    ],
)
def test_a_new_reader_of_the_environment_is_found(line: str) -> None:
    assert set(_uses_of_the_environment(ast.parse(line))) - WRITING


def test_every_variable_that_a_text_names_is_declared() -> None:
    root = project_root()
    texts = [*modules(), root / "README.md", root / "dagster.yaml"]
    texts += [path for path in (root / "docker").iterdir() if path.is_file()]
    named = {
        (name, path.relative_to(root).as_posix())
        for path in texts
        for name in re.findall(r"\bASTRID_[A-Z0-9_]+", path.read_text())
    }
    assert len({name for name, _ in named}) > 10
    assert [pair for pair in sorted(named) if pair[0] not in VARIABLES] == []


@pytest.mark.parametrize("name", ["dagster.yaml", "workspace.yaml", "pyproject.toml"])
def test_the_prescribed_files_are_there(name: str) -> None:
    assert (project_root() / name).is_file()


def _uses_of_the_environment(tree: ast.AST) -> list[str]:
    """Return each use of the environment, what writes as a member of `WRITING`."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    uses = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            uses += [a.name for a in node.names if a.name in ("environ", "getenv")]
        if not isinstance(node, ast.Attribute) or node.attr not in ("environ", "getenv"):
            continue
        parent = parents[node]
        if isinstance(parent, ast.Subscript) and isinstance(parent.ctx, ast.Store):
            uses.append("os.environ[...] = ...")
        elif ast.unparse(parent) in WRITING:
            uses.append(ast.unparse(parent))
        elif isinstance(parent, ast.Attribute):
            uses.append(ast.unparse(parents[parent]))
        else:
            uses.append(ast.unparse(node))
    return uses


def _is_wide(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    names = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)}
    return bool(names & {"Exception", "BaseException"})


def _raises_again(handler: ast.ExceptHandler) -> bool:
    """Return whether the handler ends by passing the exception on."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def _imports_of(path: Path, modules: set[str]) -> set[str]:
    """Modules of the package that a file imports anywhere, for type checks and late too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, f"relative import in {path}"
            assert node.level == 0, f"relative import in {path}"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in modules else node.module)
    return found & modules

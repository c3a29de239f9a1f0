# SPDX-License-Identifier: MIT
"""A pytest plugin: `pytest --fastproc` runs a test suite with _fastproc installed.

It is a module beside the package, and imports the package only when the option is given, because
pytest loads it in every run: _fastproc brings asyncio and an extension, which most suites do not
need.  PYTEST_DONT_REWRITE: it has no assertions.
"""

import pytest

INSTALLED: pytest.StashKey = pytest.StashKey()


def pytest_addoption(parser):
    parser.getgroup("fastproc").addoption(
        "--fastproc",
        action="store_true",
        help="run asyncio's children by _fastproc, as after _fastproc.install()",
    )


def install_if_asked(config, options):
    if options.fastproc and INSTALLED not in config.stash:
        import _fastproc

        config.stash[INSTALLED] = installed = _fastproc.installed()
        installed.__enter__()
        config.add_cleanup(lambda: installed.__exit__(None, None, None))


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config):
    """Install before any conftest.py can import a name from asyncio."""
    install_if_asked(early_config, early_config.known_args_namespace)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """Install where a conftest.py has loaded the plugin itself, or in a worker of pytest-xdist."""
    install_if_asked(config, config.option)


def pytest_report_header(config):
    if not config.option.fastproc:
        return None
    import _fastproc

    machine = _fastproc._core.machine()
    return f"fastproc: {_fastproc.__version__}, children by {machine['spawn']}"

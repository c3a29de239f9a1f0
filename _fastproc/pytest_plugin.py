# SPDX-License-Identifier: MIT
"""A pytest plugin: `pytest --fastproc` runs a test suite with _fastproc installed."""

import pytest

import _fastproc

INSTALLED: pytest.StashKey = pytest.StashKey()


def pytest_addoption(parser):
    parser.getgroup("fastproc").addoption(
        "--fastproc",
        action="store_true",
        help="run asyncio's children by _fastproc, as after _fastproc.install()",
    )


def install_if_asked(config, options):
    if options.fastproc and INSTALLED not in config.stash:
        config.stash[INSTALLED] = installed = _fastproc.installed()
        installed.__enter__()
        config.add_cleanup(lambda: installed.__exit__(None, None, None))


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config):
    """Before any conftest.py can import a name from asyncio."""
    install_if_asked(early_config, early_config.known_args_namespace)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """Where the plugin itself was loaded by a conftest.py, or in a worker of pytest-xdist."""
    install_if_asked(config, config.option)


def pytest_report_header(config):
    if not config.option.fastproc:
        return None
    machine = _fastproc._core.machine()
    return f"fastproc: {_fastproc.__version__}, children by {machine['spawn']}"

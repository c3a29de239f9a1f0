# SPDX-License-Identifier: MIT
"""Nothing: the plugin is plugin/pytest_fastproc.py.  Checkouts that were installed before look here;
`pip install -e .` again mends that.
"""

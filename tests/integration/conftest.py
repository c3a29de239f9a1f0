"""Keeps what test_programs.py runs in processes of their own out of this pytest."""

collect_ignore = ["programs", "suite", "site"]

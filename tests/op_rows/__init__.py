"""The rows of `op_cases.py`, a file for each family of operations."""

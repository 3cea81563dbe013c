"""The NumPy twin of every kernel: same name, same signature, written as the definition reads.

The twins say what the kernels mean and are what the kernels are tested against; nothing runs them otherwise.  A family
of kernels `<family>.pxi` has its twins in `reference/<family>.py`; `eager` and `losses` gather those of a unit.
"""

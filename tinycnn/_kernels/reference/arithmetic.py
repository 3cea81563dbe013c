"""Element-wise arithmetic on two arrays of one length."""


def add_forward(a, b, y):  # IN (n,)  IN (n,)  OUT (n,)
    """y = a + b."""
    y[:] = a + b


def mul_forward(a, b, y):  # IN (n,)  IN (n,)  OUT (n,)
    """y = a b."""
    y[:] = a * b

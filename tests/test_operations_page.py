"""docs/operations.md is what its script writes."""
import re

from operations_table import PAGE, page, recorded

from tinycnn import Tensor, no_grad
from tinycnn import functional as F
from tinycnn._kernels import kernels
from tinycnn.autograd import OPS


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python tests/operations_table.py`"


def test_every_op_is_on_it():
    text = PAGE.read_text(encoding="utf-8")
    assert len(re.findall(r"^\| `", text, re.MULTILINE)) >= len(OPS)


def test_kernels_are_recorded():
    x = Tensor([1.0, -1.0], requires_grad=True)
    with recorded() as forward:
        y = F.relu(x)
    with recorded() as backward:
        y.backward([1.0, 1.0])
    assert (forward, backward) == ({"relu_forward"}, {"relu_backward"})
    with no_grad():
        F.relu(x)
    assert forward == {"relu_forward"}
    assert type(kernels(x.dtype)).__name__ == "module"  # afterwards nothing is wrapped

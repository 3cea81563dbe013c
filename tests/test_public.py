"""The package's public face: every promised name is there, and importing it stays light."""
import pytest

import tinycnn


def test_every_public_name_is_there():
    for name in tinycnn.__all__:
        assert getattr(tinycnn, name) is not None
    assert set(tinycnn.__all__) <= set(dir(tinycnn))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'tinycnn' has no attribute 'modles'"):
        _ = tinycnn.modles


def test_subpackages_are_imported_when_first_used(run_python):
    done = run_python("import sys, tinycnn\n"
                      "heavy = {'tinycnn.data', 'tinycnn.models', 'tinycnn.training', 'PIL', 'torch', 'tqdm'}\n"
                      "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()\n"
                      "assert tinycnn.models.list_models()\n"
                      "from tinycnn import data, functional, losses, nn, optim, training")
    assert done.returncode == 0, done.stderr

"""Networks by name."""
import pytest

from tinycnn import models
from tinycnn.models.registry import register_model


def test_models_by_pattern():
    assert models.list_models("shufflenet_v2*") == [
        "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0"]
    assert models.list_models("*net_lite?") == [f"efficientnet_lite{i}" for i in range(5)]
    assert models.list_models("nothing*") == []


@pytest.mark.parametrize(("wrong", "hint"), [
    ("mobilnet_v2", "did you mean mobilenet_v2"), ("shufflenet_v2", "shufflenet_v2_x1_0"),
    ("qqq", f"there are {models.list_models()[0]}")])
def test_an_unknown_name_suggests_others(wrong, hint):
    with pytest.raises(ValueError, match=f"no model '{wrong}'.*{hint}"):
        models.create_model(wrong)


def test_a_name_is_registered_once():
    def mobilenet_v2():
        raise AssertionError("never built")
    with pytest.raises(ValueError, match="'mobilenet_v2' is registered already"):
        register_model(mobilenet_v2)


def test_every_name_is_a_function_of_the_package():
    for name in models.list_models():
        assert callable(getattr(models, name))
        assert name in models.__all__


def test_an_unknown_option_is_refused():
    with pytest.raises(TypeError, match="colour"):
        models.create_model("mobilenet_v2", colour=3)

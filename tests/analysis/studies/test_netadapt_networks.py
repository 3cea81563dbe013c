"""Channels that go together, and the blocks that a network's latency is made of."""
import numpy as np
import pytest

from tinycnn.analysis.studies.netadapt_networks import structure
from tinycnn.models import create_model

OPTIONS = {"num_classes": 7, "in_chans": 1, "stem_stride": 1}
SMALL = {name: [16 + 8 * (i % 3) for i in range(count)] for name, count in (("mobilenetv1_100", 14),
                                                                            ("mobilenet_v2", 16))}
RNG = np.random.default_rng(0)


def build(name, widths):
    """A small network in which every array holds random numbers."""
    model = create_model(name, **OPTIONS, widths=widths).eval()
    model.load_state_dict({key: RNG.uniform(0.1, 0.6, value.shape) for key, value in model.state_dict().items()})
    return model


@pytest.mark.parametrize("name", SMALL)
def test_a_network_without_channels_that_do_nothing_gives_the_same(name):
    widths = SMALL[name]
    model = build(name, widths)
    x = RNG.standard_normal((2, 1, 16, 16)).astype(np.float32)
    found = structure(model, name).widths(model)
    assert [width.channels for width in found] == widths
    for number, width in enumerate(found):
        state = model.state_dict()
        gone = RNG.choice(width.channels, 5, replace=False)
        for key, axis in width.arrays:
            np.moveaxis(state[key], axis, 0)[gone] = 0
        model.load_state_dict(state)
        narrower = create_model(name, **OPTIONS, widths=[*widths[:number], widths[number] - 5, *widths[number + 1:]])
        narrower.load_state_dict(width.narrowed(state, widths[number] - 5))
        np.testing.assert_allclose(narrower.eval()(x).numpy(), model(x).numpy(), rtol=1e-4, err_msg=width.name)


def test_the_largest_filters_stay_in_their_order():
    model = build("mobilenetv1_100", SMALL["mobilenetv1_100"])
    width = structure(model, "").widths(model)[3]
    state = model.state_dict()
    filters = state["blocks.1.1.conv_pw.weight"]
    norms = np.linalg.norm(filters.reshape(len(filters), -1), axis=1)
    kept = width.narrowed(state, 9)["blocks.1.1.conv_pw.weight"]
    np.testing.assert_array_equal(kept, filters[norms >= np.sort(norms)[-9]])
    assert width.name == "blocks.1.1.conv_pw"


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("stem_stride", [1, 2])
def test_parts_make_up_the_network(name, stem_stride):
    """Each part gives the next one's input, and together they have the network's parameters."""
    model = create_model(name, **{**OPTIONS, "stem_stride": stem_stride}).eval()
    other = create_model(name, **{**OPTIONS, "stem_stride": stem_stride}, widths=SMALL[name])
    parts = structure(model, name).parts(model, SMALL[name], (1, 1, 30, 22))
    for part, then in zip(parts, [*[p.shape for p in parts[1:]], (1, 7)]):
        assert part.make().eval()(np.zeros(part.shape, np.float32)).shape == then
    assert (sum(p.size for part in parts for p in part.make().parameters())
            == sum(p.size for p in other.parameters()))
    assert parts[1].key.startswith(("separable 16>24 /1 @", "inverted residual 32>32>16 /1 @"))


def test_other_networks_are_refused():
    with pytest.raises(ValueError, match="netadapt: squeezenet1_1 cannot be shrunk layer by layer; expected a MobileN"):
        structure(create_model("squeezenet1_1"), "squeezenet1_1")

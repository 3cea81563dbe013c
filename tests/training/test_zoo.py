"""Networks of every family learn real images: a short run on some of Fashion-MNIST, planned."""
import pytest
from zoo import FACTS

import tinycnn
from tinycnn import models
from tinycnn.data import tasks
from tinycnn.training import Recipe
from tinycnn.training.classifier import train_classifier
from tinycnn.training.engines import Engine

IMAGES, EPOCHS = 3000, 4
CHANCE = 0.1
NORMALISED = {"vgg11": "vgg11_bn"}  # the other one takes longer than a short run to begin
RATES = {"mobilenetv1_025": 3e-3, "squeezenet1_1": 5e-4}


@pytest.mark.slow
@pytest.mark.parametrize("name", [NORMALISED.get(name, name) for name in FACTS if FACTS[name].everyday])
def test_a_family_learns(name, tmp_path):
    facts = FACTS[name]
    try:
        task = tasks.fashion_mnist(size=max(facts.least, 32)).limited(IMAGES)
    except FileNotFoundError:
        pytest.skip("Fashion-MNIST is not here: Debian's package dataset-fashion-mnist has it")
    small = models.create_model(name, **facts.light).stem_strides[-1]
    tinycnn.manual_seed(0)
    model = models.create_model(name, num_classes=10, in_chans=1, stem_stride=small, drop_rate=0.0, **facts.light)
    recipe = Recipe(epochs=EPOCHS, batch_size=20, optimizer="adamw", lr=RATES.get(name, 1e-3), clip=1.0)
    result = train_classifier(model, task, recipe, tmp_path, progress=False,
                              engine=Engine(tinycnn.compile_training_step, tinycnn.compile))
    losses = [row["loss"] for row in tinycnn.training.read_log(tmp_path / "log.csv")]
    assert losses[-1] < 0.8 * losses[0]
    assert result["accuracy"] > 5 * CHANCE

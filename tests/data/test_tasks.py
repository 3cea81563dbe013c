"""Tasks: what a network is shown of each set of images."""
import numpy as np
import pytest
from photos import CLASSES, break_folder, write_folder
from test_datasets import write_split

from tinycnn.data import BadDataError, tasks, transforms

VIEW = tasks.View(16, 3, (0.5,) * 3, (0.25,) * 3, resize=18)


@pytest.fixture
def fashion(tmp_path):
    for part in ("train", "test"):
        write_split(tmp_path, part)
    return tmp_path


@pytest.mark.parametrize(("size", "channels"), [(28, 1), (32, 1), (28, 3), (14, 3)])
@pytest.mark.parametrize("augment", tasks.AUGMENTATIONS)
def test_fashion_mnist_as_it_is_shown(fashion, size, channels, augment):
    task = tasks.fashion_mnist(fashion, size, channels)
    for loader in (task.train_loader(2, augment), task.loader(True, 2)):
        x, y = next(iter(loader))
        assert (x.shape, x.dtype, y.dtype) == ((2, channels, size, size), np.float32, np.int64)
        if channels == 3:
            np.testing.assert_array_equal(x[:, 0], x[:, 2])
    assert len(task.classes) == 10


def test_fashion_mnist_pixels(fashion):
    task = tasks.fashion_mnist(fashion)
    x, _ = next(iter(task.loader(True, 5)))
    np.testing.assert_array_equal(x, transforms.normalize(task.test[0], 0.2860, 0.3530))
    three, _ = next(iter(tasks.fashion_mnist(fashion, 28, 3, (0.1, 0.2, 0.3), (1, 1, 2)).loader(True, 5)))
    np.testing.assert_allclose(three[:, 2], (task.test[0] / 255 - 0.3) / 2, atol=1e-6)


def test_portraits_are_shown_in_their_colours(fashion):
    view = tasks.View(32, 3, (0.1, 0.2, 0.3), (0.5, 1, 2))
    task = tasks.portraits(view, fashion)
    x, y = next(iter(task.loader(True, 5)))
    np.testing.assert_allclose(x[:, 2], (task.test[0][..., 2] / 255 - 0.3) / 2, atol=1e-6)
    np.testing.assert_array_equal(y, tasks.fashion_mnist(fashion).test[1])
    assert next(iter(task.train_loader(2, "crop")))[0].shape == (2, 3, 32, 32)
    few = tasks.portraits(view, fashion, limit=3)
    for part, first in ((task.train, few.train), (task.test, few.test)):
        np.testing.assert_array_equal(part[0][:3], first[0])
        np.testing.assert_array_equal(part[1][:3], first[1])


def test_training_leaves_out_the_rest_and_testing_does_not(fashion):
    task = tasks.fashion_mnist(fashion)
    assert [len(y) for _, y in task.train_loader(2)] == [2, 2]
    assert [len(y) for _, y in task.train_loader(100)] == [5]
    assert [len(y) for _, y in task.loader(True, 2)] == [2, 2, 1]
    with pytest.raises(ValueError, match="augment must be one of none, flip, crop, got 'spin'"):
        task.train_loader(2, "spin")


@pytest.mark.parametrize("augment", tasks.AUGMENTATIONS)
def test_a_folder_as_it_is_shown(photos, augment):
    task = tasks.folder(photos, VIEW, share=1 / 3)
    assert (task.classes, len(task.train[1]), len(task.test[1])) == (CLASSES, 12, 6)
    assert not {*task.train[0].files} & {*task.test[0].files}
    x, y = next(iter(task.train_loader(4, augment)))
    assert (x.shape, x.dtype, y.shape) == ((4, 3, 16, 16), np.float32, (4,))


def test_a_folder_to_validate_by(photos, tmp_path):
    other = write_folder(tmp_path / "other", each=2, seed=1)
    task = tasks.folder(photos, VIEW, other)
    assert (len(task.train[1]), len(task.test[1])) == (18, 6)
    (other / "purple").mkdir()
    (other / "purple" / "a.png").write_bytes((photos / "red" / "00.png").read_bytes())
    with pytest.raises(BadDataError, match="purple: not one of the network's classes"):
        tasks.folder(photos, VIEW, other)
    assert [fault.file.name for fault in tasks.folder(photos, VIEW, other, skip_bad=True).faults] == ["purple"]
    (photos / "red" / "bad.png").write_bytes(b"")
    (other / "blue" / "worse.png").write_bytes(b"")
    with pytest.raises(BadDataError) as caught:
        tasks.folder(photos, VIEW, other)
    assert {fault.file.name for fault in caught.value.faults} == {"bad.png", "worse.png"}


def test_a_folder_to_test_with(photos):
    task = tasks.evaluation_folder(photos, VIEW, ("red", "green", "blue"))
    assert (len(task.train[1]), len(task.test[1])) == (0, 18)
    assert task.test[1].tolist() == [2] * 6 + [1] * 6 + [0] * 6
    break_folder(photos)
    with pytest.raises(BadDataError):
        tasks.evaluation_folder(photos, VIEW)


def test_a_limit_spares_every_class(photos):
    task = tasks.folder(photos, VIEW, share=1 / 3).limited(3)
    assert task.train[1].tolist() == task.test[1].tolist() == [0, 1, 2]


def test_a_photo_that_goes_missing_later_is_named(photos):
    task = tasks.folder(photos, VIEW, share=1 / 3)
    task.train[0].files[0].unlink()
    with pytest.raises(FileNotFoundError, match=task.train[0].files[0].name) as caught:
        list(task.train_loader(4, workers=2))
    assert "while making batch" in caught.value.__notes__[0]

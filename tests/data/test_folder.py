"""Photos by class: read, and looked through: every bad file is named before anything else happens."""
import numpy as np
import pytest
from photos import CLASSES, break_folder, write_folder

from tinycnn.data import BadDataError, ImageFolder, Photos, load_image, split

pytest.importorskip("PIL", reason="pillow is not installed: no photo can be read")


@pytest.fixture
def root(tmp_path):
    return write_folder(tmp_path / "photos")


def test_classes_labels_and_photos(root):
    data = ImageFolder(root)
    assert tuple(data.classes) == CLASSES
    assert (len(data), data.labels.dtype, data.labels.tolist()) == (18, np.int64, [0] * 6 + [1] * 6 + [2] * 6)
    assert [file.parent.name for file in data.images.files] == [CLASSES[i] for i in data.labels]
    assert data.faults == []
    for image, file in zip(data.images, data.images.files):
        np.testing.assert_array_equal(image, load_image(file))


def test_photos_are_decoded_when_they_are_come_to(root, tmp_path):
    files = ImageFolder(root).images.files
    photos = Photos([*files, tmp_path / "missing.png"])
    some = photos[np.array([3, 1])]
    assert [file.name for file in some.files] == [files[3].name, files[1].name]
    assert [image.shape for image in some] == [(20, 24, 3)] * 2
    with pytest.raises(FileNotFoundError, match=r"missing\.png"):
        list(photos)


@pytest.mark.parametrize("workers", [0, 2])
def test_every_bad_file_is_named(root, workers):
    bad = break_folder(root)
    with pytest.raises(BadDataError) as caught:
        ImageFolder(root, workers=workers)
    found = {fault.file: fault.reason for fault in caught.value.faults}
    assert found.keys() == bad.keys()
    for file, word in bad.items():
        assert word in found[file]
        assert str(file) in str(caught.value)
    assert str(root) in str(caught.value)


def test_bad_files_are_left_out_when_asked(root):
    whole, bad = ImageFolder(root), break_folder(root)
    rest = ImageFolder(root, skip_bad=True)
    assert rest.images.files == whole.images.files
    np.testing.assert_array_equal(rest.labels, whole.labels)
    assert tuple(rest.classes) == CLASSES
    assert {fault.file for fault in rest.faults} == bad.keys()


def test_a_long_list_is_cut_in_the_message_alone(root):
    for i in range(30):
        (root / "red" / f"bad{i:02}.png").write_bytes(b"")
    with pytest.raises(BadDataError, match="30 of its files and folders") as caught:
        ImageFolder(root)
    assert len(caught.value.faults) == 30
    assert str(caught.value).endswith("and 10 more")


def test_the_least_side_can_be_chosen(root):
    with pytest.raises(BadDataError, match="24 x 20 pixels, expected at least 21"):
        ImageFolder(root, min_side=21)


def test_known_classes(root):
    data = ImageFolder(root, classes=("red", "violet", "blue", "green"))
    assert data.labels.tolist() == [2] * 6 + [3] * 6 + [0] * 6
    with pytest.raises(BadDataError, match="blue: not one of the network's classes"):
        ImageFolder(root, classes=("red", "green"))
    rest = ImageFolder(root, classes=("red", "green"), skip_bad=True)
    assert rest.labels.tolist() == [1] * 6 + [0] * 6


def test_too_few_classes(tmp_path):
    with pytest.raises(ValueError, match="photos of 0 classes, expected at least two"):
        ImageFolder(tmp_path)
    one = write_folder(tmp_path / "one")
    for name in CLASSES[1:]:
        for file in (one / name).iterdir():
            file.unlink()
        (one / name).rmdir()
    with pytest.raises(ValueError, match="photos of 1 classes"):
        ImageFolder(one)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        ImageFolder(tmp_path / "nowhere")
    with pytest.raises(NotADirectoryError):
        ImageFolder(next((one / "blue").iterdir()))


def test_split_takes_its_share_of_every_class():
    labels = np.repeat([0, 1, 2], [10, 2, 40])
    train, validation = split(labels, 0.2, seed=1)
    assert np.bincount(labels[validation]).tolist() == [2, 1, 8]
    assert sorted([*train, *validation]) == list(range(52))
    again = split(labels, 0.2, seed=1)
    np.testing.assert_array_equal(validation, again[1])
    assert not np.array_equal(validation, split(labels, 0.2, seed=2)[1])


@pytest.mark.parametrize("share", [0, 1, -0.5, np.nan])
def test_split_refuses(share):
    with pytest.raises(ValueError, match="0 < share < 1"):
        split(np.zeros(4, int), share)
    with pytest.raises(ValueError, match="class 1 has a single image"):
        split(np.array([0, 0, 1]), 0.5)

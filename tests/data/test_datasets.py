"""Fashion-MNIST: where it is looked for, how it is fetched, what is refused."""
import gzip
import hashlib

import numpy as np
import pytest
from idx_files import idx

from tinycnn.data import FashionMNIST, data_home, datasets

STEMS = {"train": "train", "test": "t10k"}


def write_split(directory, split="test", images=None, labels=None):
    """Files of a split with a few images; the arrays."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (5, 28, 28), np.uint8) if images is None else images
    labels = np.arange(5, dtype=np.uint8) if labels is None else labels
    directory.mkdir(parents=True, exist_ok=True)
    for name, array in (("images-idx3", images), ("labels-idx1", labels)):
        (directory / f"{STEMS[split]}-{name}-ubyte.gz").write_bytes(gzip.compress(idx(array)))
    return images, labels


def write_few(directory, train=40, test=10):
    """Files of both splits, of so many images, with all labels in turn; the directory."""
    rng = np.random.default_rng(0)
    for split, count in (("train", train), ("test", test)):
        write_split(directory, split, rng.integers(0, 256, (count, 28, 28), np.uint8),
                    (np.arange(count) % 10).astype(np.uint8))
    return directory


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """No data set is installed and the home is empty."""
    monkeypatch.setenv("TINYCNN_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TINYCNN_MIRROR", raising=False)
    monkeypatch.setattr(datasets, "FASHION_MNIST_SYSTEM", tmp_path / "system")


@pytest.mark.parametrize("split", STEMS)
def test_reads_a_directory(tmp_path, split):
    images, labels = write_split(tmp_path / "here", split)
    data = FashionMNIST(tmp_path / "here", split)
    np.testing.assert_array_equal(data.images, images)
    np.testing.assert_array_equal(data.labels, labels)
    assert (data.labels.dtype, len(data), len(data.classes)) == (np.int64, 5, 10)


def test_the_home_comes_before_the_system(tmp_path):
    write_split(tmp_path / "system")
    assert FashionMNIST(split="test").directory == tmp_path / "system"
    write_split(tmp_path / "home" / "fashion-mnist")
    assert FashionMNIST(split="test").directory == tmp_path / "home" / "fashion-mnist"


def test_a_named_directory_is_the_only_one(tmp_path):
    write_split(tmp_path / "system")
    with pytest.raises(FileNotFoundError, match="elsewhere"):
        FashionMNIST(tmp_path / "elsewhere", "test")


def test_not_found_says_where_and_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        FashionMNIST(split="test")
    for part in ("t10k-images-idx3-ubyte.gz", str(tmp_path / "home"), str(tmp_path / "system"),
                 "apt install dataset-fashion-mnist", "download=True"):
        assert part in str(caught.value)


def test_home_without_the_variable(monkeypatch, tmp_path):
    monkeypatch.delenv("TINYCNN_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert data_home() == tmp_path / "tinycnn"


def test_split_must_exist():
    with pytest.raises(ValueError, match="'valid'"):
        FashionMNIST(split="valid")


@pytest.mark.parametrize(("wrong", "message"), [
    ({"labels": np.arange(4, dtype=np.uint8)}, "4 labels for the 5 images"),
    ({"labels": np.full(5, 10, np.uint8)}, "a label 10"),
    ({"labels": np.arange(5, dtype=np.int32)}, "int32 of 1 axes"),
    ({"images": np.zeros((5, 27, 28), np.uint8)}, r"\(27, 28\)"),
    ({"images": np.zeros((5, 784), np.uint8)}, "uint8 of 2 axes"),
])
def test_misfits(tmp_path, wrong, message):
    write_split(tmp_path, **wrong)
    with pytest.raises(ValueError, match=message) as caught:
        FashionMNIST(tmp_path, "test")
    assert str(tmp_path) in str(caught.value)


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A publisher on this disk, whose checksums are those of its files."""
    write_split(tmp_path / "site")
    files = tuple((name, hashlib.md5((tmp_path / "site" / name).read_bytes()).hexdigest())
                  for name, _ in datasets._FILES["test"])
    monkeypatch.setitem(datasets._FILES, "test", files)
    return (tmp_path / "site").as_uri() + "/"


def test_download(published, tmp_path):
    data = FashionMNIST(split="test", download=True, url=published)
    assert data.directory == tmp_path / "home" / "fashion-mnist"
    assert sorted(p.name for p in data.directory.iterdir()) == sorted(name for name, _ in datasets._FILES["test"])
    assert len(FashionMNIST(split="test")) == 5  # from now on without the network


def test_download_only_what_is_missing(published, tmp_path):
    FashionMNIST(tmp_path / "root", "test", download=True, url=published)
    (labels,) = (tmp_path / "root").glob("*labels*")
    labels.unlink()
    for images in (tmp_path / "site").glob("*images*"):
        images.unlink()
    assert len(FashionMNIST(tmp_path / "root", "test", download=True, url=published)) == 5


def test_a_download_that_fails_leaves_nothing(published, tmp_path):
    with pytest.raises(ConnectionError, match="nowhere"):
        FashionMNIST(split="test", download=True, url=published + "nowhere/")
    (labels,) = (tmp_path / "site").glob("*labels*")
    labels.write_bytes(b"a login page")
    with pytest.raises(ValueError, match="MD5 checksum"):
        FashionMNIST(split="test", download=True, url=published)
    assert [p.name for p in (tmp_path / "home" / "fashion-mnist").iterdir()] == ["t10k-images-idx3-ubyte.gz"]


def test_a_mirror(published, tmp_path, monkeypatch):
    monkeypatch.setenv("TINYCNN_MIRROR", published)
    assert len(FashionMNIST(split="test", download=True, url="https://nowhere.invalid/")) == 5


def test_the_real_files(monkeypatch):
    monkeypatch.undo()
    try:
        data = FashionMNIST(split="test")
    except FileNotFoundError:
        pytest.skip("Fashion-MNIST is not installed (apt install dataset-fashion-mnist)")
    assert data.images.shape == (10000, 28, 28)
    assert np.bincount(data.labels).tolist() == [1000] * 10
    assert data.classes[data.labels[0]] == "Ankle boot"  # the first test image, as the paper's authors show it

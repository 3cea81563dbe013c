"""VOC's files: what is read is what was written, and everything that is wrong is listed before anything is used."""
import numpy as np
import pytest
from detection_files import voc, write_images

from tinycnn.data import BadDataError
from tinycnn.data.detection import read_voc, write_voc

pytest.importorskip("PIL", reason="pillow is not installed: images cannot be checked")


@pytest.fixture
def images(tmp_path):
    return write_images(tmp_path / "images")


@pytest.fixture
def read(tmp_path, images):
    """Read a directory of these annotations; keyword `texts`: content by the file's name without suffix."""
    def run(*texts, **options):
        directory = tmp_path / "xml"
        directory.mkdir(exist_ok=True)
        for name, text in zip("abcdef", texts):
            (directory / f"{name}.xml").write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_voc(directory, images, **options)

    return run


def problems(read, *texts, **options):
    with pytest.raises(BadDataError) as raised:
        read(*texts, **options)
    return [(p.file.name, p.entry, p.reason) for p in raised.value.faults]


def test_what_is_read(read, images):
    dataset = read(voc(extra="<difficult>1</difficult>"),
                   voc("b.png", (("dog", (1, 1, 30, 50)), ("ant", ("2.5", 3, 4, 5))), (30, 50)))
    assert (dataset.classes, len(dataset), dataset.faults) == (("ant", "dog", "kite"), 2, ())
    first, second = dataset.images
    assert (first.path, first.width, first.height) == (images / "a.png", 60, 40)
    assert first.boxes.tolist() == [[10, 5, 30, 35]]
    assert (first.labels.tolist(), first.difficult.tolist(), first.area.tolist()) == ([2], [True], [600])
    assert second.boxes.tolist() == [[0, 0, 30, 50], [1.5, 2, 4, 5]]
    assert second.difficult.tolist() == [False, False]


def test_pixels_that_count_from_zero(read):
    boxes = [read(voc(objects=[("kite", (0, 0, 60, 40))]), one_based=one).images[0].boxes.tolist() for one in (0, 1)]
    assert boxes == [[[0, 0, 60, 40]]] * 2  # by the other count it starts a pixel before, which is clipped


def test_some_files_and_given_classes(read):
    dataset = read(voc(), voc("b.png", (), (30, 50)), names=["b"], classes=["x", "y"])
    assert (len(dataset), dataset.classes, dataset.images[0].boxes.shape) == (1, ("x", "y"), (0, 4))
    assert problems(read, voc(), names=["a", "z"], classes=["x"]) == [
        ("z.xml", "", "cannot be read: No such file or directory"), ("a.xml", "object 0", "unknown class 'kite'")]


def test_written_and_read_again(read, images, tmp_path):
    dataset = read(voc(), voc("b.png", (("a<b", (1, 1, 30, 50)), ("ant", ("2.5", 3, 4, 5))), (30, 50)).replace(
        "a<b", "a&lt;b"))
    write_voc(dataset, tmp_path / "new")
    again = read_voc(tmp_path / "new", images)
    assert again.classes == dataset.classes
    for one, other in zip(dataset.images, again.images):
        for name, value in vars(one).items():
            np.testing.assert_array_equal(value, getattr(other, name), err_msg=name)
    dataset.images[1].path = dataset.images[0].path
    with pytest.raises(ValueError, match="two images of the data set would share a file"):
        write_voc(dataset, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_size_that_is_not_given_is_the_images(read):
    dataset = read(voc(size=None), voc("b.png", size=(0, 0)))
    assert [(image.width, image.height) for image in dataset.images] == [(60, 40), (30, 50)]
    assert "has no size, and neither tells the image" in problems(read, voc("none.png", size=None))[0][2]


def test_a_name_that_is_not_given_is_the_annotations(read, images):
    assert read(voc(""), voc("..\\x/b.png", (), (30, 50))).images[0].path == images / "a.png"


BIG = "<!DOCTYPE a [<!ENTITY b 'bbbb'>" + "".join(
    f"<!ENTITY b{i} '&b{i - 1 if i else ''};&b{i - 1 if i else ''};'>" for i in range(40)) + "]>"


@pytest.mark.parametrize(("text", "reason"), [
    ("", "is empty"), ("<annotation>", "not XML: no element found"), ("hello", "not XML: syntax error"),
    ("<a/>", "not VOC's annotations: the top is <a>"),
    ("<?xml version='1.0' encoding='none'?><annotation/>", "not XML"),
    (b"\xff\xfe\x00", "not XML"), (BIG + "<annotation>&b39;</annotation>", "it declares a DOCTYPE"),
    ("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><annotation/>", "it declares a DOCTYPE"),
    (" " * (1 << 24) + "  ", "is larger than 16777216 bytes")])
def test_a_bad_file_is_listed(read, text, reason):
    found = problems(read, voc(), text)
    assert [file for file, _, _ in found] == ["b.xml"]
    assert reason in found[0][2]
    assert len(read(voc(), text, skip_bad=True)) == 1


@pytest.mark.parametrize(("box", "reason"), [
    ((30, 6, 11, 35), "the box (29, 5) to (11, 35) is inverted or empty"),
    ((1, 1, 62, 40), "the box (0, 0) to (62, 40) is not within the image, 60 x 40"),
    (("x", 1, 6, 4), "bndbox/xmin is 'x', expected a number"), (("", 1, 6, 4), "no bndbox/xmin"),
    (("nan", 1, 6, 4), "the box (nan, 0) to (6, 4) is not finite"),
    (("inf", 1, 6, 4), "the box (inf, 0) to (6, 4) is not finite")])
def test_a_bad_box_is_listed(read, box, reason):
    objects = [("kite", (1, 1, 5, 5)), ("dog", box)]
    assert problems(read, voc(objects=objects)) == [("a.xml", "object 1", reason)]
    dataset = read(voc(objects=objects), skip_bad=True)
    assert dataset.images[0].boxes.tolist() == [[0, 0, 5, 5]]


def test_bad_images_are_listed(read, images):
    (images / "b.png").write_text("no image")
    found = problems(read, voc("b.png", size=(30, 50), objects=()), voc("none.png"), voc(size=(40, 60)))
    assert [file for file, _, _ in found] == ["b.png", "none.png", "a.png"]
    assert "not one of the formats" in found[0][2]
    assert [reason for _, _, reason in found[1:]] == ["there is no such file",
                                                      "60 x 40 pixels, but its annotations are for 40 x 60"]
    with pytest.raises(BadDataError, match="none is left"):
        read(voc("none.png"), voc("none.png"), voc("none.png"), skip_bad=True)


def test_no_directory_and_no_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="none is not a directory"):
        read_voc(tmp_path / "none", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"has no \.xml files"):
        read_voc(tmp_path, tmp_path)

"""Photos: any file becomes RGB or an error that names it; resizing and cropping as the weights expect."""
from __future__ import annotations

import contextlib
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinycnn.data import ImageError, images, load_image, prepare
from tinycnn.models import Preprocessing

Image = pytest.importorskip("PIL.Image", reason="pillow is not installed: no photo can be read")
CAT = Path(__file__).parents[2] / "examples" / "images" / "cat.jpg"
PIXELS = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3) * 10
GREY = np.array([[0, 100, 255], [3, 50, 200]], np.uint8)


def save(path, image, **options):
    image.save(path, **options)
    return path


# ---- every mode
def test_rgb_is_as_it_is(tmp_path):
    got = load_image(save(tmp_path / "x.png", Image.fromarray(PIXELS)))
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, PIXELS)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr"])
def test_other_modes_become_rgb(mode, tmp_path):
    image = Image.fromarray(np.repeat(GREY[..., None], 3, axis=2)).convert(mode)
    got = load_image(save(tmp_path / "x.tif", image))
    np.testing.assert_array_equal(got, np.asarray(image.convert("RGB")))


def test_16_bits_of_grey_become_8(tmp_path):
    got = load_image(save(tmp_path / "x.png", Image.fromarray(GREY.astype(np.uint16) * 257)))
    np.testing.assert_array_equal(got, np.repeat(GREY[..., None], 3, axis=2))


def test_transparent_pixels_show_white(tmp_path):
    rgba = np.array([[[9, 9, 9, 0], [10, 20, 30, 255]]], np.uint8)
    got = load_image(save(tmp_path / "x.png", Image.fromarray(rgba)))
    np.testing.assert_array_equal(got, [[[255, 255, 255], [10, 20, 30]]])


def test_a_transparent_colour_of_a_palette_shows_white(tmp_path):
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    palette.putpalette([7, 7, 7, 200, 100, 50])
    got = load_image(save(tmp_path / "x.png", palette, transparency=0))
    np.testing.assert_array_equal(got, [[[255, 255, 255], [200, 100, 50]]])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation, tmp_path):
    """Stored turned, shown upright. The table is of the Exif standard: what to do to the stored rows and columns."""
    turn = {1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
            5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a, -1),
            7: lambda a: a[::-1, ::-1].transpose(1, 0, 2), 8: lambda a: np.rot90(a)}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    got = load_image(save(tmp_path / "x.png", Image.fromarray(PIXELS), exif=exif))
    np.testing.assert_array_equal(got, turn(PIXELS))


def test_an_animation_shows_its_first_frame(tmp_path):
    frames = [Image.fromarray(np.full((2, 2), value, np.uint8)) for value in (10, 250)]
    got = load_image(save(tmp_path / "x.gif", frames[0], save_all=True, append_images=frames[1:]))
    np.testing.assert_array_equal(got, np.full((2, 2, 3), 10))


# ---- what is no photo
def png_header(width, height):
    """A PNG that announces a size and has no pixels."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IEND", b"")


JPEG = CAT.read_bytes()
BROKEN = {
    "empty": b"",
    "text": b"this is no photo\n",
    "truncated jpeg": JPEG[:len(JPEG) // 2],
    "jpeg of a header alone": JPEG[:200],
    "png without pixels": png_header(4, 4),
    "png of no width": png_header(0, 4),
    "decompression bomb": png_header(50_000, 50_000),
    "bomb just over the limit": png_header(10_000, 9_000),
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_is_named(kind, tmp_path):
    path = tmp_path / "broken.jpg"
    path.write_bytes(BROKEN[kind])
    with pytest.raises(ImageError, match=r"broken\.jpg: cannot be read as a photo: \w"):
        load_image(path)


@given(data=st.data())
def test_damage_gives_pixels_or_an_error_of_ours(data, tmp_path_factory):
    damaged = bytearray(JPEG[:data.draw(st.integers(1, len(JPEG)))])
    for _ in range(data.draw(st.integers(0, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damage") / "x.jpg"
    path.write_bytes(damaged)
    with contextlib.suppress(ImageError):
        assert load_image(path).shape[2:] == (3,)


def test_floating_point_pixels_are_refused(tmp_path):
    with pytest.raises(ImageError, match="floating-point"):
        load_image(save(tmp_path / "x.tif", Image.fromarray(np.ones((2, 2), np.float32))))


def test_directories_and_pipes_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(ImageError, match="a directory or device"):
            load_image(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.jpg"):
        load_image(tmp_path / "nothing.jpg")


# ---- directories
def test_the_photos_of_a_directory_come_sorted(tmp_path):
    for name in ("b.JPG", "a.png", "notes.txt", "c.webp"):
        (tmp_path / name).touch()
    (tmp_path / "d.png").mkdir()
    assert [path.name for path in images.image_files(tmp_path)] == ["a.png", "b.JPG", "c.webp"]
    assert images.image_files(tmp_path / "notes.txt") == [tmp_path / "notes.txt"]


def test_a_directory_without_photos_is_an_error(tmp_path):
    with pytest.raises(ImageError, match="no photos in this directory"):
        images.image_files(tmp_path)


# ---- resize and crop
def resized_then_cropped(image, resize, crop, filters):
    """The recipe as torchvision has it: the whole photo is resized, then its middle cut out."""
    height, width = image.shape[:2]
    shorter = min(height, width)
    whole = Image.fromarray(image).resize((resize * width // shorter, resize * height // shorter), filters)
    left, top = round((whole.width - crop) / 2), round((whole.height - crop) / 2)
    return np.asarray(whole.crop((left, top, left + crop, top + crop)))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@given(data=st.data())
def test_prepare_is_resize_then_crop(interpolation, data):
    height, width = data.draw(st.integers(1, 70)), data.draw(st.integers(1, 70))
    crop = data.draw(st.integers(1, 24))
    resize = crop + data.draw(st.integers(0, 8))
    # No black and no white: bicubic overshoots, and pillow clips between its two passes, in an order that it chooses.
    image = np.random.default_rng(height * 71 + width).integers(80, 176, (height, width, 3)).astype(np.uint8)
    recipe = Preprocessing(resize, crop, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), interpolation=interpolation)
    got = prepare(image, recipe)
    want = resized_then_cropped(image, resize, crop, Image.Resampling[interpolation.upper()])
    assert got.dtype == np.float32
    assert got.shape == (1, 3, crop, crop)
    np.testing.assert_allclose(got[0].transpose(1, 2, 0) * 255, want, atol=2.01)  # 8 bits, rounded twice


def test_prepare_normalises():
    recipe = Preprocessing(2, 2, mean=(0.5, 0.0, 1.0), std=(0.5, 1.0, 2.0))
    got = prepare(np.full((5, 9, 3), 255, np.uint8), recipe)
    np.testing.assert_allclose(got[0, :, 0, 0], [1.0, 1.0, 0.0], atol=1e-6)


def test_an_extreme_photo_costs_no_memory():
    """Resized whole, 200000 x 1 would be 256 x 51 million pixels."""
    assert prepare(np.zeros((200_000, 1, 3), np.uint8), Preprocessing()).shape == (1, 3, 224, 224)


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8),
                                   np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)])
def test_prepare_refuses_what_is_no_photo(image):
    with pytest.raises(ValueError, match=r"prepare: image must be uint8 \(H, W, 3\)"):
        prepare(image, Preprocessing())


def test_large_jpegs_are_decoded_smaller_when_that_is_enough(tmp_path):
    from PIL import Image

    smooth = np.add.outer(np.linspace(0, 120, 160), np.linspace(0, 130, 240))
    photo = Image.fromarray(np.stack([smooth] * 3, 2).astype(np.uint8))
    photo.save(tmp_path / "a.jpg", quality=95)
    photo.save(tmp_path / "a.png")
    whole = load_image(tmp_path / "a.jpg")
    sizes = {least: load_image(tmp_path / "a.jpg", least).shape[:2] for least in (200, 160, 81, 80, 40, 20, 1)}
    assert sizes == {200: (160, 240), 160: (160, 240), 81: (160, 240), 80: (80, 120), 40: (40, 60), 20: (20, 30),
                     1: (20, 30)}
    assert load_image(tmp_path / "a.png", 20).shape == (160, 240, 3)
    half = load_image(tmp_path / "a.jpg", 80).astype(int)
    assert np.abs(half - whole.reshape(80, 2, 120, 2, 3).mean((1, 3))).max() <= 3

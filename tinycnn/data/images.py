"""Photos: from a file to pixels, and from pixels to what a network takes."""
from __future__ import annotations

import importlib
import os
import stat
import threading
import warnings
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ..serialize.atomic import write_atomically
from .transforms import normalize

if TYPE_CHECKING:
    from tinycnn.models.weights import Preprocessing

# pillow could open more; some of it (EPS) starts another program, so these are named one by one.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".pgm", ".ppm")
BACKGROUND = "white"  # what shows through transparent pixels
_OPENING = threading.Lock()  # what is done with warnings is done for all threads of the process: one at a time
_HIGH_16_BITS = 257  # 65535 / 255: 16-bit grey to 8-bit


class ImageError(ValueError):
    """A file that cannot be read as a photo: says which, and why."""


def image_files(path: str | os.PathLike[str]) -> list[Path]:
    """The photo itself, or all the photos of a directory by their suffix, sorted by name.

    Raises ImageError for a directory without any.
    """
    path = Path(path)
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
    if not found:
        raise ImageError(f"{path}: no photos in this directory (looked for {' '.join(SUFFIXES)})")
    return found


def require_pillow() -> None:
    """Raise the ImportError that says what to install, where photos cannot be read; else be ready to read them."""
    pillow_module("ImageOps")
    pillow_module("Image").preinit()  # the common formats, so that the first photo's time is that of the others


def load_image(path: str | os.PathLike[str], least: int | None = None) -> np.ndarray:
    """Decode a photo to uint8 (H, W, 3), RGB, turned the way its EXIF orientation says.

    least: pixels of a side that are enough: a JPEG of more is decoded at a half, a quarter or an eighth of its size, as
    far as both sides keep so many, which takes a fraction of the time.

    Grey, palette, 16-bit grey and CMYK become RGB; transparent pixels show white; of an animation the first frame
    counts.  A photo of more pixels than pillow's `Image.MAX_IMAGE_PIXELS` (89 million, against decompression bombs)
    is refused before it is decoded.

    Raises ImageError (a ValueError) for a damaged file, an unknown format or too many pixels, FileNotFoundError and
    PermissionError as `open` does, ImportError without the extra `tinycnn[images]`.
    """
    Image, ImageOps = pillow_module("Image"), pillow_module("ImageOps")
    if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for ever
        raise ImageError(f"{os.fspath(path)}: a directory or device, not a photo")
    with open(path, "rb") as file:
        try:
            with _opened(file, Image) as image:
                if least is not None:
                    image.draft(None, (least, least))
                return np.asarray(_to_rgb(ImageOps.exif_transpose(image), Image))
        except Exception as error:  # decoders raise OSError, SyntaxError, struct.error and more on damaged data
            raise ImageError(f"{os.fspath(path)}: cannot be read as a photo: {_reason(error, Image)}") from error


def save_image(path: str | os.PathLike[str], image: np.ndarray) -> None:
    """Write a picture, uint8 (H, W, 3), as PNG; the file appears whole or not at all.

    Raises OSError as `open` does, ImportError without the extra `tinycnn[images]`.
    """
    picture = pillow_module("Image", "writing pictures").fromarray(image)
    write_atomically(path, lambda file: picture.save(file, "PNG"))


def _opened(file: IO[bytes], Image: Any) -> Any:
    """The image, its header read, not yet decoded; one of too many pixels is refused."""
    with _OPENING, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # remarks about odd metadata
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        image = Image.open(file, formats=FORMATS)
        if image.format == "JPEG":
            image.getexif()  # remarks about this too; it is kept
        return image


def prepare(image: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """What a network takes, float32 (1, 3, S, S), from a photo, uint8 (H, W, 3).

    The shorter side is resized to `preprocessing.resize`, the middle S x S pixels (`preprocessing.crop`) are cut out,
    and each channel becomes (pixel/255 - mean) / std.

    Raises ValueError for an array that is not such a photo, ImportError without the extra `tinycnn[images]`.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(f"prepare: image must be uint8 (H, W, 3), got {image.dtype} {image.shape}")
    pixels = resized_middle(image, preprocessing.resize, preprocessing.crop, preprocessing.interpolation)
    return normalize(pixels[None], preprocessing.mean, preprocessing.std)


def resized_middle(image: np.ndarray, resize: int, size: int, interpolation: str) -> np.ndarray:
    """The middle (size, size, 3) of the photo with its shorter side resized, as torchvision rounds it.

    Only the pixels that are kept are computed, so a panorama of 1 x 100000 costs no more than another photo.
    """
    height, width = image.shape[:2]
    shorter = min(height, width)
    resized_h, resized_w = resize * height // shorter, resize * width // shorter
    top, left = round((resized_h - size) / 2), round((resized_w - size) / 2)
    step_y, step_x = height / resized_h, width / resized_w
    box = (left * step_x, top * step_y, min(width, (left + size) * step_x), min(height, (top + size) * step_y))
    return resized(image, size, box, interpolation)


def resized(image: np.ndarray, size: int, box: tuple[float, float, float, float], interpolation: str) -> np.ndarray:
    """The part of a photo in a box (left, top, right, bottom; pixels), resized to (size, size, 3)."""
    Image = pillow_module("Image")
    filters = Image.Resampling[interpolation.upper()]
    return np.asarray(Image.fromarray(image).resize((size, size), filters, box))


def _to_rgb(image: Any, Image: Any) -> Any:
    if image.mode in ("I", "I;16", "I;16L", "I;16B", "I;16N"):  # pillow would clip these to 255 where they end at 65535
        grey = np.clip(np.asarray(image).astype(np.int64), 0, 65535) // _HIGH_16_BITS
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError("floating-point pixels, of which nothing says how bright 1.0 is")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, BACKGROUND), image)
    return image.convert("RGB")


def _reason(error: Exception, Image: Any) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        return f"not one of the formats {', '.join(FORMATS)}"
    return str(error) or type(error).__name__


def pillow_module(module: str, purpose: str = "reading photos") -> Any:
    """A module of pillow; ImportError that says what needs it and what to install."""
    try:
        return importlib.import_module(f"PIL.{module}")
    except ImportError as error:
        raise ImportError(f'{purpose} needs pillow: pip install "tinycnn[images]"') from error

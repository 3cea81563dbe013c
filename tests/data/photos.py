"""Folders of photos by class, made for tests; and files that are broken in every way."""
from pathlib import Path

import numpy as np

CLASSES = ("blue", "green", "red")  # in the order of their numbers
_CHANNEL = {"red": 0, "green": 1, "blue": 2}


def photo(name, rng, size=(20, 24)):
    """Noise in which the colour of the class stands out: uint8 (H, W, 3)."""
    pixels = rng.integers(0, 120, (*size, 3))
    pixels[..., _CHANNEL[name]] += 130
    return pixels.astype(np.uint8)


def write_folder(root: Path, each=6, seed=0, size=(20, 24)):
    """`each` photos of each class, as PNG and JPEG by turns."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    for name in CLASSES:
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(each):
            Image.fromarray(photo(name, rng, size)).save(root / name / f"{i:02}{('.png', '.jpg')[i % 2]}")
    return root


def break_folder(root: Path) -> dict[Path, str]:
    """Put a bad file of every sort into a folder; each with a word of what is wrong with it."""
    from PIL import Image

    good = {suffix: next((root / "red").glob(f"*{suffix}")).read_bytes() for suffix in (".png", ".jpg")}
    (root / "empty").mkdir()
    (root / "red" / "deeper").mkdir()
    Image.fromarray(np.zeros((3, 40, 3), np.uint8)).save(root / "red" / "thin.png")
    flipped = bytearray(good[".png"])
    flipped[len(flipped) // 2] ^= 255
    files = {
        "red/half.png": (good[".png"][:len(good[".png"]) // 2], "cannot be read as a photo"),
        "red/half.jpg": (good[".jpg"][:len(good[".jpg"]) // 2], "cannot be read as a photo"),
        "red/flipped.png": (bytes(flipped), "cannot be read as a photo"),
        "green/nothing.png": (b"", "cannot be read as a photo"),
        "green/text.jpg": (b"this is no photo", "not one of the formats"),
        "green/notes.txt": (b"a stray file", "does not end as a photo's"),
        "stray.png": (good[".png"], "beside the class folders"),
    }
    for name, (content, _) in files.items():
        (root / name).write_bytes(content)
    (root / ".hidden").write_bytes(b"passed over")
    (root / "green" / ".DS_Store").write_bytes(b"passed over")
    return {**{root / name: word for name, (_, word) in files.items()}, root / "empty": "without photos",
            root / "red" / "deeper": "folder within", root / "red" / "thin.png": "40 x 3 pixels"}

"""Data sets in directories, made by the tests."""
from __future__ import annotations

import json

import numpy as np

SIZE = {"a.png": (60, 40), "b.png": (30, 50)}  # width, height


def write_images(directory):
    from PIL import Image
    directory.mkdir(exist_ok=True)
    for name, (width, height) in SIZE.items():
        Image.fromarray(np.full((height, width, 3), 90, np.uint8)).save(directory / name)
    return directory


def coco(**changes):
    """Annotations without fault: two images, two categories, three objects."""
    images = [{"id": 30 + i, "file_name": name, "width": w, "height": h}
              for i, (name, (w, h)) in enumerate(SIZE.items())]
    return {"images": images, "categories": [{"id": 90, "name": "kite"}, {"id": 7, "name": "dog"}],
            "annotations": [
                {"id": 1, "image_id": 30, "category_id": 90, "bbox": [10, 5, 20, 30], "area": 333.5, "iscrowd": 0},
                {"id": 2, "image_id": 30, "category_id": 7, "bbox": [0, 0, 60, 40], "iscrowd": 1},
                {"id": 3, "image_id": 31, "category_id": 7, "bbox": [1.5, 2.25, 3, 4]}]} | changes


def write_json(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def voc(name="a.png", objects=(("kite", (11, 6, 30, 35)),), size=(60, 40), extra=""):
    body = "".join(f"<object><name>{n}</name>{extra}<bndbox><xmin>{b[0]}</xmin><ymin>{b[1]}</ymin><xmax>{b[2]}</xmax>"
                   f"<ymax>{b[3]}</ymax></bndbox></object>" for n, b in objects)
    told = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>" if size else ""
    return f"<annotation><filename>{name}</filename>{told}{body}</annotation>"

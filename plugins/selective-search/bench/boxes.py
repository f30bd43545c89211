"""OpenCV's boxes of every image of a directory, with the pixels that it saw:

    python boxes.py DIRECTORY OUT [--mode quality] [--base-k 148] [--increment 150] [--sigma 0.5] [--images 30]

writes OUT/NAME.png for each image, OUT/boxes.json, as `univip proposals import` reads it, and OUT/parameters.toml, by which
`tests/photos.rs` searches. Sides are x, y, width and height, in OpenCV's order, which it draws at random.
"""

import argparse
import json
from pathlib import Path

import cv2


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--mode", choices=["fast", "quality"], default="fast")
    parser.add_argument("--base-k", type=int, default=150)
    parser.add_argument("--increment", type=int, default=150)
    parser.add_argument("--sigma", type=float, default=0.8)
    parser.add_argument("--images", type=int, default=1000)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    found = {}
    for path in sorted(options.directory.iterdir())[: options.images]:
        image = cv2.imread(str(path))
        cv2.imwrite(str(options.out / f"{path.stem}.png"), image)
        search = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
        search.setBaseImage(image)
        fast, quality = search.switchToSelectiveSearchFast, search.switchToSelectiveSearchQuality
        (fast if options.mode == "fast" else quality)(options.base_k, options.increment, options.sigma)
        found[f"{path.stem}.png"] = search.process().tolist()
    (options.out / "boxes.json").write_text(json.dumps(found))
    parameters = f'mode = "{options.mode}"\nbase_k = {float(options.base_k)}\nincrement = {float(options.increment)}\n'
    (options.out / "parameters.toml").write_text(f"{parameters}sigma = {options.sigma}\n")


if __name__ == "__main__":
    main()

"""OpenCV's boxes of every image of a directory, with the pixels that it saw:

    python boxes.py DIRECTORY OUT

writes OUT/NAME.png for each image and OUT/boxes.json, as `univip proposals import` reads it. Sides are x, y, width and
height, in OpenCV's order, which it draws at random.
"""

import json
import sys
from pathlib import Path

import cv2


def main():
    source, out = map(Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    found = {}
    for path in sorted(source.iterdir()):
        image = cv2.imread(str(path))
        cv2.imwrite(str(out / f"{path.stem}.png"), image)
        search = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
        search.setBaseImage(image)
        search.switchToSelectiveSearchFast()
        found[f"{path.stem}.png"] = search.process().tolist()
    (out / "boxes.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()

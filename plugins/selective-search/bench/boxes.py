"""OpenCV's boxes of every image of a directory, as `univip proposals import` reads them:

    python boxes.py DIRECTORY > boxes.json

Sides are x, y, width and height, in OpenCV's order, which it draws at random.
"""

import json
import sys
from pathlib import Path

import cv2


def main():
    found = {}
    for path in sorted(Path(sys.argv[1]).iterdir()):
        search = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
        search.setBaseImage(cv2.imread(str(path)))
        search.switchToSelectiveSearchFast()
        found[path.name] = search.process().tolist()
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()

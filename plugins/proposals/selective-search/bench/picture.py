"""Boxes of ours beside OpenCV's:  python picture.py PROPOSE SHEET OUT

PROPOSE is the example `propose`, SHEET what the example `contact_sheet` drew: composed scenes of 128 pixels. Draws, for
four of them, the first boxes that the limits of the scale `small` keep: shortest side 20, aspect ratio 3, IoU 0.5. Both
sides' boxes are ordered by area, since OpenCV's own order is random.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

COLOURS = [(178, 114, 0), (0, 94, 213), (115, 158, 0), (167, 121, 204), (0, 159, 230), (233, 180, 86)]


def iou(a, b):
    across = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    down = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    shared = max(across, 0) * max(down, 0)
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


def kept(boxes):
    chosen = []
    for box in sorted(boxes, key=lambda box: (-box[2] * box[3], box)):
        if min(box[2:]) >= 20 and max(box[2:]) <= 3 * min(box[2:]) and all(iou(box, one) <= 0.5 for one in chosen):
            chosen.append(box)
    return chosen


def drawn(image, boxes):
    image = cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    for index, (x, y, width, height) in enumerate(boxes):
        end = (2 * (x + width) - 2, 2 * (y + height) - 2)
        cv2.rectangle(image, (2 * x, 2 * y), end, COLOURS[index % len(COLOURS)], 2)
    return cv2.copyMakeBorder(image, 4, 4, 4, 4, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def main():
    propose, sheet, out = sys.argv[1:]
    sheet = cv2.imread(sheet)
    columns = []
    for index in (0, 1, 3, 5):
        scene = np.ascontiguousarray(sheet[:128, index * 128 : (index + 1) * 128])
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "scene.png"
            cv2.imwrite(str(path), scene)
            lines = subprocess.run([propose, "fast", path], check=True, capture_output=True, text=True).stdout
        ours = [tuple(map(int, line.split())) for line in lines.splitlines()[1:]]
        search = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
        search.setBaseImage(scene)
        search.switchToSelectiveSearchFast()
        theirs = [tuple(box) for box in search.process().tolist()]
        print(f"scene {index}: ours {len(ours)}, OpenCV's {len(theirs)}, in both {len(set(ours) & set(theirs))}")
        columns.append(np.vstack([drawn(scene, kept(ours)), drawn(scene, kept(theirs))]))
    # Fewer levels make a file of a third of the size.
    cv2.imwrite(out, np.hstack(columns) // 15 * 15, [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    main()

"""Recall of annotated objects, ours beside OpenCV's, over several draws of the random order:

    cargo build --release -p univip-selective-search --example propose
    python recall.py COCO target/release/examples/propose [--split val2017] [--draws 3] [--seed 1] [--images 1000]

COCO holds SPLIT/ and annotations/instances_SPLIT.json. Both sides see the pixels that OpenCV decoded, search in fast mode
and rank their boxes in the same way, a region's level times a random number: OpenCV by its own random numbers, which are
others at each search and the same at each start, and ours by the seeds from --seed on. Prints Markdown: recall at IoU 0.5 and 0.7 and average best overlap
(ABO) over all objects but crowds, in percent, for the first 100, 500 and all boxes; of each the mean over the draws and,
after the ±, the standard deviation of one draw. The last table is ours in its own order, without a seed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

FIRST = {"first 100": 100, "first 500": 500, "all": None}
MEASURES = ["IoU 0.5", "IoU 0.7", "ABO"]


def overlaps(objects, boxes):
    """IoU of every object with every box; sides are x, y, width, height."""
    objects, boxes = np.array(objects, float)[:, None], np.array(boxes, float)[None]
    low = np.maximum(objects[..., :2], boxes[..., :2])
    high = np.minimum(objects[..., :2] + objects[..., 2:], boxes[..., :2] + boxes[..., 2:])
    shared = np.maximum(high - low, 0).prod(-1)
    return shared / (objects[..., 2:].prod(-1) + boxes[..., 2:].prod(-1) - shared)


def best(objects, boxes):
    """The best overlap of each object among the first boxes: an array [objects, FIRST]."""
    ious = overlaps(objects, boxes)
    return np.stack([ious[:, :count].max(1) for count in FIRST.values()], 1)


def theirs(image):
    search = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
    search.setBaseImage(image)
    search.switchToSelectiveSearchFast()
    return search.process()


def ours(propose, path, seed):
    flags = [] if seed is None else ["--seed", str(seed)]
    run = subprocess.run([propose, "fast", *flags, path], check=True, capture_output=True, text=True)
    return [tuple(map(int, line.split())) for line in run.stdout.splitlines()[1:]]


def percent(found):
    """Of best overlaps [objects, FIRST]: an array [MEASURES, FIRST]."""
    return 100 * np.stack([(found >= 0.5).mean(0), (found >= 0.7).mean(0), found.mean(0)])


def table(title, draws):
    """Of arrays [MEASURES, FIRST], one a draw."""
    mean, spread = np.mean(draws, 0), np.std(draws, 0, ddof=1) if len(draws) > 1 else None
    print(f"\n{title}\n\n| boxes | {' | '.join(MEASURES)} |\n| --- | ---: | ---: | ---: |")
    for column, name in enumerate(FIRST):
        cells = [
            f"{mean[row, column]:.1f}" + ("" if spread is None else f" ± {spread[row, column]:.1f}")
            for row in range(len(MEASURES))
        ]
        print(f"| {name} | {' | '.join(cells)} |")
    return mean


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("coco", type=Path)
    parser.add_argument("propose", type=Path)
    parser.add_argument("--split", default="val2017")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--images", type=int, default=1000)
    options = parser.parse_args()
    propose = options.propose.resolve()
    listing = json.loads((options.coco / f"annotations/instances_{options.split}.json").read_text())
    objects = {}
    for one in listing["annotations"]:
        if not one["iscrowd"]:
            objects.setdefault(one["image_id"], []).append(one["bbox"])
    images = [image for image in listing["images"] if image["id"] in objects][: options.images]
    seeds = range(options.seed, options.seed + options.draws)
    found = {"theirs": [[] for _ in seeds], "ours": [[] for _ in seeds], "by level": [[]]}
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "pixels.png"
        for number, image in enumerate(images, 1):
            pixels = cv2.imread(str(options.coco / options.split / image["file_name"]))
            cv2.imwrite(str(path), pixels)
            boxes = objects[image["id"]]
            for draw, seed in enumerate(seeds):
                found["theirs"][draw].append(best(boxes, theirs(pixels)))
                found["ours"][draw].append(best(boxes, ours(propose, path, seed)))
            found["by level"][0].append(best(boxes, ours(propose, path, None)))
            if sys.stderr.isatty():
                print(f"\r{number} of {len(images)} images", end="", file=sys.stderr)
    draws = {side: [percent(np.concatenate(draw)) for draw in all_draws] for side, all_draws in found.items()}
    count = sum(len(boxes) for boxes in found["by level"][0])
    print(f"{count} objects of {len(images)} images, {options.draws} draws a side, OpenCV {cv2.__version__}")
    peer = table("OpenCV", draws["theirs"])
    mean = table("Ours, ranked as OpenCV does", draws["ours"])
    table("Ours, by level", draws["by level"])
    print(f"\nThe means differ by at most {np.abs(mean - peer).max():.2f} points.")


if __name__ == "__main__":
    main()

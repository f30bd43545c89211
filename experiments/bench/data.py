"""torchvision's side of `cargo xtask bench data`:  python data.py views|"decoding alone" DIRECTORY

Prints one JSON line: the mean seconds an image on one core, and the most memory that took beyond what was there before it.
`views` goes from each JPEG file of the directory to the normalised tensors of two scene views of 224 pixels and four
instances of 96, with the augmentation of `experiments/recipes/base.toml`, composed as UniVIP's reference implementations
do: torchvision's transformations of Pillow's images.
"""

import json
import random
import sys
import time
from pathlib import Path

import PIL
import torch
import torchvision
from PIL import Image, ImageFilter, ImageOps
from torchvision import transforms
from torchvision.transforms import functional

# Images that a case is measured on, at least.
IMAGES = 128


class Blur:
    """Pillow's Gaussian blur; sigma is drawn for a view of 224 pixels."""

    def __init__(self, side):
        self.scale = side / 224

    def __call__(self, image):
        return image.filter(ImageFilter.GaussianBlur(random.uniform(0.1, 2.0) * self.scale))


def augment(side, blur, solarize):
    jitter = transforms.ColorJitter(0.4, 0.4, 0.2, 0.1)
    return transforms.Compose(
        [
            transforms.RandomHorizontalFlip(),
            transforms.RandomApply([jitter], 0.8),
            transforms.RandomGrayscale(0.2),
            transforms.RandomApply([Blur(side)], blur),
            transforms.RandomApply([ImageOps.solarize], solarize),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )


SCENES = [
    transforms.Compose([transforms.RandomResizedCrop(224), augment(224, blur, solarize)])
    for blur, solarize in [(1.0, 0.0), (0.1, 0.2)]
]
INSTANCE = augment(96, 1.0, 0.0)


def views(path):
    """Two scenes and the quarters of the image's middle as four instances, as our side has them."""
    image = Image.open(path).convert("RGB")
    width, height = image.size
    made = [scene(image) for scene in SCENES]
    for row in range(2):
        for column in range(2):
            top, left = height // 4 * (1 + row), width // 4 * (1 + column)
            cut = functional.resized_crop(image, top, left, height // 4, width // 4, [96, 96], antialias=True)
            made.append(INSTANCE(cut))
    return made


def resident(field):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return 0


CASES = {"views": views, "decoding alone": lambda path: Image.open(path).convert("RGB")}


def main():
    case, directory = sys.argv[1:]
    torch.set_num_threads(1)
    random.seed(0)
    torch.manual_seed(0)
    paths = sorted(Path(directory).iterdir())
    CASES[case](paths[0])
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    rounds = -(-IMAGES // len(paths))
    start = time.perf_counter()
    for path in paths * rounds:
        CASES[case](path)
    seconds = (time.perf_counter() - start) / (len(paths) * rounds)
    line = {"case": case, "seconds": seconds, "peak_bytes": max(resident("VmHWM") - before, 0)}
    print(json.dumps(line | {"version": f"torchvision {torchvision.__version__} on Pillow {PIL.__version__}"}))


if __name__ == "__main__":
    main()

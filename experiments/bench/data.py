"""torchvision's side of `cargo xtask bench data`:  python data.py CASE DIRECTORY

Prints one JSON line: the mean seconds an image on one core, and the most memory that took beyond what was there before it.
`views` goes from each JPEG file of the directory to the normalised tensors of two scene views of 224 pixels and four
instances of 96, with the augmentation of `experiments/recipes/base.toml`: torchvision's transformations of Pillow's images.
Both blurs that are in use are measured: torchvision's own, which sums over a kernel of a tenth of the view's side as SimCLR
has it, and Pillow's filter, which repeats box blurs and costs much less.
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


def torchvision_blur(image, sigma):
    return functional.gaussian_blur(image, image.width // 20 * 2 + 1, sigma)


def pillow_blur(image, sigma):
    return image.filter(ImageFilter.GaussianBlur(sigma))


class Blur:
    """A Gaussian blur whose sigma is drawn for a view of 224 pixels."""

    def __init__(self, blur, side):
        self.blur, self.scale = blur, side / 224

    def __call__(self, image):
        return self.blur(image, random.uniform(0.1, 2.0) * self.scale)


def augment(side, blur, blurred, solarized):
    jitter = transforms.ColorJitter(0.4, 0.4, 0.2, 0.1)
    return transforms.Compose(
        [
            transforms.RandomHorizontalFlip(),
            transforms.RandomApply([jitter], 0.8),
            transforms.RandomGrayscale(0.2),
            transforms.RandomApply([Blur(blur, side)], blurred),
            transforms.RandomApply([ImageOps.solarize], solarized),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )


def decode(path):
    return Image.open(path).convert("RGB")


def views(blur):
    """Two scenes and the quarters of the image's middle as four instances, as our side has them."""
    crop = transforms.RandomResizedCrop(224)
    scenes = [transforms.Compose([crop, augment(224, blur, *odds)]) for odds in [(1.0, 0.0), (0.1, 0.2)]]
    instance = augment(96, blur, 1.0, 0.0)

    def make(path):
        image = decode(path)
        width, height = image.size
        made = [scene(image) for scene in scenes]
        for row in range(2):
            for column in range(2):
                top, left = height // 4 * (1 + row), width // 4 * (1 + column)
                cut = functional.resized_crop(image, top, left, height // 4, width // 4, [96, 96], antialias=True)
                made.append(instance(cut))
        return made

    return make


def resident(field):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return 0


CASES = {
    "views with torchvision's blur": views(torchvision_blur),
    "views with Pillow's blur": views(pillow_blur),
    "decoding alone": decode,
}


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

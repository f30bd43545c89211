"""Makes train.png and val.png from the four IDX files of Fashion-MNIST.

    apt-get download dataset-fashion-mnist && dpkg-deb -x dataset-fashion-mnist_*.deb fm
    python make.py fm/usr/share/datasets/fashion-mnist

Each sheet holds the first items of every class in the order of the original file, 100 a row of the
sheet, one class after the other: 1,200 a class of the training file, 200 a class of the test file.
Pixels are unchanged. Made with Python 3.11, numpy 2.4 and zlib 1.2.13; another zlib may pack the same
pixels into other bytes.
"""

import gzip
import hashlib
import pathlib
import struct
import sys
import zlib

import numpy as np

SIDE, ROW = 28, 100


def idx(path, header, shape):
    return np.frombuffer(gzip.open(path).read(), np.uint8, offset=header).reshape(shape)


def sheet(source, name, per_class):
    images = idx(source / f"{name}-images-idx3-ubyte.gz", 16, (-1, SIDE, SIDE))
    labels = idx(source / f"{name}-labels-idx1-ubyte.gz", 8, (-1,))
    chosen = np.concatenate([images[labels == c][:per_class] for c in range(10)])
    return chosen.reshape(-1, ROW, SIDE, SIDE).transpose(0, 2, 1, 3).reshape(-1, ROW * SIDE)


def png(pixels):
    """An 8-bit grey PNG, every row with the Paeth filter: smaller here than any other one filter."""
    height, width = pixels.shape
    here = pixels.astype(np.int16)
    above, left, corner = (np.zeros_like(here) for _ in range(3))
    above[1:], left[:, 1:], corner[1:, 1:] = here[:-1], here[:, :-1], here[:-1, :-1]
    guess = above + left - corner
    to_left, to_above, to_corner = (abs(guess - other) for other in (left, above, corner))
    nearest = np.where(
        (to_left <= to_above) & (to_left <= to_corner), left, np.where(to_above <= to_corner, above, corner)
    )
    filtered = np.insert((here - nearest).astype(np.uint8), 0, 4, axis=1)
    packer = zlib.compressobj(9, zlib.DEFLATED, 15, 9, zlib.Z_FILTERED)
    packed = packer.compress(filtered.tobytes()) + packer.flush()

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


if __name__ == "__main__":
    for split, name, per_class in (("train", "train", 1200), ("val", "t10k", 200)):
        pixels = sheet(pathlib.Path(sys.argv[1]), name, per_class)
        file = pathlib.Path(__file__).with_name(f"{split}.png")
        file.write_bytes(png(pixels))
        print(file.name, file.stat().st_size, "bytes; SHA-256 of the pixels:", hashlib.sha256(pixels.tobytes()).hexdigest())

"""OpenCV's side of `cargo xtask bench proposals`:  python opencv.py fast|quality DIRECTORY

Prints one JSON line: the mean seconds an image on one core, over the images of the directory, and the most memory that
the search of one of them took beyond what was there before it.
"""

import json
import sys
import time
from pathlib import Path

import cv2


def resident(field):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return 0


def main():
    case, directory = sys.argv[1:]
    cv2.setNumThreads(1)
    seconds, peak = [], 0
    for path in sorted(Path(directory).iterdir()):
        image = cv2.imread(str(path))
        Path("/proc/self/clear_refs").write_text("5")
        before = resident("VmRSS")
        start = time.perf_counter()
        search = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
        search.setBaseImage(image)
        {"fast": search.switchToSelectiveSearchFast, "quality": search.switchToSelectiveSearchQuality}[case]()
        search.process()
        seconds.append(time.perf_counter() - start)
        peak = max(peak, resident("VmHWM") - before)
    line = {"case": case, "seconds": sum(seconds) / len(seconds), "peak_bytes": peak}
    print(json.dumps(line | {"version": f"OpenCV {cv2.__version__}"}))


if __name__ == "__main__":
    main()

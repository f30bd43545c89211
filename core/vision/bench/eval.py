"""The peers' side of `cargo xtask bench eval`:  python eval.py "boxes beside pycocotools" DIRECTORY

Prints one JSON line: the seconds from loaded annotations and detections (`files`: from the files) to the twelve numbers, on
one core, and the most memory that it took beyond what was there before it.
"""

import contextlib
import io
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path


def resident(field):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return 0


def tools(peer):
    if peer == "pycocotools":
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        return COCO, COCOeval
    from faster_coco_eval import COCO, COCOeval_faster

    return COCO, COCOeval_faster


def main():
    case, directory = sys.argv[1:]
    what, peer = case.split(" beside ")
    kind, name = ("segm", "masks") if what == "masks" else ("bbox", "boxes")
    coco_class, evaluation_class = tools(peer)

    def read():
        coco = coco_class(str(Path(directory) / f"{name}-instances.json"))
        return coco, coco.loadRes(str(Path(directory) / f"{name}-results.json"))

    with contextlib.redirect_stdout(io.StringIO()):
        loaded = None if what == "files" else read()
        Path("/proc/self/clear_refs").write_text("5")
        before, start = resident("VmRSS"), time.perf_counter()
        evaluation = evaluation_class(*(loaded or read()), kind)
        # faster-coco-eval's own.
        evaluation.rle_iou_max_workers = 1
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        seconds = time.perf_counter() - start
    line = {"case": case, "seconds": seconds, "peak_bytes": resident("VmHWM") - before}
    print(json.dumps(line | {"version": f"{peer} {version(peer)}", "ap": float(evaluation.stats[0])}))


if __name__ == "__main__":
    main()

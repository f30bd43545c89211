#!/usr/bin/env python3
"""Writes the tables of small-settings.md from small-settings.csv: python3 docs/small-settings.py

A line of the CSV is a run, or a detector on one. `set` has what it changes of the scale, separated by blanks.
"""

import csv
import pathlib

HERE = pathlib.Path(__file__).parent
BEGIN, END = "<!-- tables: small-settings.py writes them -->", "<!-- end of tables -->"


def table(header, rows):
    align = ["---" if column in ("scale", "row", "changed", "measured by") else "---:" for column in header]
    lines = ["| " + " | ".join(cells) + " |" for cells in [header, align, *rows]]
    return "\n".join(lines)


def shown(settings):
    """Settings by their last two names; those of both views once."""
    parts = [part.split("=", 1) for part in settings.split() if ".view2." not in part]
    names = [(".".join(key.replace(".view1", "").split(".")[-2:]), value) for key, value in parts]
    return ", ".join(f"`{name} = {value}`" for name, value in names) or "nothing"


def runs(lines):
    cells = [
        [line["scale"], line["row"], line["seed"], shown(line["set"]), *(line[key] or "–" for key in ("top1", "knn", "rank"))]
        for line in lines
    ]
    return table(["scale", "row", "seed", "changed", "top-1", "k-NN", "rank"], cells)


def detectors(lines):
    cells = [
        [line["scale"], line["row"], line["seed"], shown(line["set"]), shown(line["detection"]), line["ap_bb"], line["ap_mk"]]
        for line in lines
    ]
    return table(["scale", "row", "seed", "changed", "measured by", "AP^bb", "AP^mk"], cells)


def main():
    with open(HERE / "small-settings.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    page = HERE / "small-settings.md"
    before, rest = page.read_text().split(BEGIN)
    _, after = rest.split(END)
    icons = runs([line for line in lines if not line["detection"]])
    scenes = detectors([line for line in lines if line["detection"]])
    titles = f"### Icons\n\n{icons}\n\n### Detection\n\n{scenes}"
    page.write_text(f"{before}{BEGIN}\n\n{titles}\n\n{END}{after}")


main()

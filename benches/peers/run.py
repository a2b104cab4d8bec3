#!/usr/bin/env python3
"""Compares `nin` with other frameworks: `python3 benches/peers/run.py` prints the table of the README.

Needs a Python with `requirements.txt` installed, and cargo. Each side is a process that waits for orders; the
sides take short turns, round after round, so that whatever else the machine does hits all of them alike. The
figures are medians: milliseconds of all runs, ratios of all rounds. On a machine that others share, the ratio of
what ran within a second or two says more than that of two medians.
"""

import argparse
import importlib.metadata
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent

PYTHON = ["onnxruntime", "openvino", "pytorch-channels-last", "pytorch"]
RUST = ["tract", "rten", "burn", "candle"]
WORK = [(net, *work) for net in ("d2l", "small")
        for work in (("forward", 1), ("forward", 16), ("train", 16))]


def target_folder():
    metadata = subprocess.run(["cargo", "metadata", "--no-deps", "--format-version", "1"],
                              cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return pathlib.Path(json.loads(metadata.stdout)["target_directory"])


TARGET = target_folder()
BUILD = TARGET / "peers"
ONNX = BUILD / "onnx"


def build(sides):
    """Builds what the sides need."""
    command = ["cargo", "build", "--release", "--target-dir", BUILD]
    subprocess.run(command, cwd=HERE / "nin", check=True)
    subprocess.run([sys.executable, HERE / "peers.py", "export", ONNX], check=True)
    if set(sides) & set(RUST):
        subprocess.run(command, cwd=HERE / "rust", check=True)


class Side:
    """A process that times one framework with so many threads."""

    def __init__(self, name, threads):
        if name == "nin":
            command = [BUILD / "release" / "nin-speed"]
        elif name in RUST:
            command = [BUILD / "release" / "nin-peers", name, ONNX]
        else:
            command = [sys.executable, HERE / "peers.py", name, ONNX, str(threads)]
        variables = ("NIN_THREADS", "RAYON_NUM_THREADS", "RTEN_NUM_THREADS", "OMP_NUM_THREADS")
        environment = os.environ | {variable: str(threads) for variable in variables}
        self.name, self.threads = name, threads
        self.process = subprocess.Popen(command, env=environment, text=True, bufsize=1,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def time(self, net, work, batch, count):
        """The milliseconds of each of `count` runs, or None."""
        print(net, work, batch, count, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.name} ended while it ran {net} {work} {batch}")
        # Threads of some frameworks keep waiting busily for a while.
        time.sleep(0.05)
        return json.loads(answer)


def compare(sides, rounds, budget):
    """Of each work by each side that can do it, the median time and the median ratio to the first side.

    A round goes through all work, so that a time in which the machine is slow hits a part of each figure's
    runs and not all runs of one figure. The sides' order changes from round to round.
    """
    counts, times = {}, {}
    for work in WORK:
        for side in sides:
            first = side.time(*work, 1)
            if first:
                counts[work, side] = max(1, min(200, int(budget * 1e3 / rounds / first[0])))
                times[work, side] = []
    for number in range(1, rounds + 1):
        for work in WORK:
            able = [side for side in sides if (work, side) in counts]
            for side in able if number % 2 else reversed(able):
                times[work, side].append(side.time(*work, counts[work, side]))
        print(f"round {number} of {rounds}", file=sys.stderr, flush=True)
    results = {}
    for (work, side), turns in times.items():
        own = times[work, sides[0]]
        ratios = [statistics.median(turn) / statistics.median(by) for turn, by in zip(turns, own)]
        results[work, side] = statistics.median(sum(turns, [])), statistics.median(ratios)
    return results


def version(name):
    """The version of a side."""
    if name == "nin":
        manifest = (ROOT / "Cargo.toml").read_text()
        return re.search(r'^version = "(.*)"', manifest, re.MULTILINE)[1]
    if name in RUST:
        package = {"tract": "tract-onnx", "candle": "candle-core"}.get(name, name)
        lock = (HERE / "rust" / "Cargo.lock").read_text()
        return re.search(rf'name = "{package}"\nversion = "(.*)"', lock)[1]
    return importlib.metadata.version({"onnxruntime": "onnxruntime", "openvino": "openvino"}.get(name, "torch"))


def processor():
    try:
        information = pathlib.Path("/proc/cpuinfo").read_text()
        return re.search(r"model name\s*:\s*(.*)", information)[1]
    except (OSError, TypeError):
        return platform.processor() or platform.machine()


def milliseconds(value):
    """Three digits that count."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def print_table(names, results, threads):
    """Milliseconds, and in brackets how many times as long as `nin` a side takes."""
    titles = [f"{net}, {work}, {batch}" for net, work, batch in WORK]
    print(f"\n{threads} thread{'s' * (threads > 1)}, milliseconds (times nin's):\n")
    print("| | " + " | ".join(titles) + " |")
    print("|---|" + "---|" * len(titles))
    for name in names:
        cells = []
        for work in WORK:
            value, ratio = results.get((threads, work, name), (None, None))
            if value is None:
                cells.append("–")
            elif name == "nin":
                cells.append(f"**{milliseconds(value)}**")
            else:
                cells.append(f"{milliseconds(value)} ({ratio:.2f}×)")
        print(f"| {name} {version(name)} | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sides", nargs="+", default=PYTHON + RUST, choices=PYTHON + RUST)
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=20, help="how often each side takes its turn")
    parser.add_argument("--budget", type=float, default=2.0, help="seconds for each figure")
    options = parser.parse_args()
    names = ["nin", *options.sides]
    build(options.sides)
    results = {}
    for threads in options.threads:
        sides = [Side(name, threads) for name in names]
        for (work, side), (median, ratio) in compare(sides, options.rounds, options.budget).items():
            results[threads, work, side.name] = median, ratio
            line = dict(zip(("net", "work", "batch"), work))
            line |= {"threads": threads, "side": side.name, "ms": round(median, 4), "ratio": round(ratio, 3)}
            print(json.dumps(line), file=sys.stderr, flush=True)
        for side in sides:
            side.process.stdin.close()
            side.process.wait()
    print(f"{processor()}, f32, medians; {platform.system()}, Python {platform.python_version()}")
    for threads in options.threads:
        print_table(names, results, threads)


if __name__ == "__main__":
    main()

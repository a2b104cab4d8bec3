"""Cuts the class-balanced subset of this folder out of the full Fashion-MNIST.

    python3 subset.py DIR

DIR holds the four original IDX files, gzip-compressed. Only Python's standard library is used, so the
same input gives the same bytes everywhere (the compressed ones too, with the same zlib).
"""

import gzip
import pathlib
import random
import struct
import sys

CLASSES = 10
SEED = 2017  # The year in which the data set appeared.
SPLITS = {"train": 600, "t10k": 100}  # Images kept of each class.


def read(path, magic, dimensions):
    data = gzip.decompress(path.read_bytes())
    found, *shape = struct.unpack_from(f">{1 + dimensions}I", data)
    assert found == magic, f"{path}: magic {found}, expected {magic}"
    return shape, data[4 * (1 + dimensions) :]


def write(path, magic, shape, body):
    header = struct.pack(f">{1 + len(shape)}I", magic, *shape)
    # No time stamp and no file name: the bytes depend on the content alone.
    path.write_bytes(gzip.compress(header + body, compresslevel=9, mtime=0))


def choose(labels, per_class, rng):
    """Indices of `per_class` images of each class, in random order."""
    order = list(range(len(labels)))
    rng.shuffle(order)
    room = [per_class] * CLASSES
    chosen = []
    for i in order:
        if room[labels[i]] > 0:
            room[labels[i]] -= 1
            chosen.append(i)
    assert not any(room), f"a class has fewer than {per_class} images"
    return chosen


def main():
    source = pathlib.Path(sys.argv[1])
    target = pathlib.Path(__file__).parent
    rng = random.Random(SEED)
    for split, per_class in SPLITS.items():
        images_name = f"{split}-images-idx3-ubyte.gz"
        labels_name = f"{split}-labels-idx1-ubyte.gz"
        (_, rows, columns), pixels = read(source / images_name, 2051, 3)
        _, labels = read(source / labels_name, 2049, 1)
        chosen = choose(labels, per_class, rng)
        size = rows * columns
        body = b"".join(pixels[i * size : (i + 1) * size] for i in chosen)
        write(target / images_name, 2051, (len(chosen), rows, columns), body)
        write(target / labels_name, 2049, (len(chosen),), bytes(labels[i] for i in chosen))
        print(f"{split}: {len(chosen)} images")


if __name__ == "__main__":
    main()

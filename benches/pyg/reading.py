#!/usr/bin/env python3
"""PyTorch Geometric's side of `cargo bench --bench reading`: its own processing of the same raw files.

    python benches/pyg/reading.py DATA           every set
    python benches/pyg/reading.py DATA cora DD   sets whose name contains a word

DATA holds the raw files as published: TU sets in `tu/NAME/` or `tu/NAME.zip`, Planetoid sets in `planetoid/NAME/`, the triples of FB15k-237
in `kg/FB15k-237/`. Nothing is downloaded. Needs torch and torch_geometric.

A set is read from plain files (archives and packed files are unpacked before the clock starts, which hgnnc does while it reads) five times
or for twenty seconds, on one thread; a line is printed for each set as JSON, with the median and the shortest time and the median of the
processor's time, which other work on the machine changes little. What is timed is what
`process` does but for writing the result: `read_tu_data`, `read_planetoid_data`, and the loops of `FB15k_237.process`.
"""
import gzip
import json
import os
import statistics
import sys
import tempfile
import time
import warnings
import zipfile

warnings.filterwarnings("ignore")

TU = ["MUTAG", "ENZYMES", "PROTEINS", "AIDS", "DD", "REDDIT-BINARY"]
PLANETOID = ["cora"]
TRIPLES = ["FB15k-237"]


def unpacked(data, name, place):
    """The folder of a TU set, its archive unpacked into `place`."""
    folder = os.path.join(data, "tu", name)
    if os.path.isdir(folder):
        return folder
    archive = folder + ".zip"
    if not os.path.isfile(archive):
        return None
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(place)
    return os.path.join(place, name)


def triples(paths):
    """`torch_geometric.datasets.FB15k_237.process` without its `save`."""
    import torch
    from torch_geometric.data import Data

    data_list, node_dict, rel_dict = [], {}, {}
    for path in paths:
        with open(path) as f:
            lines = [x.split("\t") for x in f.read().split("\n")[:-1]]
        edge_index = torch.empty((2, len(lines)), dtype=torch.long)
        edge_type = torch.empty(len(lines), dtype=torch.long)
        for i, (src, rel, dst) in enumerate(lines):
            if src not in node_dict:
                node_dict[src] = len(node_dict)
            if dst not in node_dict:
                node_dict[dst] = len(node_dict)
            if rel not in rel_dict:
                rel_dict[rel] = len(rel_dict)
            edge_index[0, i] = node_dict[src]
            edge_index[1, i] = node_dict[dst]
            edge_type[i] = rel_dict[rel]
        data_list.append(Data(edge_index=edge_index, edge_type=edge_type))
    for data in data_list:
        data.num_nodes = len(node_dict)
    return data_list


def measure(name, read):
    walls, works, begin = [], [], time.perf_counter()
    while len(walls) < 5 and (not walls or time.perf_counter() - begin < 20):
        start, worked = time.perf_counter(), time.process_time()
        read()
        walls.append(1e3 * (time.perf_counter() - start))
        works.append(1e3 * (time.process_time() - worked))
    # The first reading fills the system's cache of files, and Python's of its own code.
    walls, works = walls[1:] or walls, works[1:] or works
    found = {
        "set": name,
        "median_ms": statistics.median(walls),
        "best_ms": min(walls),
        "processor_ms": statistics.median(works),
    }
    print(json.dumps(found), flush=True)


def main():
    data, words = sys.argv[1], sys.argv[2:]
    import torch
    from torch_geometric.io import read_planetoid_data, read_tu_data

    torch.set_num_threads(1)
    is_asked = lambda name: not words or any(word in name for word in words)
    with tempfile.TemporaryDirectory() as place:
        for name in filter(is_asked, TU):
            folder = unpacked(data, name, place)
            if folder:
                measure(name, lambda: read_tu_data(folder, name))
        for name in filter(is_asked, PLANETOID):
            folder = os.path.join(data, "planetoid", name)
            if os.path.isdir(folder):
                measure(name, lambda: read_planetoid_data(folder, name))
        for name in filter(is_asked, TRIPLES):
            paths = []
            for part in ["train", "valid", "test"]:
                packed = os.path.join(data, "kg", name, part + ".txt.gz")
                if os.path.isfile(packed):
                    paths.append(os.path.join(place, part + ".txt"))
                    with gzip.open(packed) as source, open(paths[-1], "wb") as out:
                        out.write(source.read())
            if len(paths) == 3:
                measure(name, lambda: triples(paths))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""PyTorch Geometric's side of `cargo bench --bench epochs` and of the aggregations of `--bench operators`.

    python benches/pyg/epochs.py DATA                 every case, each in a process of its own
    python benches/pyg/epochs.py DATA gine aggregate  cases whose name contains a word

DATA holds the raw files of the TU sets in `tu/NAME/` or `tu/NAME.zip` and, in `kg/FB15k-237/`, the triples of FB15k-237.
Nothing is downloaded. Needs torch, torch_geometric and scipy.

An epoch is forward, loss, backward and a step of Adam over all graphs. Every form of a case that PyG has is run (the
loader in the time or batches made beforehand; edge index, edges sorted by target, torch's CSR), and the fastest is the
one that counts. A line is printed for each form as JSON, with the peak of the resident memory above what the imports
take.
"""
import gzip
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile

THREADS = 2
HEADS, WIDTH = 4, 64
N_NODES, N_EDGES = 100_000, 1_000_000


def gin(features, edge_features, classes, _):
    from torch import nn
    from torch_geometric.nn import MLP, GINConv, global_add_pool

    class Net(nn.Module):
        """Five layers with batch norm inside of the MLPs, sum, MLP."""

        def __init__(self):
            super().__init__()
            widths = [features] + [WIDTH] * 4
            self.convs = nn.ModuleList([GINConv(MLP([width, WIDTH, WIDTH])) for width in widths])
            self.mlp = MLP([WIDTH, WIDTH, classes], norm=None, dropout=0.5)

        def forward(self, b, adj):
            x = b.x
            for conv in self.convs:
                x = conv(x, adj).relu()
            return self.mlp(global_add_pool(x, b.batch, b.num_graphs))

    return Net()


def with_edges(make):
    """Layers that read edge features, each with a relu behind it; mean, linear."""

    def build(features, edge_features, classes, degrees):
        from torch import nn
        from torch_geometric.nn import global_mean_pool

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.convs = nn.ModuleList(make(features, edge_features, degrees))
                self.lin = nn.Linear(WIDTH, classes)

            def forward(self, b, adj):
                x = b.x
                for conv in self.convs:
                    x = (conv(x, adj) if edge_features is None else conv(x, adj, b.edge_attr)).relu()
                return self.lin(global_mean_pool(x, b.batch, b.num_graphs))

        return Net()

    return build


def gat(features, edge_features, _):
    from torch_geometric.nn import GATConv
    return [GATConv(width, WIDTH // HEADS, HEADS, edge_dim=edge_features) for width in (features, WIDTH)]


def gatv2(features, edge_features, _):
    from torch_geometric.nn import GATv2Conv
    return [GATv2Conv(width, WIDTH // HEADS, HEADS, edge_dim=edge_features) for width in (features, WIDTH)]


def gine(features, edge_features, _):
    from torch_geometric.nn import MLP, GINEConv
    return [GINEConv(MLP([width, WIDTH, WIDTH], norm=None), edge_dim=edge_features)
            for width in (features, WIDTH, WIDTH)]


def nn_conv(features, edge_features, _):
    from torch_geometric.nn import MLP, NNConv
    return [NNConv(width, WIDTH, MLP([edge_features, 16, width * WIDTH], norm=None), aggr="mean")
            for width in (features, WIDTH)]


def pna(features, _, degrees):
    from torch_geometric.nn import PNAConv
    return [PNAConv(width, WIDTH, ["mean", "min", "max", "std"], ["identity", "amplification", "attenuation"],
                    degrees) for width in (features, WIDTH, WIDTH)]


# Name: model, TU set, whether edge features are read, graphs of a batch, graph forms.
GRAPHS = {}
for name in ("proteins", "enzymes", "mutag"):
    GRAPHS[f"gin/{name}"] = (gin, name.upper(), False, 32, ("edge index", "csr"))
for name, make in (("gat", gat), ("gatv2", gatv2), ("gine", gine), ("nn_conv", nn_conv)):
    GRAPHS[f"{name}/aids"] = (with_edges(make), "AIDS", True, 64, ("edge index", "sorted"))
for name, make in (("gine", gine), ("nn_conv", nn_conv)):
    GRAPHS[f"{name}/mutag"] = (with_edges(make), "MUTAG", True, 32, ("edge index", "sorted"))
GRAPHS["pna/proteins"] = (with_edges(pna), "PROTEINS", False, 64, ("edge index", "sorted"))


def forms():
    for name, (*_, layouts) in GRAPHS.items():
        for layout in layouts:
            yield from ((name, f"{layout}, {batches}") for batches in ("loader", "prepared"))
    for bases in ("30 bases", "no bases"):
        name = f"rgcn/fb15k237 {bases}"
        yield from ((name, form) for form in ("RGCNConv", "RGCNConv, sorted", "FastRGCNConv"))
    for how in ("sum", "mean", "max", "softmax"):
        layouts = ("edge index", "sorted", "EdgeIndex") + (("csr",) if how != "softmax" else ())
        yield from ((f"aggregate {how}", layout) for layout in layouts)


def tu(data, name):
    from torch_geometric.datasets import TUDataset
    root = os.path.join(tempfile.gettempdir(), "pyg_epochs")
    raw = os.path.join(root, name, "raw")
    if not os.path.isdir(raw):
        folder = os.path.join(data, "tu", name)
        os.makedirs(raw)
        if os.path.isdir(folder):
            for entry in os.listdir(folder):
                if entry.startswith(name + "_"):
                    shutil.copyfile(os.path.join(folder, entry), os.path.join(raw, entry))
        else:
            with zipfile.ZipFile(folder + ".zip") as archive:
                for entry in archive.namelist():
                    base = os.path.basename(entry)
                    if base.startswith(name + "_"):
                        with archive.open(entry) as source, open(os.path.join(raw, base), "wb") as to:
                            shutil.copyfileobj(source, to)
    return TUDataset(root, name)


def median_s(run, least=5, seconds=2.0, limit=60.0):
    run()
    times, began = [], time.monotonic()
    while not times or time.monotonic() - began < seconds or (len(times) < least and time.monotonic() - began < limit):
        start = time.monotonic()
        run()
        times.append(time.monotonic() - start)
    return statistics.median(times)


def run_graphs(data, name, form):
    import torch
    import torch.nn.functional as F
    import torch_geometric.transforms as T
    from torch_geometric.loader import DataLoader
    from torch_geometric.utils import degree

    make, set_name, reads_edges, size, _ = GRAPHS[name]
    layout, batching = form.split(", ")
    graphs = tu(data, set_name)
    degrees = torch.zeros(1, dtype=torch.long)
    if name.startswith("pna"):
        of_nodes = torch.cat([degree(g.edge_index[1], g.num_nodes, torch.long) for g in graphs])
        degrees = torch.bincount(of_nodes)
    edge_features = graphs.num_edge_features if reads_edges else None
    graphs.transform = {"csr": T.ToSparseTensor(layout=torch.sparse_csr, attr=None),
                        "sorted": T.SortByTarget() if hasattr(T, "SortByTarget") else sort_by_target,
                        "edge index": None}[layout]
    model = make(graphs.num_features, edge_features, graphs.num_classes, degrees)
    adam = torch.optim.Adam(model.parameters(), lr=0.01)
    made = list(DataLoader(graphs, size, shuffle=True)) if batching == "prepared" else None

    def adj(b):
        return b.adj_t if layout == "csr" else b.edge_index

    def epoch():
        model.train()
        for b in made or DataLoader(graphs, size, shuffle=True):
            adam.zero_grad()
            F.cross_entropy(model(b, adj(b)), b.y).backward()
            adam.step()

    def infer():
        model.eval()
        with torch.no_grad():
            for b in made or DataLoader(graphs, size):
                model(b, adj(b))

    return median_s(epoch), median_s(infer)


def sort_by_target(graph):
    from torch_geometric.utils import sort_edge_index
    if graph.edge_attr is None:
        graph.edge_index = sort_edge_index(graph.edge_index, sort_by_row=False)
    else:
        graph.edge_index, graph.edge_attr = sort_edge_index(graph.edge_index, graph.edge_attr, sort_by_row=False)
    return graph


def run_relations(data, name, form):
    """Two layers over random features, full batch; the loss is the mean of the squares."""
    import torch
    from torch_geometric.nn import FastRGCNConv, RGCNConv
    from torch_geometric.utils import sort_edge_index

    entities, relations, rows = {}, {}, []
    path = os.path.join(data, "kg", "FB15k-237", "train.txt")
    opened = open(path, encoding="utf-8") if os.path.isfile(path) else gzip.open(path + ".gz", "rt", encoding="utf-8")
    with opened as lines:
        for line in lines:
            head, relation, tail = line.split()
            rows.append((entities.setdefault(head, len(entities)), relations.setdefault(relation, len(relations)),
                         entities.setdefault(tail, len(entities))))
    triples = torch.tensor(rows)
    edges, kinds = triples[:, [0, 2]].t().contiguous(), triples[:, 1].contiguous()
    if form.endswith("sorted"):
        edges, kinds = sort_edge_index(edges, kinds, sort_by_row=False)
    conv = FastRGCNConv if form == "FastRGCNConv" else RGCNConv
    bases = 30 if name.endswith(" 30 bases") else None
    x = torch.randn(len(entities), WIDTH)
    first, second = (conv(WIDTH, WIDTH, len(relations), num_bases=bases) for _ in range(2))
    adam = torch.optim.Adam([*first.parameters(), *second.parameters()], lr=0.01)

    def forward():
        return second(first(x, edges, kinds).relu(), edges, kinds)

    def epoch():
        adam.zero_grad()
        forward().pow(2).mean().backward()
        adam.step()

    def infer():
        with torch.no_grad():
            forward()

    return median_s(epoch), median_s(infer)


def run_aggregation(_, name, form):
    """One aggregation over a random graph; training is forward and backward from a given gradient."""
    import torch
    from torch_geometric import EdgeIndex
    from torch_geometric.nn import SimpleConv, SoftmaxAggregation
    from torch_geometric.utils import coalesce, to_torch_csr_tensor

    generator = torch.Generator().manual_seed(0)
    edges = coalesce(torch.randint(N_NODES, (2, N_EDGES), generator=generator), sort_by_row=False)
    if form == "edge index":
        edges = edges[:, torch.randperm(edges.size(1), generator=generator)]
    adj = {"csr": lambda: to_torch_csr_tensor(coalesce(edges.flip(0)), size=(N_NODES, N_NODES)),
           "EdgeIndex": lambda: EdgeIndex(edges, sparse_size=(N_NODES, N_NODES), sort_order="col").fill_cache_(),
           }.get(form, lambda: edges)()
    how = name.split()[-1]
    conv = SimpleConv(aggr=SoftmaxAggregation() if how == "softmax" else how, combine_root=None)
    x = torch.randn(N_NODES, WIDTH, generator=generator, requires_grad=True)
    given = torch.randn(N_NODES, WIDTH, generator=generator)

    def both():
        x.grad = None
        conv(x, adj).backward(given)

    def forward():
        with torch.no_grad():
            conv(x, adj)

    return median_s(both), median_s(forward)


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def one(data, name, form):
    import torch
    import torch_geometric.loader  # noqa: F401
    import torch_geometric.nn  # noqa: F401
    torch.set_num_threads(THREADS)
    imports = peak_mb()
    run = run_graphs if name in GRAPHS else run_relations if name.startswith("rgcn") else run_aggregation
    train, infer = run(data, name, form)
    print(json.dumps({"case": name, "form": form, "train_ms": round(train * 1e3, 2),
                      "infer_ms": round(infer * 1e3, 2), "mb_above_imports": round(peak_mb() - imports)}), flush=True)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if sys.argv[1] == "--one":
        return one(*sys.argv[2:])
    data, words = sys.argv[1], sys.argv[2:]
    for name, form in forms():
        if not words or any(word in name for word in words):
            done = subprocess.run([sys.executable, "-W", "ignore", __file__, "--one", data, name, form],
                                  capture_output=True, text=True)
            last = (done.stderr.strip().splitlines() or ["killed"])[-1]
            print(done.stdout.strip() or json.dumps({"case": name, "form": form, "failed": last}), flush=True)


main()

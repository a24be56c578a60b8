"""Writes encodings.json: features of small graphs by transforms of torch_geometric."""
import json
import torch
import torch_geometric
from torch_geometric.data import Data
from torch_geometric import transforms as T

torch.manual_seed(0)


def both(pairs):
    return [list(p) for p in pairs] + [[b, a] for a, b in pairs]


GRAPHS = {
    # A ring with a tail and a chord: no symmetry.
    "lollipop": (9, both([(0, 1), (1, 2), (2, 3), (3, 4), (4, 0), (1, 3), (4, 5), (5, 6), (6, 7), (6, 8)])),
    "path": (6, both([(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)])),
    # Loops, which the Laplacian leaves out and walks follow.
    "looped": (5, both([(0, 1), (1, 2), (2, 3), (3, 4), (1, 4)]) + [[2, 2], [4, 4]]),
    # Parallel edges, which degrees and the Laplacian add up.
    "parallel": (5, both([(0, 1), (0, 1), (1, 2), (2, 3), (3, 4), (4, 1), (3, 4), (3, 4)])),
}
K = 3
STEPS = 6
out = {"versions": {"torch": torch.__version__, "torch_geometric": torch_geometric.__version__}, "graphs": {}}
for name, (n, edges) in GRAPHS.items():
    edge_index = torch.tensor(edges).t().contiguous()
    data = lambda **more: Data(edge_index=edge_index, num_nodes=n, **more)
    lap = T.AddLaplacianEigenvectorPE(K, attr_name="pe", is_undirected=True)(data()).pe
    entry = {"n_nodes": n, "edges": edges, "laplacian": lap.tolist()}
    if name != "parallel":
        entry["random_walk"] = T.AddRandomWalkPE(STEPS, attr_name="pe")(data()).pe.tolist()
    entry["degree_profile"] = T.LocalDegreeProfile()(data()).x.tolist()
    entry["degree"] = T.OneHotDegree(12, in_degree=True)(data()).x.tolist()
    x = torch.arange(n * 3, dtype=torch.float).view(n, 3)
    entry["normalized"] = T.NormalizeFeatures()(data(x=x)).x.tolist()
    out["graphs"][name] = entry
json.dump(out, open("encodings.json", "w"), separators=(",", ":"))

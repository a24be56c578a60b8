"""Writes grams.json and machines.json: Gram matrices and support vector machines of other libraries, which tests compare with.

GraKeL 0.1.11 (Weisfeiler-Lehman, optimal assignment, shortest path), scikit-learn 1.9.1 (SVC on precomputed kernels, LIBSVM);
graphlets by trying every set of nodes with networkx 3.6.1, which tells labelled graphs apart by isomorphism.

    python make.py
"""

import itertools
import json
import random

import networkx as nx
import numpy as np
from grakel import Graph, ShortestPath, VertexHistogram, WeisfeilerLehman, WeisfeilerLehmanOptimalAssignment
from networkx.algorithms.isomorphism import GraphMatcher, categorical_node_match
from sklearn.svm import SVC

rng = random.Random(7)


def random_graph(n, m, n_labels):
    edges = set()
    while len(edges) < m:
        a, b = rng.sample(range(n), 2)
        edges.add((min(a, b), max(a, b)))
    return {"n": n, "edges": sorted(edges), "labels": [rng.randrange(n_labels) for _ in range(n)]}


graphs = [random_graph(n, m, 3) for n, m in [(5, 6), (6, 7), (7, 8), (8, 11), (9, 14), (6, 5), (7, 12)]]
# A ring of six and two triangles, which refinement does not tell apart; a path; a node that nothing leads to.
graphs.append({"n": 6, "edges": [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (0, 5)], "labels": [0] * 6})
graphs.append({"n": 6, "edges": [(0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5)], "labels": [0] * 6})
graphs.append({"n": 5, "edges": [(0, 1), (1, 2), (2, 3)], "labels": [0, 1, 2, 1, 0]})


def grakel_graphs():
    for graph in graphs:
        edges = [edge for a, b in graph["edges"] for edge in [(a, b), (b, a)]]
        adjacency = np.zeros((graph["n"], graph["n"]))
        for a, b in edges:
            adjacency[a, b] = 1
        yield Graph(adjacency, node_labels=dict(enumerate(graph["labels"])))


def graphlets(k):
    kinds, counts = [], []
    for graph in graphs:
        whole = nx.Graph()
        whole.add_nodes_from((node, {"label": label}) for node, label in enumerate(graph["labels"]))
        whole.add_edges_from(graph["edges"])
        row = {}
        for nodes in itertools.combinations(range(graph["n"]), k):
            part = whole.subgraph(nodes)
            if not nx.is_connected(part):
                continue
            same = categorical_node_match("label", None)
            for idx, known in enumerate(kinds):
                if GraphMatcher(known, part, node_match=same).is_isomorphic():
                    break
            else:
                idx = len(kinds)
                kinds.append(part.copy())
            row[idx] = row.get(idx, 0) + 1
        counts.append(row)
    dense = np.zeros((len(graphs), len(kinds)))
    for graph, row in enumerate(counts):
        for idx, count in row.items():
            dense[graph, idx] = count
    return dense @ dense.T


cases = []


def case(text, matrix):
    cases.append({"kernel": text, "gram": np.asarray(matrix, dtype=float).tolist()})


for h in [0, 1, 3]:
    kernel = lambda normalize: WeisfeilerLehman(n_iter=h, normalize=normalize, base_graph_kernel=VertexHistogram)
    if h > 0:
        case(f"wl_kernel({h}, normalize = false)", kernel(False).fit_transform(list(grakel_graphs())))
        case(f"wl_kernel({h})", kernel(True).fit_transform(list(grakel_graphs())))
    else:
        case("wl_kernel(0, normalize = false)", VertexHistogram().fit_transform([[g, l] for g, l in (
            ({v: 1 for v in range(graph["n"])}, dict(enumerate(graph["labels"]))) for graph in graphs)]))
for h in [1, 3]:
    kernel = WeisfeilerLehmanOptimalAssignment(n_iter=h, normalize=True)
    case(f"wl_oa({h})", kernel.fit_transform(list(grakel_graphs())))
for words, with_labels in [("", True), ("labels = none", False)]:
    for normalize in [False, True]:
        kernel = ShortestPath(normalize=normalize, with_labels=with_labels, algorithm_type="dijkstra")
        args = ", ".join(filter(None, [words, "" if normalize else "normalize = false"]))
        case(f"shortest_path({args})" if args else "shortest_path", kernel.fit_transform(list(grakel_graphs())))
for k in [3, 4, 5]:
    case(f"graphlet({k}, normalize = false)", graphlets(k))

with open("grams.json", "w") as out:
    out.write(json.dumps({"graphs": graphs, "cases": cases}) + "\n")

points = np.random.default_rng(3).normal(size=(24, 2))
classes = (points[:, 0] + 0.7 * np.random.default_rng(4).normal(size=24) > 0).astype(int)
three = np.digitize(points[:, 0] + points[:, 1] ** 2, [0.2, 1.0])
gram = np.exp(-0.5 * ((points[:, None] - points[None]) ** 2).sum(-1))
train = list(range(16))
machines = []
for labels in [classes, three]:
    for c in [0.05, 1.0, 100.0]:
        machine = SVC(C=c, kernel="precomputed", tol=1e-10, decision_function_shape="ovo", break_ties=False)
        machine.fit(gram[np.ix_(train, train)], labels[train])
        decisions = machine.decision_function(gram[:, train])
        decisions = decisions.reshape(len(points), -1)
        # Of two classes scikit-learn turns the sign round: positive is the second.
        if len(set(labels)) == 2:
            decisions = -decisions
        machines.append({"classes": labels.tolist(), "c": c, "decisions": decisions.tolist()})
with open("machines.json", "w") as out:
    out.write(json.dumps({"gram": gram.tolist(), "train": train, "machines": machines}) + "\n")

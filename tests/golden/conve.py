"""Scores, loss and gradients of ConvE in plain PyTorch, in float64: `conve_eval.json` and `conve_train.json` beside this file.

The network is that of Dettmers et al. 2018 as its authors wrote it (batch norm of the images, convolution, batch norm, ReLU, linear map, batch
norm, ReLU, product with all entities, a number for each entity), without dropout. Triples come with their reverses: relation `r + R` is the
reverse of `r`. Queries are scored against all entities; the loss is binary cross-entropy with smoothed labels, `(1 - e) y + e / N`.

    python tests/golden/conve.py
"""
import json
import pathlib

import torch
import torch.nn.functional as F

N, R, WIDTH, HEIGHT, CHANNELS, KERNEL, SMOOTHING = 6, 2, 12, 3, 4, 3, 0.1
# (query's entity, relation), some of them reverses.
QUERIES = [(0, 0), (0, 3), (2, 1), (3, 0), (5, 2), (4, 3), (1, 1)]


class ConvE(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.entities = torch.nn.Parameter(torch.randn(N, WIDTH))
        self.relations = torch.nn.Parameter(torch.randn(2 * R, WIDTH))
        self.b = torch.nn.Parameter(torch.randn(N))
        self.bn0 = torch.nn.BatchNorm2d(1)
        self.conv = torch.nn.Conv2d(1, CHANNELS, KERNEL)
        self.bn1 = torch.nn.BatchNorm2d(CHANNELS)
        columns = WIDTH // HEIGHT
        self.fc = torch.nn.Linear(CHANNELS * (2 * HEIGHT - KERNEL + 1) * (columns - KERNEL + 1), WIDTH)
        self.bn2 = torch.nn.BatchNorm1d(WIDTH)

    def forward(self, entity, relation):
        e = self.entities[entity].view(-1, 1, HEIGHT, WIDTH // HEIGHT)
        r = self.relations[relation].view(-1, 1, HEIGHT, WIDTH // HEIGHT)
        x = self.bn0(torch.cat([e, r], 2))
        x = F.relu(self.bn1(self.conv(x)))
        x = F.relu(self.bn2(self.fc(x.flatten(1))))
        return x @ self.entities.T + self.b


def stored(tensor):
    tensor = tensor.detach()
    kind = "float64" if tensor.is_floating_point() else "int64"
    numbers = tensor.flatten().tolist()
    if tensor.is_floating_point():
        numbers = [float(f"{number:.12g}") for number in numbers]
    return {"dtype": kind, "shape": list(tensor.shape), "data": numbers}


def case(mode):
    torch.manual_seed(7)
    model = ConvE().double()
    for norm in [model.bn0, model.bn1, model.bn2]:
        torch.nn.init.normal_(norm.weight, 1.0, 0.3)
        torch.nn.init.normal_(norm.bias, 0.0, 0.3)
        torch.nn.init.normal_(norm.running_mean, 0.0, 0.3)
        torch.nn.init.uniform_(norm.running_var, 0.5, 1.5)
    entity = torch.tensor([query[0] for query in QUERIES])
    relation = torch.tensor([query[1] for query in QUERIES])
    labels = (torch.rand(len(QUERIES), N) < 0.4).double()
    buffers = {name: stored(value) for name, value in model.named_buffers() if "num_batches" not in name}
    params = {name: stored(value) for name, value in model.named_parameters()}
    model.train(mode == "train")
    out = model(entity, relation)
    loss = F.binary_cross_entropy_with_logits(out, (1 - SMOOTHING) * labels + SMOOTHING / N)
    loss.backward()
    after = {name: stored(value) for name, value in model.named_buffers() if "num_batches" not in name}
    return {
        "case": f"conve_{mode}",
        "pyg": "none (plain PyTorch)",
        "versions": {"torch": torch.__version__},
        "mode": mode,
        "note": "tests/golden/conve.py",
        "args": {"num_nodes": N, "num_relations": R, "height": HEIGHT, "channels": CHANNELS,
                 "kernel": KERNEL, "label_smoothing": SMOOTHING},
        "inputs": {"entity": stored(entity), "relation": stored(relation), "labels": stored(labels)},
        "params": params,
        "buffers": buffers,
        "buffers_after": after,
        "outputs": {"out": stored(out), "loss": stored(loss)},
        "cotangents": {},
        "grads": {f"param:{name}": stored(value.grad) for name, value in model.named_parameters()},
    }


for mode in ["eval", "train"]:
    path = pathlib.Path(__file__).with_name(f"conve_{mode}.json")
    path.write_text(json.dumps(case(mode)) + "\n")

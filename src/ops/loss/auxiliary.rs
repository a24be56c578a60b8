//! Losses that poolings and convolutions report beside their result: one table.

use super::{
    ADVERSARIAL, ASYMMETRIC_NORM, ATTENTION, BALANCE, CLUSTER, CONNECTIVITY, ENTROPY, HOSC, KL,
    LINK_PREDICTION, MAX_CUT, MINCUT, ORTHOGONALITY, PRIOR, RECONSTRUCTION, SPECTRAL, STICK_BREAKING,
    TOTAL_VARIATION,
};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::ops::{Doc, Loss, LossKind, Pyg};

/// The argument that picks the stages whose reports are added up.
pub const LEVEL: &str = "level";

static ARGS: &[ArgSpec] = &[ArgSpec {
    name: LEVEL,
    kind: ArgKind::Ints { min: 0, max: 4_096, max_len: 64 },
    default: Default::Inferred("all levels"),
    positional: false,
    doc: "Which stages are added up, by the levels of their results: the first pooling of a file makes level 1, the second \
          level 2; a layer on the input graph is on level 0. One number or a list; another term of the same loss weighs \
          other levels.",
}];

/// A loss that stages compute for each graph; averaged over graphs and summed over the stages.
#[derive(Debug)]
pub struct Auxiliary {
    name: &'static str,
    doc: Doc,
    /// Names of the operators that report it.
    reported_by: &'static [&'static str],
    /// Class in PyTorch Geometric, and what differs.
    pyg: [&'static str; 2],
}

/// Link prediction of a pooling: `‖A − S Sᵀ‖_F / n²` of each graph, averaged over graphs and summed over poolings.
/// Nodes that are linked are drawn into the same cluster.
///
/// Paper: Ying et al. 2018, "Hierarchical Graph Representation Learning with Differentiable Pooling", section 3.3.
/// PyG: the second result of `torch_geometric.nn.dense_diff_pool(normalize = True)` for one graph alone.
///
/// # Shapes
/// - `A`: `[n, n]`, the adjacency that is pooled; `S`: `[n, k]`, the assignment
pub static LINK_PREDICTION_LOSS: Auxiliary = Auxiliary {
    name: LINK_PREDICTION,
    doc: Doc {
        summary: "How badly a pooling's assignment predicts the edges, averaged over graphs, summed over poolings.",
        formula: "‖A − S Sᵀ‖_F / n²",
        paper: "Ying et al. 2018, \"Hierarchical Graph Representation Learning with Differentiable Pooling\"",
        example: "model = sage(64) -> relu -> diffpool(ratio = 0.25) -> mean -> linear\n\
                  loss = cross_entropy + link_prediction",
    },
    reported_by: &["diffpool"],
    pyg: [
        "torch_geometric.nn.dense_diff_pool",
        "PyG takes the norm over a whole padded batch; here each graph counts by itself.",
    ],
};

/// Entropy of a pooling's assignment: `1/n Σ_i Σ_c −S_ic log S_ic` of each graph, averaged over graphs and summed
/// over poolings. Each node is drawn towards one cluster.
///
/// Paper: Ying et al. 2018, "Hierarchical Graph Representation Learning with Differentiable Pooling", section 3.3.
/// PyG: the third result of `torch_geometric.nn.dense_diff_pool` for one graph alone.
///
/// # Shapes
/// - `S`: `[n, k]`, the assignment
pub static ENTROPY_LOSS: Auxiliary = Auxiliary {
    name: ENTROPY,
    doc: Doc {
        summary: "How undecided a pooling's assignment is, averaged over nodes and graphs, summed over poolings.",
        formula: "1/n Σ_i Σ_c −S_ic log S_ic",
        paper: "Ying et al. 2018, \"Hierarchical Graph Representation Learning with Differentiable Pooling\"",
        example: "model = sage(64) -> relu -> diffpool(ratio = 0.25) -> mean -> linear\n\
                  loss = cross_entropy + 0.1 * entropy",
    },
    reported_by: &["diffpool"],
    pyg: [
        "torch_geometric.nn.dense_diff_pool",
        "PyG averages over the rows of a padded batch; here over each graph's own nodes.",
    ],
};

/// Cut of a pooling's clusters: `−tr(Sᵀ A S) / tr(Sᵀ D S)` of each graph, averaged over graphs and summed over poolings.
/// −1 where no edge leads from one cluster to another; 0 for a graph without edges.
///
/// Paper: Bianchi et al. 2020, "Spectral Clustering with Graph Neural Networks for Graph Pooling", eq. 9, first term.
/// PyG: the third result of `torch_geometric.nn.dense_mincut_pool`.
///
/// # Shapes
/// - `A`: `[n, n]`, the adjacency that is pooled, `D` its row sums; `S`: `[n, k]`, the assignment
pub static MINCUT_LOSS: Auxiliary = Auxiliary {
    name: MINCUT,
    doc: Doc {
        summary: "How much of the edges stays inside of a pooling's clusters, as a number between −1, all of them, and 0.",
        formula: "−tr(Sᵀ A S) / tr(Sᵀ D S)",
        paper: "Bianchi et al. 2020, \"Spectral Clustering with Graph Neural Networks for Graph Pooling\"",
        example: "model = gcn(64) -> relu -> mincut(k = 8) -> mean -> linear\n\
                  loss = cross_entropy + mincut + orthogonality",
    },
    reported_by: &["mincut"],
    pyg: ["torch_geometric.nn.dense_mincut_pool", "A graph without edges counts 0; PyG divides by 0."],
};

/// Orthogonality of a pooling's assignment: `‖SᵀS / ‖SᵀS‖_F − I / √k‖_F` of each graph, averaged over graphs and summed over
/// poolings. 0 where every node belongs to one cluster and all clusters have the same size.
///
/// Paper: Bianchi et al. 2020, "Spectral Clustering with Graph Neural Networks for Graph Pooling", eq. 9, second term.
/// PyG: the fourth result of `torch_geometric.nn.dense_mincut_pool`.
///
/// # Shapes
/// - `S`: `[n, k]`, the assignment
pub static ORTHOGONALITY_LOSS: Auxiliary = Auxiliary {
    name: ORTHOGONALITY,
    doc: Doc {
        summary: "How far a pooling's clusters are from distinct ones of one size, averaged over graphs, summed over poolings.",
        formula: "‖SᵀS / ‖SᵀS‖_F − I / √k‖_F",
        paper: "Bianchi et al. 2020, \"Spectral Clustering with Graph Neural Networks for Graph Pooling\"",
        example: "model = gcn(64) -> relu -> mincut(k = 8) -> mean -> linear\n\
                  loss = cross_entropy + mincut + orthogonality",
    },
    reported_by: &["mincut", "dmon", "hosc"],
    pyg: ["torch_geometric.nn.dense_mincut_pool", "`DMoNPooling` has it too."],
};

/// Modularity of a pooling's clusters, less than 0: `−(tr(Sᵀ A S) − ‖Sᵀ d‖² / Σ d) / Σ d` of each graph, averaged over graphs
/// and summed over poolings. 0 for a graph without edges.
///
/// Paper: Tsitsulin et al. 2020, "Graph Clustering with Graph Neural Networks", eq. 9, first term.
/// PyG: the fourth result of `torch_geometric.nn.DMoNPooling`.
///
/// # Shapes
/// - `A`: `[n, n]`, the adjacency that is pooled, `d` its row sums; `S`: `[n, k]`, the assignment
pub static SPECTRAL_LOSS: Auxiliary = Auxiliary {
    name: SPECTRAL,
    doc: Doc {
        summary: "How little modularity a pooling's clusters have, averaged over graphs, summed over poolings.",
        formula: "−(tr(Sᵀ A S) − ‖Sᵀ d‖² / Σ d) / Σ d",
        paper: "Tsitsulin et al. 2020, \"Graph Clustering with Graph Neural Networks\"",
        example: "model = gcn(64) -> relu -> dmon(k = 8) -> mean -> linear\n\
                  loss = cross_entropy + spectral + cluster",
    },
    reported_by: &["dmon"],
    pyg: ["torch_geometric.nn.DMoNPooling", "A graph without edges counts 0; PyG divides by 0."],
};

/// Collapse of a pooling's clusters: `√k / n · ‖Σ_i S_i‖ − 1` of each graph, averaged over graphs and summed over poolings.
/// 0 where all clusters have the same size, `√k − 1` where one has all nodes.
///
/// Paper: Tsitsulin et al. 2020, "Graph Clustering with Graph Neural Networks", eq. 9, second term.
/// PyG: the sixth result of `torch_geometric.nn.DMoNPooling`.
///
/// # Shapes
/// - `S`: `[n, k]`, the assignment
pub static CLUSTER_LOSS: Auxiliary = Auxiliary {
    name: CLUSTER,
    doc: Doc {
        summary: "How far one of a pooling's clusters is from having all nodes, averaged over graphs, summed over poolings.",
        formula: "√k / n · ‖Σ_i S_i‖ − 1",
        paper: "Tsitsulin et al. 2020, \"Graph Clustering with Graph Neural Networks\"",
        example: "model = gcn(64) -> relu -> dmon(k = 8) -> mean -> linear\n\
                  loss = cross_entropy + spectral + cluster",
    },
    reported_by: &["dmon"],
    pyg: ["torch_geometric.nn.DMoNPooling", ""],
};

/// Imbalance of a pooling's clusters: `−Σ_c √(Σ_i S_ic²) / √(n k)` of each graph, averaged over graphs and summed over
/// poolings. −1 where every node belongs to one cluster and all clusters have the same size.
///
/// Paper: Bianchi 2022, "Simplifying Clustering with Graph Neural Networks", eq. 5.
/// tgp: `tgp.utils.losses.just_balance_loss`.
///
/// # Shapes
/// - `S`: `[n, k]`, the assignment
pub static BALANCE_LOSS: Auxiliary = Auxiliary {
    name: BALANCE,
    doc: Doc {
        summary: "How far a pooling's clusters are from clear ones of one size, averaged over graphs, summed over poolings.",
        formula: "−Σ_c √(Σ_i S_ic²) / √(n k)",
        paper: "Bianchi 2022, \"Simplifying Clustering with Graph Neural Networks\"",
        example: "model = gcn(64) -> relu -> just_balance(k = 8) -> mean -> linear\n\
                  loss = cross_entropy + balance",
    },
    reported_by: &["just_balance"],
    pyg: ["tgp.utils.losses.just_balance_loss", "tgp adds 1e-8 under the root."],
};

/// Cut of a pooling's clusters in edges and in walks of three edges: `−((1 − α) cut(A) + α cut(A³)) / k` of each graph, with
/// `cut(M) = tr(Sᵀ M S) / tr(Sᵀ D_M S)`, averaged over graphs and summed over poolings.
///
/// Paper: Duval and Malliaros 2022, "Higher-order Clustering and Pooling for Graph Neural Networks", eq. 8.
/// tgp: the loss `hosc_loss` of `tgp.poolers.HOSCPooling`.
///
/// # Shapes
/// - `A`: `[n, n]`, the adjacency that is pooled; `S`: `[n, k]`, the assignment
pub static HOSC_LOSS: Auxiliary = Auxiliary {
    name: HOSC,
    doc: Doc {
        summary: "How much of the edges and of the walks of three edges stays inside of a pooling's clusters, as a number between −1 / k and 0.",
        formula: "−((1 − α) cut(A) + α cut(A³)) / k",
        paper: "Duval and Malliaros 2022, \"Higher-order Clustering and Pooling for Graph Neural Networks\"",
        example: "model = gcn(64) -> relu -> hosc(k = 8) -> mean -> linear\n\
                  loss = cross_entropy + hosc + 0.1 * orthogonality",
    },
    reported_by: &["hosc"],
    pyg: ["tgp.poolers.HOSCPooling", "A graph without edges counts 0."],
};

/// Divergence of a pooling's shares from those that are clear: `Σ_i Σ_c P_ic ln(P_ic / S_ic)` of each graph, with
/// `P_ic ∝ S_ic² / Σ_j S_jc` over the keys of a row, averaged over graphs and summed over poolings. 0 where all shares of a
/// row are equal, or one is all. Gradients pass through `P` too.
///
/// Paper: Khasahmadi et al. 2020, "Memory-Based Graph Networks", eqs. 6 and 7.
/// PyG: `torch_geometric.nn.MemPooling.kl_loss`.
///
/// # Shapes
/// - `S`: `[n, k]`, the shares of the rows in the keys
pub static KL_LOSS: Auxiliary = Auxiliary {
    name: KL,
    doc: Doc {
        summary: "How far the shares of rows in learned keys are from clear ones, averaged over graphs, summed over poolings.",
        formula: "Σ_i Σ_c P_ic ln(P_ic / S_ic),  P_ic ∝ S_ic² / Σ_j S_jc",
        paper: "Khasahmadi et al. 2020, \"Memory-Based Graph Networks\"",
        example: "model = gat(32) -> relu -> mem_pool(32, k = 8) -> flatten -> linear\n\
                  loss = cross_entropy + kl",
    },
    reported_by: &["mem_pool"],
    pyg: ["torch_geometric.nn.MemPooling", "its `kl_loss`, of the shares that it returns"],
};

/// Likeness of neighbours' scores: `Σ_ij A_ij z_i z_j / Σ_ij A_ij` of each graph, averaged over graphs and summed over poolings.
/// −1 where scores are −1 and 1 on the two sides of a cut that all edges cross; 0 for a graph without edges.
///
/// Paper: Abate and Bianchi 2025, "MaxCutPool: Differentiable Feature-Aware Maxcut for Pooling in Graph Neural Networks", eq. 5.
/// tgp: `tgp.utils.losses.maxcut_loss`.
///
/// # Shapes
/// - `A`: `[n, n]`, the adjacency that is pooled; `z`: `[n]`, scores between −1 and 1
pub static MAX_CUT_LOSS: Auxiliary = Auxiliary {
    name: MAX_CUT,
    doc: Doc {
        summary: "How alike a pooling's scores of neighbours are, averaged over graphs, summed over poolings.",
        formula: "zᵀ A z / Σ A",
        paper: "Abate and Bianchi 2025, \"MaxCutPool: Differentiable Feature-Aware Maxcut for Pooling in Graph Neural Networks\"",
        example: "model = gcn(64) -> relu -> max_cut(ratio = 0.5) -> mean -> linear\n\
                  loss = cross_entropy + max_cut",
    },
    reported_by: &["max_cut"],
    pyg: ["tgp.utils.losses.maxcut_loss", ""],
};

/// Total variation of a pooling's assignment: `Σ_ij A_ij ‖S_i − S_j‖₁ / 2 E` of each graph with its `E` directed edges, averaged
/// over graphs and summed over poolings. 0 where linked nodes are assigned alike.
///
/// Paper: Hansen and Bianchi 2023, "Total Variation Graph Neural Networks", eq. 8.
/// tgp: `tgp.utils.losses.totvar_loss`.
///
/// # Shapes
/// - `A`: `[n, n]`, the adjacency that is pooled; `S`: `[n, k]`, the assignment
pub static TOTAL_VARIATION_LOSS: Auxiliary = Auxiliary {
    name: TOTAL_VARIATION,
    doc: Doc {
        summary: "How much a pooling's assignment varies along the edges, averaged over graphs, summed over poolings.",
        formula: "Σ_ij A_ij ‖S_i − S_j‖₁ / 2 E",
        paper: "Hansen and Bianchi 2023, \"Total Variation Graph Neural Networks\"",
        example: "model = gcn(64) -> relu -> asym_cheeger(k = 8) -> mean -> linear\n\
                  loss = cross_entropy + total_variation + asymmetric_norm",
    },
    reported_by: &["asym_cheeger"],
    pyg: ["tgp.utils.losses.totvar_loss", ""],
};

/// Imbalance of a pooling's clusters: `1 − Σ_c ‖S_c − q_c‖ / n (k − 1)` of each graph, where `q_c` is the number at the place
/// `⌊n / k⌋` of the falling order of a cluster's shares and what is above it counts `k − 1` times; averaged over graphs and summed
/// over poolings. 0 where every cluster has an equal share of the nodes, each wholly.
///
/// Paper: Hansen and Bianchi 2023, "Total Variation Graph Neural Networks", eq. 9.
/// tgp: `tgp.utils.losses.asym_norm_loss`.
///
/// # Shapes
/// - `S`: `[n, k]`, the assignment
pub static ASYMMETRIC_NORM_LOSS: Auxiliary = Auxiliary {
    name: ASYMMETRIC_NORM,
    doc: Doc {
        summary: "How far a pooling's clusters are from having one share of the nodes each, averaged over graphs, summed over poolings.",
        formula: "1 − Σ_c ‖S_c − quantile(S_c)‖_{k − 1} / n (k − 1)",
        paper: "Hansen and Bianchi 2023, \"Total Variation Graph Neural Networks\"",
        example: "model = gcn(64) -> relu -> asym_cheeger(k = 8) -> mean -> linear\n\
                  loss = cross_entropy + total_variation + asymmetric_norm",
    },
    reported_by: &["asym_cheeger"],
    pyg: ["tgp.utils.losses.asym_norm_loss", ""],
};

/// How well a pooling tells linked nodes from others: `Σ_ij w_ij BCE(S_i K S_jᵀ, A_ij) / n²` over all pairs of nodes of each graph,
/// where those that are linked weigh as much as all others together; averaged over graphs and summed over poolings. Its time grows
/// with the square of a graph's nodes, its memory does not.
///
/// Paper: Castellana and Bianchi 2025, "BN-Pool: Bayesian Nonparametric Graph Pooling", eq. 7.
/// tgp: `tgp.utils.losses.weighted_bce_reconstruction_loss`.
///
/// # Shapes
/// - `A`: `[n, n]`, the adjacency that is pooled; `S`: `[n, k]`, the assignment; `K`: `[k, k]`, learned
pub static RECONSTRUCTION_LOSS: Auxiliary = Auxiliary {
    name: RECONSTRUCTION,
    doc: Doc {
        summary: "How well a pooling's clusters tell linked nodes from others, averaged over graphs, summed over poolings.",
        formula: "Σ_ij w_ij BCE(S_i K S_jᵀ, A_ij) / n²",
        paper: "Castellana and Bianchi 2025, \"BN-Pool: Bayesian Nonparametric Graph Pooling\"",
        example: "model = gcn(64) -> relu -> bn_pool(k = 8) -> mean -> linear\n\
                  loss = cross_entropy + reconstruction + stick_breaking + connectivity",
    },
    reported_by: &["bn_pool"],
    pyg: ["tgp.utils.losses.weighted_bce_reconstruction_loss", ""],
};

/// How far a pooling's sticks are from their prior: `Σ KL(Beta(α, β) ‖ Beta(1, concentration)) / n²` over the sticks of all
/// nodes of each graph, averaged over graphs and summed over poolings.
///
/// Paper: Castellana and Bianchi 2025, "BN-Pool: Bayesian Nonparametric Graph Pooling", eq. 8.
/// tgp: `tgp.utils.losses.kl_loss`.
///
/// # Shapes
/// - `α`, `β`: `[n, k − 1]`
pub static STICK_BREAKING_LOSS: Auxiliary = Auxiliary {
    name: STICK_BREAKING,
    doc: Doc {
        summary: "How far a pooling's sticks are from their prior, averaged over graphs, summed over poolings.",
        formula: "Σ KL(Beta(α, β) ‖ Beta(1, concentration)) / n²",
        paper: "Castellana and Bianchi 2025, \"BN-Pool: Bayesian Nonparametric Graph Pooling\"",
        example: "model = gcn(64) -> relu -> bn_pool(k = 8) -> mean -> linear\n\
                  loss = cross_entropy + reconstruction + stick_breaking + connectivity",
    },
    reported_by: &["bn_pool"],
    pyg: ["tgp.utils.losses.kl_loss", "Its weight `eta` is that of the loss."],
};

/// How far the matrix by which a pooling's clusters are linked is from its prior: `Σ (K − μ)² / 2 σ² n²` of each graph, averaged
/// over graphs and summed over poolings. 0 where the matrix is not learned.
///
/// Paper: Castellana and Bianchi 2025, "BN-Pool: Bayesian Nonparametric Graph Pooling", eq. 9.
/// tgp: `tgp.utils.losses.cluster_connectivity_prior_loss`.
///
/// # Shapes
/// - `K`: `[k, k]`
pub static CONNECTIVITY_LOSS: Auxiliary = Auxiliary {
    name: CONNECTIVITY,
    doc: Doc {
        summary: "How far the matrix that links a pooling's clusters is from its prior, averaged over graphs, summed over poolings.",
        formula: "Σ (K − μ)² / 2 σ² n²",
        paper: "Castellana and Bianchi 2025, \"BN-Pool: Bayesian Nonparametric Graph Pooling\"",
        example: "model = gcn(64) -> relu -> bn_pool(k = 8) -> mean -> linear\n\
                  loss = cross_entropy + reconstruction + stick_breaking + connectivity",
    },
    reported_by: &["bn_pool"],
    pyg: [
        "tgp.utils.losses.cluster_connectivity_prior_loss",
        "tgp divides by the number of graphs once more.",
    ],
};

/// How well scores of attention tell edges from pairs that no edge links: the mean of `BCE(l_ij, 1)` over the edges of each graph and
/// of `BCE(l_ij, 0)` over the pairs that are drawn, together, where `l_ij` is the mean over heads of `h_i · h_j`, divided by `√F_out`
/// with `score = scaled`; averaged over graphs and summed over layers.
///
/// `negatives` of `supergat` says how many pairs are drawn, `positives` which share of the edges is read. Pairs are drawn anew in
/// every step of training; otherwise all that there are count, by their mean.
///
/// Paper: Kim and Oh 2021, "How to Find Your Friendly Neighborhood: Graph Attention Design with Self-Supervision", eqs. 6 to 8.
/// PyG: `torch_geometric.nn.SuperGATConv.get_attention_loss`.
pub static ATTENTION_LOSS: Auxiliary = Auxiliary {
    name: ATTENTION,
    doc: Doc {
        summary: "How well scores of attention tell edges from other pairs, averaged over graphs, summed over layers.",
        formula: "mean(BCE(l_ij, 1) of edges, BCE(l_ij, 0) of drawn pairs)",
        paper: "Kim and Oh 2021, \"How to Find Your Friendly Neighborhood: Graph Attention Design with Self-Supervision\"",
        example: "model = supergat(16, heads = 4) -> elu -> mean -> linear\n\
                  loss = cross_entropy + 4.0 * attention",
    },
    reported_by: &["supergat"],
    pyg: [
        "torch_geometric.nn.SuperGATConv",
        "its `get_attention_loss`, which of a batch is one mean, draws for each graph as many pairs as for the whole batch, and is 0 \
         in evaluation",
    ],
};

/// How far the distributions of rows are from the standard normal one: `1/n Σ_i KL(N(μ_i, σ_i²) ‖ N(0, 1))` of each graph, averaged over
/// graphs and summed over stages.
///
/// Paper: Kipf and Welling 2016, "Variational Graph Auto-Encoders", section 1. PyG: `torch_geometric.nn.VGAE.kl_loss`.
pub static PRIOR_LOSS: Auxiliary = Auxiliary {
    name: PRIOR,
    doc: Doc {
        summary: "How far rows as distributions are from the standard normal one, averaged over graphs, summed over stages.",
        formula: "1/n Σ_i Σ_f ½ (μ_if² + σ_if² − 1 − 2 log σ_if)",
        paper: "Kipf and Welling 2016, \"Variational Graph Auto-Encoders\"",
        example: "model = gcn(32) -> relu as hidden -> gcn(16) -> variational(hidden -> gcn(16)) -> mean -> linear\n\
                  loss = cross_entropy + 0.01 * prior",
    },
    reported_by: &["variational"],
    pyg: ["torch_geometric.nn.VGAE", "its `kl_loss`, of which its examples take `1 / n`"],
};

/// How well rows pass for draws of the standard normal distribution, and how well a discriminator tells them from such, added up: the mean
/// over the rows of each graph, averaged over graphs and summed over stages. Each of the two is lowered by its own weights alone.
///
/// Paper: Pan et al. 2018, "Adversarially Regularized Graph Autoencoder for Graph Embedding", eqs. 6 and 7.
/// PyG: `torch_geometric.nn.ARGA`, `reg_loss` and `discriminator_loss`.
pub static ADVERSARIAL_LOSS: Auxiliary = Auxiliary {
    name: ADVERSARIAL,
    doc: Doc {
        summary: "How well rows pass for normal ones and a discriminator tells them apart, averaged over graphs, summed over stages.",
        formula: "1/n Σ_i −log σ(D(z_i)) − log(1 − σ(D(z_i))) − log σ(D(ε_i))",
        paper: "Pan et al. 2018, \"Adversarially Regularized Graph Autoencoder for Graph Embedding\"",
        example: "model = gcn(32) -> relu -> gcn(16) -> adversarial(hidden = [32]) -> mean -> linear\n\
                  loss = cross_entropy + 0.1 * adversarial",
    },
    reported_by: &["adversarial"],
    pyg: ["torch_geometric.nn.ARGA", "its `reg_loss` and `discriminator_loss`, which PyG lowers in turns"],
};

impl Loss for Auxiliary {
    fn name(&self) -> &'static str {
        self.name
    }
    fn doc(&self) -> Doc {
        self.doc
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn kind(&self) -> LossKind {
        LossKind::Auxiliary
    }
    fn reported_by(&self) -> &'static [&'static str] {
        self.reported_by
    }
    fn pyg(&self) -> Pyg {
        let [class, note] = self.pyg;
        Pyg { class, weights: &[], arguments: &[], note }
    }
    fn weight(&self, _n_items: f64, _classes: &[u32], _class_weights: Option<&[f64]>) -> f64 {
        0.0
    }
    fn weighs_classes(&self, _args: &Args) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::codes;

    #[test]
    fn each_needs_a_pooling_that_reports_it() {
        for (loss, pooling, other) in [
            ("link_prediction", "diffpool(k = 3)", "gcn(8)"),
            ("entropy", "diffpool(k = 3)", "topk(k = 3)"),
            ("mincut", "mincut(k = 3)", "diffpool(k = 3)"),
            ("orthogonality", "mincut(k = 3)", "diffpool(k = 3)"),
            ("orthogonality", "hosc(k = 3)", "just_balance(k = 3)"),
            ("spectral", "dmon(k = 3)", "mincut(k = 3)"),
            ("cluster", "dmon(k = 3)", "mincut(k = 3)"),
            ("balance", "just_balance(k = 3)", "dmon(k = 3)"),
            ("hosc", "hosc(k = 3)", "mincut(k = 3)"),
            ("max_cut", "max_cut(k = 3)", "topk(k = 3)"),
            ("total_variation", "asym_cheeger(k = 3)", "mincut(k = 3)"),
            ("asymmetric_norm", "asym_cheeger(k = 3)", "mincut(k = 3)"),
            ("kl", "mem_pool(8, k = 3)", "mincut(k = 3)"),
            ("reconstruction", "bn_pool(k = 3)", "mincut(k = 3)"),
            ("stick_breaking", "bn_pool(k = 3)", "mincut(k = 3)"),
            ("connectivity", "bn_pool(k = 3)", "mincut(k = 3)"),
            ("attention", "supergat(8)", "gat(8)"),
            ("attention", "supergat(8)", "diffpool(k = 3) -> supergat(8)"),
        ] {
            let codes = |stage| {
                codes(&format!("model = {stage} -> mean -> linear\nloss = cross_entropy + 0.5 * {loss}"))
            };
            assert_eq!(codes(pooling), [""; 0], "{loss}");
            assert_ne!(codes(other), [""; 0], "{loss}");
        }
    }

    #[test]
    fn levels_of_a_term_are_those_that_report_it_and_no_other_term_has() {
        let of = |loss: &str| {
            codes(&format!(
                "model = sage(8) -> topk(ratio = 0.5) -> diffpool(k = 4) -> sage(8) -> diffpool(k = 2) -> mean -> linear\n\
                 loss = cross_entropy + {loss}"
            ))
        };
        for right in [
            "0.3 * entropy(level = 2)",
            "0.3 * entropy(level = 2) + 0.1 * entropy(level = 3) + link_prediction",
            "entropy(level = [3, 2]) + link_prediction(level = 2)",
        ] {
            assert_eq!(of(right), [""; 0], "{right}");
        }
        // Level 1 is that of `topk`, which does not report it.
        for wrong in
            ["entropy(level = 1)", "entropy(level = 4)", "entropy(level = [1, 2])", "entropy(level = 0)"]
        {
            assert_eq!(of(wrong), ["task::nothing_reports_loss"], "{wrong}");
        }
        for twice in [
            "entropy + entropy",
            "entropy + 0.1 * entropy(level = 2)",
            "entropy(level = 3) + entropy",
            "entropy(level = [2, 3]) + entropy(level = 3)",
        ] {
            assert_eq!(of(twice), ["names::duplicate"], "{twice}");
        }
        assert_eq!(of("entropy(level = [2, 2])"), ["args::duplicate"]);
        assert_eq!(of("entropy(level = [])"), ["args::out_of_range"]);
        assert_eq!(of("entropy(level = 0.5)"), ["args::wrong_kind"]);
        assert_eq!(of("entropy(level = -1)"), ["args::out_of_range"]);
        // Layers on the input graph are on level 0.
        let attention = |level: usize| {
            let loss = format!("loss = cross_entropy + attention(level = {level})");
            codes(&format!("model = supergat(8) -> diffpool(k = 2) -> mean -> linear\n{loss}"))
        };
        assert_eq!(attention(0), [""; 0]);
        assert_eq!(attention(1), ["task::nothing_reports_loss"]);
    }
}

//! What the words of printed programs mean.

/// Each word with its meaning; `x` is the first value of the step, `y` the second, `c` its number.
pub static MEANINGS: &[(&str, &str)] = &[
    // Functions of the numbers at one place.
    ("stop", "x, through which no gradient goes"),
    ("neg", "−x"),
    ("abs", "|x|"),
    ("sign", "−1, 0 or 1"),
    ("exp", "eˣ"),
    ("ln", "the natural logarithm"),
    ("sqrt", "√x"),
    ("reciprocal", "1/x"),
    ("square", "x²"),
    ("relu", "max(x, 0)"),
    ("leaky_relu", "x above 0, c · x below"),
    ("elu", "x above 0, c (eˣ − 1) below"),
    ("gelu", "x Φ(x), with the normal distribution Φ"),
    ("gelu_slope", "the slope of gelu"),
    ("sigmoid", "1 / (1 + e⁻ˣ)"),
    ("tanh", "the hyperbolic tangent"),
    ("softplus", "ln(1 + eˣ)"),
    ("scale", "c · x"),
    ("offset", "x + c"),
    ("power", "x to the power c"),
    ("at_least", "the larger of x and c"),
    ("at_most", "the smaller of x and c"),
    ("above", "1 where x > c, else 0"),
    ("floor", "the largest whole number that is no larger than x"),
    ("sin", "the sine of x"),
    ("cos", "the cosine of x"),
    ("ln_gamma", "the logarithm of the gamma function"),
    ("polygamma", "the derivative of ln_gamma of the order c + 1"),
    ("add", "x + y"),
    ("sub", "x − y"),
    ("mul", "x · y; over what leads to each row, the product"),
    ("div", "x / y"),
    ("max", "the larger of x and y; over what leads to each row, the largest"),
    ("angle", "the angle whose sine and cosine are as x and y"),
    ("equal", "1 where x = y, else 0"),
    ("gate", "y where x > 0, else 0: the gradient of relu"),
    ("leaky_gate", "y where x > 0, else c · y: the gradient of leaky_relu"),
    ("where", "the second where the first is not 0, else the third"),
    // Row by row.
    ("iota", "0, 1, 2, …"),
    ("count", "how many rows lead to each"),
    ("is_loop", "1 for an edge from a row to itself, else 0"),
    ("random", "0 with the given probability p in training, else 1/(1 − p)"),
    ("noise", "a number of mean 0 and variance 1 in training, else 0"),
    ("linear", "x W, row by row"),
    ("typed_linear", "x W, with the matrix of the kind that an edge has or a number says"),
    (
        "contract",
        "the product of two matrices of each row; of scores of edges, the level whose rows are what nodes become",
    ),
    ("fold_sum", "the sum over an axis"),
    ("fold_max", "the largest along an axis"),
    ("fold_mul", "the product over an axis"),
    ("view", "the same numbers under other axes"),
    ("concat", "side by side"),
    ("slice", "a part of an axis"),
    ("pad", "zeros around, so that a slice gives it back"),
    ("expand", "repeated along axes of 1"),
    // Between rows, edges and graphs.
    ("gather", "read at the source or the target of each edge, or at the graph of each row"),
    ("sum", "the sum of what leads to each row"),
    ("sum_alike", "the sum over the edges of one kind that lead to one row, at each of them"),
    ("max_alike", "the largest of the edges of one kind that lead to one row, at each of them"),
    ("mul_alike", "the product over the edges of one kind that lead to one row, at each of them"),
    ("below", "how many of what leads to the same are smaller, for each number"),
    ("outer", "the sum of the matrices x yᵀ of what leads to each"),
    ("apply", "the matrix of its graph times x, row by row"),
    // With kernels of their own.
    ("affine", "x W + b"),
    ("convolve", "propagate, then x W + b; with a root, the row itself beside what it gathered"),
    ("propagate", "what the neighbours have, summed by the rule in brackets"),
    ("propagate_max", "the largest of what the neighbours have; 0 without neighbours"),
    ("propagate_lstm", "the last state of an LSTM that reads the neighbours in their order"),
    ("attend", "the neighbours by the softmax of leaky_relu(a_s · h_j + a_t · h_i), head by head"),
    ("self_attention", "the rows of the graph by the softmax of q_i · k_j / √d, head by head"),
    ("table", "rows that are learned themselves, one for each node"),
    ("nearest", "the edges of what follows: from the k nearest rows of the graph to each row"),
    ("dropout", "0 with the probability in brackets in training, else divided by what is left"),
    ("batch_norm", "each feature by its statistics over all rows"),
    ("row_norm", "each row by its own statistics"),
    ("graph_norm", "all numbers of a graph by their statistics"),
    ("beside", "side by side"),
    ("plus", "the sum of all"),
    ("answers", "the query of each pair times what its second end has"),
    ("softmax_rows", "softmax over the features of each row"),
    ("graph_sum", "the sum of the rows of each graph"),
    ("graph_mean", "the mean of the rows of each graph"),
    ("graph_max", "the largest of the rows of each graph"),
    ("sort", "the first rows of each graph, in falling order of their last feature"),
    ("flatten", "the rows of each graph one after another"),
    ("pool", "SᵀZ of each graph"),
    ("coarse_adjacency", "SᵀAS of each graph"),
    ("link_loss", "‖A − SSᵀ‖ / n² of each graph"),
    ("assignment_entropy", "the mean entropy of the rows of each graph"),
    ("gamma_draws", "the logarithm of a draw from the gamma distribution of shape x in training, else ln x"),
    ("pair_softplus", "the sum of ln(1 + exp(x · y)) over all pairs of rows of each graph"),
    (
        "unlinked_softplus",
        "the sum of ln(1 + exp(x · y)) over pairs of rows that no edge links, drawn in training, and their number",
    ),
    ("cut_sides", "1 or −1: the side of the largest cut of what a node is linked to"),
    ("factors", "the rows of Hᵀ where the adjacency of each graph is nearly W H"),
    ("select", "the rows with the largest scores: a level of its own"),
    ("kept", "x at the rows that were selected"),
    ("merged", "the sum of x over the rows that became one"),
    ("merged_max", "the largest of x over the rows that became one"),
    ("bands", "x projected onto the lowest eigenspaces of the Laplacian of what becomes one"),
    ("nearness", "one over the number of edges to the nearest row that is marked"),
    ("fields", "the rows around the first ones in a canonical order"),
    ("join", "nodes that become one by a rule: a level of its own"),
    // Kernels, where `show --program` names them.
    ("activate", "the function of the stage"),
    ("convolution", "propagate, product, bias and function in one pass"),
    ("gat_attention", "the neighbours by the softmax of their scores, head by head"),
    ("dense_propagate", "the coarse adjacency times x"),
    ("lstm_aggregate", "the last state of an LSTM that reads the neighbours in their order"),
    ("layer_norm", "each row, or all numbers of a graph, by their statistics"),
    ("segment_reduce", "the rows of each graph as one"),
    ("segment_product", "SᵀZ of each graph"),
    ("assignment_adjacency", "SᵀAS of each graph"),
    ("gather_rows", "some rows of x"),
    ("max_rows", "the largest of the rows that became one"),
    ("merge_rows", "the sum of the rows that became one"),
    ("concat_columns", "side by side"),
    ("sort_rows", "the first rows of each graph, in falling order of their last feature"),
    ("colours", "how many neighbourhoods of each row, step by step, are hashed to each feature"),
    ("select_top", "the rows with the largest scores: a level of its own"),
    ("reshape", "the same numbers in another shape"),
    ("sum_over_graphs", "the mean over the graphs of the batch"),
    ("scaled", "times the weight of the loss"),
    ("cross_entropy", "the loss against the classes"),
    ("mse", "the loss against the values"),
    ("bce", "the loss of each score by itself, against whether it is the right one"),
    ("bpr", "the loss of a link below others, on a logistic scale"),
    ("margin_ranking", "the loss of a link less than a margin above others"),
    ("self_adversarial", "the loss of a link against others, by how high these score"),
    ("of_contracted", "the mean over the edges that were contracted for a row; 1 where it stayed alone"),
];

/// The words in these steps whose meaning can be told, in the order of [`MEANINGS`].
pub fn meanings<'a>(steps: impl Iterator<Item = &'a str>) -> Vec<(&'static str, &'static str)> {
    let words: std::collections::HashSet<&str> = steps.flat_map(words_of).collect();
    MEANINGS.iter().filter(|(word, _)| words.contains(word)).copied().collect()
}

/// The words of a step that stand before a bracket: `%5 = relu(…)`, `attend[heads 4](…)`.
pub fn words_of(step: &str) -> impl Iterator<Item = &str> {
    let is_letter = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let ends = step.match_indices(['(', '[']).map(|(end, _)| end);
    ends.filter_map(move |end| {
        let start = step[..end].rfind(|char| !is_letter(char)).map_or(0, |at| at + 1);
        // `%5[4, 16]`, `#3[4, 16]` and `1[1]` are values under other axes.
        (start < end
            && !step[..start].ends_with(['%', '#'])
            && !step[start..].starts_with(|char: char| char.is_ascii_digit()))
        .then(|| &step[start..end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_told_once() {
        let mut words: Vec<&str> = MEANINGS.iter().map(|(word, _)| *word).collect();
        words.sort_unstable();
        assert!(words.windows(2).all(|pair| pair[0] != pair[1]), "{words:?}");
    }

    #[test]
    fn words_stand_before_brackets() {
        let words: Vec<_> = words_of("%5 = attend[heads 4](%2, a_source)").collect();
        assert_eq!(words, ["attend"]);
        let words: Vec<_> = words_of("%5 = mul(%2[4, 16], gather(#1, source))").collect();
        assert_eq!(words, ["mul", "gather"]);
        assert_eq!(words_of("is_loop").count(), 0);
    }
}

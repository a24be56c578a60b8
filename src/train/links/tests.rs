use super::*;
use crate::data::synthetic::{RandomGraphs, random_graphs};
use crate::lower::testing::compile;
use crate::train::feed::Feed;

/// One random graph with kinds of edges and a direction, or without both.
fn graph(has_kinds: bool) -> Dataset {
    let data = random_graphs(&RandomGraphs {
        n_graphs: 1,
        min_nodes: 20,
        max_nodes: 20,
        n_edge_kinds: if has_kinds { 3 } else { 0 },
        directed: has_kinds,
        ..RandomGraphs::default()
    });
    let task = crate::types::Task::from_name("link_prediction").unwrap();
    data.for_task(task)
}

fn parts(data: &Dataset) -> Split {
    let n = data.n_items() as u32;
    let of = |rest: u32| (0..n).filter(|link| link % 5 == rest).collect::<Vec<u32>>();
    Split { train: [of(0), of(1), of(2)].concat(), validation: of(3), test: of(4) }
}

#[test]
fn edges_of_a_part_that_is_measured_pass_no_messages() {
    for has_kinds in [false, true] {
        let data = graph(has_kinds);
        let mut split = parts(&data);
        split.train.sort_unstable();
        let links = data.links.clone().unwrap();
        let passing = |items: &[u32]| {
            let part = LinkPart::new(&data, items, Some(&split), None);
            let batch = part.messages(&Reading::of(EdgeReads::ALL), &Device::Cpu).unwrap();
            let mut passing = vec![false; links.len()];
            for row in 0..batch.graph.n_nodes() {
                let first = batch.graph.adjacency.offsets[row] as usize;
                for (place, &source) in batch.graph.adjacency.row(row).iter().enumerate() {
                    let kind = batch.graph.kinds.as_ref().map_or(0, |kinds| kinds.of_entry[first + place]);
                    if let Some(link) = links.find(&data, source, row as u32, kind) {
                        passing[link as usize] = true;
                    }
                }
            }
            passing
        };
        let are = |passing: &[bool], items: &[u32]| -> Vec<bool> {
            items.iter().map(|&link| passing[link as usize]).collect()
        };
        let all = |items: &[u32], value: bool| vec![value; items.len()];
        for items in [&split.train, &split.validation] {
            let passing = passing(items);
            assert_eq!(are(&passing, &split.train), all(&split.train, true));
            assert_eq!(are(&passing, &split.validation), all(&split.validation, false));
            assert_eq!(are(&passing, &split.test), all(&split.test, false));
        }
        let passing = passing(&split.test);
        assert_eq!(are(&passing, &split.validation), all(&split.validation, true));
        assert_eq!(are(&passing, &split.test), all(&split.test, false));
    }
}

/// Ranks against scores of pairs one by one.
#[test]
fn ranks_are_those_of_all_pairs_one_by_one() {
    for (has_kinds, text) in [
        (false, "task = link_prediction\nmodel = gcn(6) -> inner_product"),
        (false, "task = link_prediction\nmodel = gcn(6) -> bilinear(symmetric = true)"),
        (false, "task = link_prediction\nmodel = gcn(6) -> pairs -> mlp"),
        (true, "task = link_prediction\nmodel = gcn(6) -> bilinear"),
        (true, "task = link_prediction\nmodel = embedding(4) -> distmult(relation = edge_labels)"),
        (
            true,
            "task = link_prediction\nmodel = rgcn(4, relation = edge_labels) -> complex(relation = edge_labels)",
        ),
        (true, "task = link_prediction\nmodel = embedding(4) -> transe(relation = edge_labels)"),
    ] {
        let data = graph(has_kinds);
        let (links, split) = (data.links.clone().unwrap(), parts(&data));
        let model = compile(text, Some(&data.facts()));
        let network = Network::build(&model, &data.facts(), DType::F32, &Device::Cpu, 3).unwrap();
        let feed = Feed::new(&data, model.get().task, EdgeReads::of(model.get()), &split.test, &Device::Cpu)
            .of_links(model.get().task, Some(&split), None);
        let part = feed.links().unwrap();
        let batch = feed.messages(part).unwrap();
        let encoded = network.encode(&batch).unwrap();
        let ranks = part.ranks(&network, &encoded, &batch, &split.test).unwrap();
        assert_eq!(ranks.len(), 2 * split.test.len());
        let score = |ends: [u32; 2], kind: u32| -> f32 {
            let kinds = if has_kinds { vec![kind] } else { Vec::new() };
            let (pairs, _) = links.pairs(&[ends], &kinds, &batch.graph.graph_offsets);
            let score = network.decode(&encoded, &batch, &Arc::new(pairs)).unwrap();
            score.flatten_all().unwrap().to_vec1::<f32>().unwrap()[0]
        };
        let mut expected = Vec::new();
        for is_tail in [false, true] {
            for &link in &split.test {
                let (ends, kind) = (links.ends[link as usize], links.kind(link));
                let own = score(ends, kind);
                let (mut n_above, mut n_ties) = (0, 0);
                for node in 0..20 {
                    let mut other = ends;
                    other[usize::from(is_tail)] = node;
                    // As they were found: the pair of a link without a direction is looked for in this order alone.
                    let is_link = (0..links.len() as u32)
                        .any(|link| links.ends[link as usize] == other && links.kind(link) == kind);
                    if is_link {
                        continue;
                    }
                    let score = score(other, kind);
                    n_above += u32::from(score > own);
                    n_ties += u32::from(score == own);
                }
                let question = (ends[usize::from(!is_tail)], kind, is_tail);
                expected.push(Rank { question, n_above, n_ties, score: own });
            }
        }
        let sorted = |mut ranks: Vec<Rank>| {
            ranks.sort_by_key(|rank| (rank.question.2, rank.question, rank.n_above, rank.n_ties));
            ranks
        };
        for (found, expected) in sorted(ranks).iter().zip(&sorted(expected)) {
            let places = |rank: &Rank| (rank.question, rank.n_above, rank.n_ties);
            assert_eq!(places(found), places(expected), "{text}");
            // A product of matrices adds in another order.
            let is_close = (found.score - expected.score).abs() <= 1e-5 * expected.score.abs().max(1e-3);
            assert!(is_close, "{text}: {} is not {}", found.score, expected.score);
        }
    }
}

#[test]
fn steps_put_each_link_beside_its_own_pairs() {
    let data = graph(true);
    let split = parts(&data);
    let part = LinkPart::new(&data, &split.validation, Some(&split), None);
    let links = data.links.clone().unwrap();
    let reading = Reading::of(EdgeReads::ALL);
    let items = &split.validation[..3];
    let step = part.step(&reading, items, None, &Device::Cpu).unwrap();
    let pairs = step.batch.pairs.clone().unwrap();
    assert_eq!(pairs.n_edges(), 6);
    // A value that names each pair: first end, second end and kind.
    let mut names = Vec::new();
    for row in 0..pairs.n_nodes() {
        let first = pairs.adjacency.offsets[row] as usize;
        for (place, &source) in pairs.adjacency.row(row).iter().enumerate() {
            let kind = pairs.kinds.as_ref().unwrap().of_entry[first + place];
            names.push((source * 10_000 + row as u32 * 100 + kind) as f32);
        }
    }
    let names = Tensor::from_vec(names, (6, 1), &Device::Cpu).unwrap();
    let picked: Vec<Vec<f32>> = step.pick(&names).unwrap().to_vec2().unwrap();
    for (&link, row) in items.iter().zip(&picked) {
        let ([first, second], kind) = (links.ends[link as usize], links.kind(link));
        assert_eq!(row[0], (first * 10_000 + second * 100 + kind) as f32);
        assert!(row[1] != row[0] && row[1] as u32 % 100 == kind);
    }
    let again = part.step(&reading, items, None, &Device::Cpu).unwrap();
    assert_eq!(again.batch.pairs.unwrap().adjacency, pairs.adjacency);
}

#[test]
fn of_a_disjoint_share_what_is_asked_about_passes_no_messages_and_the_rest_does() {
    let data = graph(false);
    let mut split = parts(&data);
    split.train.sort_unstable();
    let asked: Vec<u32> = split.train.iter().copied().step_by(3).collect();
    let part = LinkPart::new(&data, &asked, Some(&split), None);
    for link in 0..part.links.len() as u32 {
        let passes = split.train.contains(&link) && !asked.contains(&link);
        assert_eq!(part.passes[link as usize], passes, "{link}");
        // A pair that is any link of the training part is drawn again.
        assert_eq!(part.is_known[link as usize], split.train.contains(&link), "{link}");
    }
}

/// The call that a file writes.
fn negatives(text: &str) -> BoundCall {
    let text =
        format!("task = link_prediction\nmodel = gcn(2) -> inner_product\ntrain {{ negatives = {text} }}");
    compile(&text, None).get().train.call("negatives").unwrap().clone()
}

#[test]
fn the_hardest_pairs_are_those_that_the_network_scores_highest_of_all_that_are_drawn() {
    for (has_kinds, text) in [
        (false, "task = link_prediction\nmodel = gcn(6) -> inner_product"),
        (true, "task = link_prediction\nmodel = embedding(4) -> distmult(relation = edge_labels)"),
    ] {
        let data = graph(has_kinds);
        let mut split = parts(&data);
        split.train.sort_unstable();
        let model = compile(text, Some(&data.facts()));
        let network = Network::build(&model, &data.facts(), DType::F32, &Device::Cpu, 3).unwrap();
        let reading = Reading::of(EdgeReads::of(model.get()));
        let all = LinkPart::new(&data, &split.train, Some(&split), Some(&negatives("uniform(7)")));
        let hard = LinkPart::new(&data, &split.train, Some(&split), Some(&negatives("hard(2, of = 7)")));
        let scores = |step: &Step| -> Vec<Vec<f32>> {
            let encoded = network.encode(&step.batch).unwrap();
            let pairs = step.batch.pairs.clone().unwrap();
            step.pick(&network.decode(&encoded, &step.batch, &pairs).unwrap()).unwrap().to_vec2().unwrap()
        };
        let items = &split.train[..5];
        let drawn = scores(&all.step(&reading, items, Some(11), &Device::Cpu).unwrap());
        let chosen = scores(&hard.training_step(&reading, items, Some(11), &network, &Device::Cpu).unwrap());
        for (drawn, chosen) in drawn.iter().zip(&chosen) {
            assert_eq!((drawn.len(), chosen.len()), (8, 3));
            let mut others = drawn[1..].to_vec();
            others.sort_by(|a, b| b.total_cmp(a));
            assert_eq!(chosen.as_slice(), [drawn[0], others[0], others[1]], "{text}");
        }
    }
}

/// Which models are ranked by a product of matrices, and that nodes with equal rows tie wherever they stand.
#[test]
fn scores_that_are_products_are_found_and_equal_nodes_tie() {
    let data = graph(true);
    let factors = |text: &str| {
        let text = format!("task = link_prediction\nmodel = {text}");
        let model = compile(&text, Some(&data.facts()));
        let network = Network::build(&model, &data.facts(), DType::F32, &Device::Cpu, 3).unwrap();
        let batch = data.batch(&[0], DType::F32, &Device::Cpu).unwrap();
        let encoded = network.encode(&batch).unwrap();
        let keys: Vec<(u32, u32)> = (0..4).map(|node| (node, node % 3)).collect();
        network.factors(&encoded, &batch, &keys, 3, true).unwrap().map(|found| found.of_ends.dims().to_vec())
    };
    for (text, is_product) in [
        ("gcn(6) -> inner_product", true),
        ("gcn(6) -> bilinear", true),
        ("embedding(6) -> distmult(relation = edge_labels)", true),
        ("embedding(6) -> complex(relation = edge_labels)", true),
        ("embedding(6) -> rotate(relation = edge_labels)", false),
        ("gcn(6) -> pairs -> mlp", false),
        ("gcn(6) -> pairs(sum) -> linear(1)", false),
    ] {
        assert_eq!(factors(text), is_product.then(|| vec![4, 6]), "{text}");
    }
    // All nodes of a graph without features of its own are one and the same.
    let data = graph(false);
    let mut same = data.clone();
    same.features = crate::data::Features::Dense { values: vec![0.37; 20 * 3].into(), width: 3 };
    let split = parts(&same);
    let model = compile("task = link_prediction\nmodel = linear(5) -> inner_product", Some(&same.facts()));
    let network = Network::build(&model, &same.facts(), DType::F32, &Device::Cpu, 3).unwrap();
    let feed = Feed::new(&same, model.get().task, EdgeReads::of(model.get()), &split.test, &Device::Cpu)
        .of_links(model.get().task, Some(&split), None);
    let part = feed.links().unwrap();
    let batch = feed.messages(part).unwrap();
    let ranks = part.ranks(&network, &network.encode(&batch).unwrap(), &batch, &split.test).unwrap();
    assert!(ranks.iter().all(|rank| rank.n_above == 0 && rank.n_ties > 10), "{ranks:?}");
}

/// A knowledge graph of three relations and their reverses.
fn with_reverses() -> Dataset {
    let triples: Vec<[u32; 3]> = (0..60u32).map(|k| [k * 7 % 20, (k * k + 3 * k + 1) % 20, k % 3]).collect();
    let edges = triples.iter().flat_map(|&[head, tail, _]| [(head, tail), (tail, head)]).collect();
    let kinds = triples.iter().flat_map(|&[_, _, kind]| [kind, kind + 3]).collect();
    let mut data = Dataset::new(crate::data::DatasetParts {
        name: "family".into(),
        task: None,
        node_offsets: vec![0, 20],
        edges,
        edge_features: None,
        edge_kinds: Some(EdgeKinds { of_entry: Arc::new(kinds), n_kinds: 6 }),
        features: crate::data::Features::Dense { values: Vec::new().into(), width: 0 },
        targets: crate::data::Targets::None,
        class_names: Vec::new(),
        fixed_split: None,
        graph_ids: vec![1],
        vocabulary: crate::data::Vocabulary::default(),
    });
    data.n_own_kinds = Some(3);
    data.make_links();
    data
}

const CONVE: &str =
    "task = link_prediction\nmodel = embedding(12) -> conve(relation = edge_labels, channels = 2)";

/// Heads are ranked as the tails of the reverse relation, each score by itself.
#[test]
fn heads_are_asked_for_by_the_reverse_of_their_relation() {
    let data = with_reverses();
    let (links, split) = (data.links.clone().unwrap(), parts(&data));
    assert_eq!(links.first_reverse, Some(3));
    let model = compile(CONVE, Some(&data.facts()));
    let network = Network::build(&model, &data.facts(), DType::F32, &Device::Cpu, 3).unwrap();
    let part = LinkPart::new(&data, &split.test, Some(&split), None);
    let batch = part.messages(&Reading::of(EdgeReads::of(model.get())), &Device::Cpu).unwrap();
    let encoded = network.encode(&batch).unwrap();
    let ranks = part.ranks(&network, &encoded, &batch, &split.test).unwrap();
    assert_eq!(ranks.len(), 2 * split.test.len());
    let score = |end: u32, kind: u32, node: u32| -> f32 {
        let (pairs, _) = links.pairs(&[[end, node]], &[kind], &batch.graph.graph_offsets);
        let score = network.decode(&encoded, &batch, &Arc::new(pairs)).unwrap();
        score.flatten_all().unwrap().to_vec1::<f32>().unwrap()[0]
    };
    for rank in &ranks {
        let (end, kind, is_tail) = rank.question;
        let is_of = |&&link: &&u32| {
            let ([head, tail], of) = (links.ends[link as usize], links.kind(link));
            of == kind && end == if is_tail { head } else { tail }
        };
        let asked = if is_tail { kind } else { kind + 3 };
        // One of the links of the question has this rank.
        let is_right = split.test.iter().filter(is_of).any(|&link| {
            let own = score(end, asked, links.ends[link as usize][usize::from(is_tail)]);
            let is_other = |node: &u32| {
                let ends = if is_tail { [end, *node] } else { [*node, end] };
                !(0..links.len()).any(|link| links.ends[link] == ends && links.kinds[link] == kind)
            };
            let n_above =
                (0..20u32).filter(is_other).filter(|&node| score(end, asked, node) > own + 1e-6).count();
            n_above == rank.n_above as usize && (rank.score - own).abs() < 1e-5
        });
        assert!(is_right, "{rank:?}");
    }
}

/// Scores stand where their queries and nodes are, and labels are those of the training part alone.
#[test]
fn steps_over_queries_score_every_node() {
    let asked = "k_vs_all(label_smoothing = 0.1)";
    for (data, text, is_reversed) in [
        (with_reverses(), CONVE, true),
        (
            graph(true),
            "task = link_prediction\nmodel = embedding(4) -> transe(relation = edge_labels)",
            false,
        ),
        (graph(false), "task = link_prediction\nmodel = gcn(6) -> inner_product", false),
    ] {
        let mut split = parts(&data);
        split.train.sort_unstable();
        let (links, model) = (data.links.clone().unwrap(), compile(text, Some(&data.facts())));
        let network = Network::build(&model, &data.facts(), DType::F32, &Device::Cpu, 3).unwrap();
        let reading = Reading::of(EdgeReads::of(model.get()));
        let part = LinkPart::new(&data, &split.train, Some(&split), Some(&negatives(asked)));
        let queries = part.queries.as_ref().unwrap();
        let has_kinds = links.n_kinds > 0;
        // Each end of a training link with its kind once; of links without a direction both ends ask alike.
        let mut expected: Vec<(u32, u32, bool)> = split
            .train
            .iter()
            .flat_map(|&link| {
                let ([head, tail], kind) = (links.ends[link as usize], links.kind(link));
                [(head, kind, true), (tail, kind, !links.is_directed)]
            })
            .collect();
        expected.sort_unstable();
        expected.dedup();
        assert_eq!((0..queries.len() as u32).map(|query| queries.get(query)).collect::<Vec<_>>(), expected);
        // Some of them, in any order.
        let items: Vec<u32> = (0..queries.len() as u32).rev().step_by(3).collect();
        let step = part.training_step(&reading, &items, Some(5), &network, &Device::Cpu).unwrap();
        let pairs = step.batch.pairs.clone().unwrap();
        assert_eq!(pairs.n_edges(), items.len() * 20);
        let mut names = Vec::new();
        for row in 0..pairs.n_nodes() {
            let first = pairs.adjacency.offsets[row] as usize;
            for (place, &source) in pairs.adjacency.row(row).iter().enumerate() {
                let kind = pairs.kinds.as_ref().map_or(0, |kinds| kinds.of_entry[first + place]);
                names.push((source * 10_000 + row as u32 * 100 + kind) as f32);
            }
        }
        let names = Tensor::from_vec(names, (pairs.n_edges(), 1), &Device::Cpu).unwrap();
        let picked: Vec<Vec<f32>> = step.pick(&names).unwrap().to_vec2().unwrap();
        let labels: Vec<Vec<f32>> = step.targets.as_ref().unwrap().to_vec2().unwrap();
        for ((&item, row), labels) in items.iter().zip(&picked).zip(&labels) {
            let (end, kind, is_tail) = queries.get(item);
            for node in 0..20u32 {
                let (ends, kind_asked) = match (is_tail, is_reversed) {
                    (true, _) => ([end, node], kind),
                    (false, true) => ([end, node], kind + 3),
                    (false, false) => ([node, end], kind),
                };
                let name = ends[0] * 10_000 + ends[1] * 100 + if has_kinds { kind_asked } else { 0 };
                assert_eq!(row[node as usize], name as f32, "{text}");
                let is_link = split.train.iter().any(|&link| {
                    let (found, of) = (links.ends[link as usize], links.kind(link));
                    let turned = [found[1], found[0]];
                    let wanted = if is_tail { [end, node] } else { [node, end] };
                    of == kind && (found == wanted || (!links.is_directed && turned == wanted))
                });
                let label = 0.9 * f32::from(u8::from(is_link)) + 0.1 / 20.0;
                assert!((labels[node as usize] - label).abs() < 1e-6, "{text}: {label}");
            }
        }
    }
}

/// In training on drawn pairs a link is asked from its tail as often as from its head, with its reverse.
#[test]
fn drawn_pairs_are_asked_from_either_end_where_there_are_reverses() {
    let data = with_reverses();
    let mut split = parts(&data);
    split.train.sort_unstable();
    let model = compile(CONVE, Some(&data.facts()));
    let network = Network::build(&model, &data.facts(), DType::F32, &Device::Cpu, 3).unwrap();
    let part = LinkPart::new(&data, &split.train, Some(&split), Some(&negatives("uniform(2, end = tail)")));
    let reading = Reading::of(EdgeReads::of(model.get()));
    let step = part.training_step(&reading, &split.train, Some(8), &network, &Device::Cpu).unwrap();
    let kinds = &step.batch.pairs.as_ref().unwrap().kinds.as_ref().unwrap().of_entry;
    let n_reversed = kinds.iter().filter(|&&kind| kind >= 3).count();
    assert!(
        n_reversed % 3 == 0 && n_reversed > kinds.len() / 4 && n_reversed < 3 * kinds.len() / 4,
        "{n_reversed}"
    );
}

//! Which weights of a whole network are active, by a score of each: the densities of the layers come out of it.

use super::Structure;

/// A prunable layer's scores: the larger, the sooner a weight is active; minus infinity: never.
#[derive(Clone, Copy, Debug)]
pub struct Scored<'a> {
    /// One a weight, `[outputs, …]`; none is NaN or infinity.
    pub scores: &'a [f32],
    pub outputs: usize,
    /// What is active together, as it fits the layer.
    pub structure: Structure,
}

/// The active weights of each layer, about `count` in all: those of highest score in the whole network (of equals the earlier
/// layer, then the lower position), but one of each layer at least. What is active together counts by its mean score: a block of
/// weights; with a constant fan-in, the best weight of each output channel, the second best of each, and so on.
pub fn choose(layers: &[Scored], count: usize) -> Vec<Vec<bool>> {
    let units: Vec<Units> = layers.iter().map(Units::of).collect();
    // (score, number), unit after unit through all layers.
    let mut ranked: Vec<(f32, u32)> = Vec::with_capacity(units.iter().map(|units| units.count).sum());
    let mut starts = Vec::new();
    for (units, layer) in units.iter().zip(layers) {
        let start = ranked.len();
        starts.push(start);
        ranked.extend((0..units.count).map(|unit| (units.score(layer.scores, unit), (start + unit) as u32)));
        // The best of the layer goes first.
        let before = |a: &(f32, u32), b: &(f32, u32)| order(a, b);
        if let Some(best) = ranked[start..].iter_mut().min_by(|a, b| before(a, b)) {
            best.0 = f32::INFINITY;
        }
    }
    let layer_of = |number: u32| starts.partition_point(|&start| start <= number as usize) - 1;
    let size = units.first().map_or(1, |units| units.size);
    let chosen = if units.iter().all(|units| units.size == size) {
        let chosen = ((2 * count + size) / (2 * size)).clamp(layers.len(), ranked.len().max(layers.len()));
        if chosen < ranked.len() {
            ranked.select_nth_unstable_by(chosen, order);
        }
        chosen
    } else {
        ranked.sort_unstable_by(order);
        let mut weights = 0;
        ranked
            .iter()
            .take_while(|&&(score, number)| {
                let size = units[layer_of(number)].size;
                let takes = score == f32::INFINITY || 2 * weights + size <= 2 * count;
                weights += size;
                takes
            })
            .count()
    };
    let mut active: Vec<Vec<bool>> = layers.iter().map(|layer| vec![false; layer.scores.len()]).collect();
    for &(score, number) in ranked.iter().take(chosen) {
        if score > f32::NEG_INFINITY {
            let layer = layer_of(number);
            let unit = number as usize - starts[layer];
            (0..units[layer].size).for_each(|i| active[layer][units[layer].member(unit, i)] = true);
        }
    }
    active
}

fn order(a: &(f32, u32), b: &(f32, u32)) -> std::cmp::Ordering {
    b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))
}

/// What of a layer is active together.
struct Units {
    count: usize,
    /// Weights of each.
    size: usize,
    /// Weights of an output channel.
    length: usize,
    /// Of a constant fan-in: the weights of each output channel in the order of their scores.
    ranks: Option<Vec<u32>>,
}

impl Units {
    fn of(layer: &Scored) -> Self {
        let (numel, outputs) = (layer.scores.len(), layer.outputs);
        let length = numel / outputs;
        match layer.structure {
            Structure::FanIn => {
                let mut ranks: Vec<u32> = (0..numel as u32).collect();
                for row in ranks.chunks_mut(length) {
                    row.sort_by(|&a, &b| layer.scores[b as usize].total_cmp(&layer.scores[a as usize]));
                }
                Self { count: length, size: outputs, length, ranks: Some(ranks) }
            }
            structure => {
                let size = structure.block();
                Self { count: numel / size, size, length, ranks: None }
            }
        }
    }

    /// Weight `i` of `unit`.
    fn member(&self, unit: usize, i: usize) -> usize {
        match &self.ranks {
            Some(ranks) => ranks[i * self.length + unit] as usize,
            None => (unit / self.length * self.size + i) * self.length + unit % self.length,
        }
    }

    fn score(&self, scores: &[f32], unit: usize) -> f32 {
        let sum: f64 = (0..self.size).map(|i| f64::from(scores[self.member(unit, i)])).sum();
        // −0 would come after 0, though they are equal.
        (sum / self.size as f64) as f32 + 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unstructured(scores: &[f32]) -> Scored<'_> {
        Scored { scores, outputs: 1, structure: Structure::Unstructured }
    }

    /// By sorting everything.
    fn reference(layers: &[Vec<f32>], count: usize) -> Vec<Vec<bool>> {
        let mut all: Vec<(f32, usize, usize)> = Vec::new();
        let mut active: Vec<Vec<bool>> = layers.iter().map(|layer| vec![false; layer.len()]).collect();
        for (number, scores) in layers.iter().enumerate() {
            let mut order: Vec<usize> = (0..scores.len()).collect();
            order.sort_by(|&a, &b| scores[b].partial_cmp(&scores[a]).unwrap().then(a.cmp(&b)));
            active[number][order[0]] = true;
            all.extend(order[1..].iter().map(|&i| (scores[i], number, i)));
        }
        all.sort_by(|a, b| b.0.partial_cmp(&a.0).unwrap().then((a.1, a.2).cmp(&(b.1, b.2))));
        all.iter().take(count.saturating_sub(layers.len())).for_each(|&(_, layer, i)| active[layer][i] = true);
        active
    }

    proptest! {
        #[test]
        fn the_best_of_the_network_are_active(
            layers in prop::collection::vec(prop::collection::vec((-4i8..4).prop_map(f32::from), 1..20), 1..5),
            share in 0.0f64..1.0,
        ) {
            let numel: usize = layers.iter().map(Vec::len).sum();
            let count = (share * numel as f64) as usize;
            let scored: Vec<Scored> = layers.iter().map(|scores| unstructured(scores)).collect();
            let active = choose(&scored, count);
            prop_assert_eq!(&active, &reference(&layers, count));
            let sum: usize = active.iter().flatten().filter(|&&set| set).count();
            prop_assert_eq!(sum, count.clamp(layers.len(), numel));
        }

        /// Whole blocks, equal rows, and never fewer than one of a layer, whatever the scores.
        #[test]
        fn structures_are_kept(
            seed in prop::collection::vec(-100i32..100, 16 * 6 * 2),
            structure in prop::sample::select(Structure::ALL.to_vec()),
            share in 0.0f64..1.0,
        ) {
            let scores: Vec<f32> = seed.iter().map(|&v| v as f32).collect();
            let (a, b) = scores.split_at(16 * 6);
            // The second has too few outputs for blocks of 8.
            let layers = [(a, 16), (b, 12)];
            let scored = layers.map(|(scores, outputs)| {
                Scored { scores, outputs, structure: structure.of_layer(outputs) }
            });
            let count = (share * 192.0) as usize;
            let active = choose(&scored, count);
            let sum: usize = active.iter().flatten().filter(|&&set| set).count();
            let most = 16;
            prop_assert!(sum.abs_diff(count) <= most || sum <= 2 * most, "{} of {}", sum, count);
            for (layer, active) in scored.iter().zip(&active) {
                let length = active.len() / layer.outputs;
                prop_assert!(active.contains(&true));
                match layer.structure {
                    Structure::Unstructured => {}
                    Structure::Block(block) => {
                        for (i, &set) in active.iter().enumerate() {
                            let first = i / length / block * block * length + i % length;
                            prop_assert_eq!(set, active[first]);
                        }
                    }
                    Structure::FanIn => {
                        let rows: Vec<usize> =
                            active.chunks(length).map(|row| row.iter().filter(|&&set| set).count()).collect();
                        prop_assert!(rows.iter().all(|row| *row == rows[0]), "{:?}", rows);
                    }
                }
            }
        }
    }

    /// What was taken away once does not come back.
    #[test]
    fn minus_infinity_is_never_active() {
        let scores = [f32::NEG_INFINITY, 0.0, f32::NEG_INFINITY, -1.0];
        assert_eq!(choose(&[unstructured(&scores)], 3), [[false, true, false, true]]);
    }

    /// A constant fan-in takes the best of every row, blocks the best sums.
    #[test]
    fn units_count_by_their_mean() {
        let scores = [1.0, 5.0, 2.0, 9.0, 8.0, 7.0];
        let fan_in = Scored { scores: &scores, outputs: 2, structure: Structure::FanIn };
        assert_eq!(choose(&[fan_in], 4), [[false, true, true, true, true, false]]);
        let scores = [1.0, 0.0, 1.0, 9.0, 1.0, 0.0, 1.0, 0.0];
        let blocks = Scored { scores: &scores, outputs: 4, structure: Structure::Block(4) };
        assert_eq!(choose(&[blocks], 4), [[false, true, false, true, false, true, false, true]]);
    }
}

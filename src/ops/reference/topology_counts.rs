//! How many weights go and grow in their plainest form. (Kernels: `topology_counts`, `topology_shares`.)

use crate::ops::topology::{Goes, RuleParams, share_bits};

/// How many of the active weights `values` stay; where each sign is pruned on its own: of the positive and of the negative ones.
pub fn keep(goes: Goes, values: &[f32], rules: &RuleParams) -> [usize; 2] {
    let staying = |count: usize| count - ((count as f32 * rules.rate).ceil() as usize).min(count);
    let negative = values.iter().filter(|value| value.is_sign_negative()).count();
    let positive = values.len() - negative;
    match goes {
        Goes::Share => [staying(values.len()).max(1).min(values.len()), 0],
        Goes::ShareOfEachSign => match [staying(positive), staying(negative)] {
            [0, 0] if positive > 0 => [1, 0],
            [0, 0] => [0, 1.min(negative)],
            some => some,
        },
        Goes::Below | Goes::BelowAdaptive => {
            let large = values.iter().filter(|value| value.abs() >= rules.threshold).count();
            [large.max(1).min(values.len()), 0]
        }
    }
}

/// What each layer gets of `total`: in proportion to `weights`, at most its room; what does not fit goes to the others, and the
/// largest remainders get what rounding leaves (of equal ones the first layers).
pub fn share_out(total: usize, weights: &[f32], room: &[usize]) -> Vec<usize> {
    let mut weights = whole(weights);
    let (mut left, mut shares) = (total, vec![0; room.len()]);
    let mut open: Vec<usize> = (0..room.len()).collect();
    loop {
        if open.iter().all(|&layer| weights[layer] == 0) {
            open.iter().for_each(|&layer| weights[layer] = usize::from(room[layer] > 0));
        }
        let sum: usize = open.iter().map(|&layer| weights[layer]).sum();
        if sum == 0 {
            return shares;
        }
        let product = |layer: usize| left * weights[layer];
        let full = |layer: &usize| weights[*layer] > 0 && product(*layer) / sum >= room[*layer];
        let (filled, rest): (Vec<usize>, Vec<usize>) = open.iter().partition(|layer| full(layer));
        if filled.is_empty() {
            rest.iter().for_each(|&layer| shares[layer] = product(layer) / sum);
            let more = left - rest.iter().map(|&layer| shares[layer]).sum::<usize>();
            let mut order = rest.clone();
            // A stable sort: of equal remainders the first layers.
            order.sort_by_key(|&layer| std::cmp::Reverse(product(layer) % sum));
            order.iter().take(more).for_each(|&layer| shares[layer] += 1);
            return shares;
        }
        filled.iter().for_each(|&layer| shares[layer] = room[layer]);
        left -= filled.iter().map(|&layer| room[layer]).sum::<usize>();
        open = rest;
    }
}

/// Whole numbers of a few bits in the proportion of `weights`.
fn whole(weights: &[f32]) -> Vec<usize> {
    let finite = |weight: &f32| if weight.is_finite() && *weight > 0.0 { *weight } else { 0.0 };
    let weights: Vec<f32> = weights.iter().map(finite).collect();
    let largest = weights.iter().copied().fold(0.0, f32::max);
    // Next to nothing: 2⁻⁹⁵.
    if largest < 2.0f32.powi(-95) {
        return vec![0; weights.len()];
    }
    let exponent = (largest.to_bits() >> 23) as i32 - 127;
    let scale = 2.0f64.powi(share_bits(weights.len()) as i32 - 1 - exponent);
    weights.iter().map(|&weight| (f64::from(weight) * scale) as usize).collect()
}

/// The threshold of the next update, after one that removed `gone` of `all` where the share `rate` was wanted.
pub fn next_threshold(threshold: f32, gone: usize, all: usize, rate: f32) -> f32 {
    let wanted = rate * all as f32;
    if gone as f32 > 1.1 * wanted {
        (0.5 * threshold).max(1e-30)
    } else if (gone as f32) < 0.9 * wanted {
        (2.0 * threshold).min(1e30)
    } else {
        threshold
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::philox::{Purpose, unit, word};

    fn noise(stream: u32, count: usize) -> Vec<f32> {
        (0..count).map(|i| 2.0 * unit(word(3, Purpose::Split, stream, 1, i)) - 1.0).collect()
    }

    /// The total is kept, as long as there is room for it, and so are the bounds; who has no bound near gets its part to within one.
    #[test]
    fn shares_keep_the_total_and_the_bounds() {
        for stream in 0..300 {
            let layers = 1 + stream as usize % 41;
            let draw = |of: u32| noise(10 * stream + of, layers).into_iter().map(|v| (v + 1.0) / 2.0);
            let weights: Vec<f32> = draw(0).map(|v| if stream % 3 == 0 { (3.0 * v).floor() } else { v }).collect();
            let room: Vec<usize> = draw(1).map(|v| (v * v * 5e4) as usize).collect();
            let all: usize = room.iter().sum();
            for total in [0, 1, all / 7, all / 2, all.saturating_sub(1), all] {
                let shares = share_out(total, &weights, &room);
                assert_eq!(shares.iter().sum::<usize>(), total, "{stream}: {weights:?} {room:?}");
                assert!(shares.iter().zip(&room).all(|(share, room)| share <= room));
            }
            let free = vec![usize::MAX >> 20; layers];
            let (whole, shares) = (whole(&weights), share_out(10_000, &weights, &free));
            let sum: usize = whole.iter().sum();
            let near = |(&share, &weight): (&usize, &usize)| share.abs_diff(10_000 * weight / sum.max(1)) <= 1;
            assert!(sum == 0 || shares.iter().zip(&whole).all(near), "{shares:?} for {whole:?}");
        }
    }

    #[test]
    fn shares_by_hand() {
        // 10 · 1/3 is 3 and a third each; the first of equal remainders gets the one that is left.
        assert_eq!(share_out(10, &[1.0, 1.0, 1.0], &[100; 3]), [4, 3, 3]);
        assert_eq!(share_out(10, &[1.0, 2.0, 1.0], &[100; 3]), [3, 5, 2]);
        // The second is full; what it cannot take goes to the others by their numbers.
        assert_eq!(share_out(10, &[1.0, 6.0, 3.0], &[100, 2, 100]), [2, 2, 6]);
        assert_eq!(share_out(3, &[0.0, f32::NAN, f32::INFINITY], &[1, 5, 5]), [1, 1, 1]);
        assert_eq!(share_out(9, &[5.0, 0.0], &[4, 5]), [4, 5]);
        assert_eq!(share_out(9, &[5.0, 0.0], &[4, 0]), [4, 0], "more than there is room for");
    }

    #[test]
    fn counts_by_hand() {
        let rules = RuleParams { rate: 0.5, threshold: 0.25, ..RuleParams::default() };
        let weights = [0.5, -0.125, 0.25, 0.1, -2.0, -0.0];
        assert_eq!(keep(Goes::Share, &weights, &rules), [3, 0]);
        assert_eq!(keep(Goes::ShareOfEachSign, &weights, &rules), [1, 1]);
        assert_eq!(keep(Goes::Below, &weights, &rules), [3, 0]);
        let all = RuleParams { rate: 1.0, threshold: 9.0, ..rules };
        for (goes, wanted) in [(Goes::Share, [1, 0]), (Goes::ShareOfEachSign, [1, 0]), (Goes::Below, [1, 0])] {
            assert_eq!(keep(goes, &weights, &all), wanted);
        }
        assert_eq!(keep(Goes::ShareOfEachSign, &[-1.0], &all), [0, 1]);
        assert_eq!([next_threshold(1.0, 50, 100, 0.5), next_threshold(1.0, 56, 100, 0.5)], [1.0, 0.5]);
        assert_eq!(next_threshold(1.0, 44, 100, 0.5), 2.0);
    }
}

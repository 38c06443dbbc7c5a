use crate::ops::philox::{self, Purpose};

/// The indices `train` in the order in which epoch `epoch` of a run with `seed` sees them. A pure function, so that a
/// resumed run continues as if it had not stopped.
pub fn epoch_order(seed: u64, epoch: u32, train: &[u32]) -> Vec<u32> {
    let order = philox::permutation(seed, Purpose::Shuffle, epoch, 0, train.len());
    order.into_iter().map(|i| train[i as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_epoch_and_seed_has_its_own_order_of_the_same_indices() {
        let train: Vec<u32> = (0..100).map(|i| 3 * i).collect();
        let order = epoch_order(1, 0, &train);
        assert_eq!(order, epoch_order(1, 0, &train));
        for other in [epoch_order(1, 1, &train), epoch_order(2, 0, &train), train.clone()] {
            assert_ne!(order, other);
        }
        let mut sorted = order;
        sorted.sort_unstable();
        assert_eq!(sorted, train);
        assert!(epoch_order(1, 0, &[]).is_empty());
    }
}

//! Which training images are held out for choosing the best epoch, and in what order an epoch takes the rest.

use super::Images;
use crate::ops::philox::{Purpose, permutation};

/// Numbers of the images of each part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    pub train: Vec<u32>,
    pub val: Vec<u32>,
}

impl Split {
    /// Holds out `share` of each class (rounded; at least one image a class stays), drawn by `seed` alone.
    pub fn new(images: &Images, share: f64, seed: u64) -> Self {
        let mut split = Self::default();
        let classes = images.labels.iter().max().map_or(0, |&most| most + 1);
        let mut members = vec![Vec::new(); classes as usize];
        for (image, &label) in images.labels.iter().enumerate() {
            members[label as usize].push(image as u32);
        }
        for (class, members) in members.iter().enumerate() {
            let held = (share * members.len() as f64).round() as usize;
            let held = held.min(members.len().saturating_sub(1));
            let order = permutation(seed, Purpose::Split, class as u32, 0, members.len());
            let mut drawn = order.iter().map(|&at| members[at as usize]);
            split.val.extend(drawn.by_ref().take(held));
            split.train.extend(drawn);
        }
        split.train.sort_unstable();
        split.val.sort_unstable();
        split
    }
}

/// The order in which epoch `epoch` (from 0) takes the images `train`.
pub fn epoch_order(seed: u64, epoch: u32, train: &[u32]) -> Vec<u32> {
    permutation(seed, Purpose::Shuffle, epoch, 0, train.len()).into_iter().map(|at| train[at as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(labels: Vec<u32>) -> Images {
        Images { labels, ..Images::default() }
    }

    #[test]
    fn disjoint_complete_and_even_over_the_classes() {
        let images = images((0..1000).map(|i| i * i % 7 % 5).collect());
        let split = Split::new(&images, 0.1, 0);
        let mut all = [split.train.as_slice(), &split.val].concat();
        all.sort_unstable();
        assert_eq!(all, (0..1000).collect::<Vec<u32>>());
        for class in 0..5 {
            let count = |part: &[u32]| part.iter().filter(|&&i| images.labels[i as usize] == class).count();
            let (train, val) = (count(&split.train), count(&split.val));
            assert_eq!(val, (0.1 * (train + val) as f64).round() as usize);
        }
        assert_eq!(split, Split::new(&images, 0.1, 0));
        assert_ne!(split, Split::new(&images, 0.1, 1));
        assert!(Split::new(&images, 0.0, 0).val.is_empty());
    }

    #[test]
    fn every_class_keeps_an_image() {
        let split = Split::new(&images(vec![0, 1, 1]), 0.9, 0);
        assert_eq!((split.train.len(), split.val.len()), (2, 1));
        assert!(split.train.contains(&0));
        assert_eq!(Split::new(&images(vec![]), 0.5, 0), Split::default());
    }

    #[test]
    fn epochs_differ_and_repeat() {
        let train: Vec<u32> = (100..200).collect();
        let mut order = epoch_order(1, 0, &train);
        assert_eq!(order, epoch_order(1, 0, &train));
        assert_ne!(order, epoch_order(1, 1, &train));
        order.sort_unstable();
        assert_eq!(order, train);
    }
}

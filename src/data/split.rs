use std::collections::BTreeMap;

use super::{DataError, Dataset};
use crate::ops::philox::{self, Purpose};

/// Not a run's seed: all runs share one split, so that their validation accuracies can be compared.
const SEED: u64 = 0;

/// What is drawn: streams of their own.
const VALIDATION: u32 = 0;
pub(super) const TEST: u32 = 1;

/// What is trained on, and what chooses the best epoch. Ascending numbers of images in the order of [`Dataset::parts`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    pub train: Vec<u32>,
    pub val: Vec<u32>,
}

impl Split {
    /// The split of `data`: its own validation set, or else `fraction` of each class of its train set.
    ///
    /// # Errors
    /// As [`Split::stratified`].
    pub fn of(data: &Dataset, fraction: f64) -> Result<Self, DataError> {
        let train = data.train.len() as u32;
        match &data.val {
            Some(val) => Ok(Self { train: (0..train).collect(), val: (train..train + val.len() as u32).collect() }),
            None => Self::stratified(&data.train.labels, fraction),
        }
    }

    /// Holds out `fraction` of each class of `labels`, rounded, but never all of a class. A class of few images may keep
    /// all of them, so `val` can be empty for a tiny set.
    ///
    /// # Errors
    /// When `fraction` is not in `0 <= fraction < 1`.
    pub fn stratified(labels: &[u32], fraction: f64) -> Result<Self, DataError> {
        let (train, val) = draw(labels, fraction, VALIDATION)?;
        Ok(Self { train, val })
    }
}

/// Ascending indices into `labels`, in two: what stays, and `fraction` of each class, rounded, but never all of a class.
/// `what` is drawn.
///
/// # Errors
/// When `fraction` is not in `0 <= fraction < 1`.
pub(super) fn draw(labels: &[u32], fraction: f64, what: u32) -> Result<(Vec<u32>, Vec<u32>), DataError> {
    if !(0.0..1.0).contains(&fraction) {
        return Err(DataError::HeldOut { fraction });
    }
    // Images of each class, then how many of them are still to be drawn.
    let mut quota: BTreeMap<u32, usize> = BTreeMap::new();
    for &label in labels {
        *quota.entry(label).or_default() += 1;
    }
    for count in quota.values_mut() {
        *count = ((*count as f64 * fraction).round() as usize).min(*count - 1);
    }
    let order = philox::permutation(SEED, Purpose::Split, what, 0, labels.len());
    let (mut drawn, mut stays): (Vec<u32>, Vec<u32>) =
        order.into_iter().partition(|&index| match quota.get_mut(&labels[index as usize]) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        });
    drawn.sort_unstable();
    stays.sort_unstable();
    Ok((stays, drawn))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::Images, *};

    fn count(labels: &[u32], part: &[u32], class: u32) -> usize {
        part.iter().filter(|&&index| labels[index as usize] == class).count()
    }

    #[test]
    fn a_tenth_of_each_class_is_held_out_at_random() {
        let labels: Vec<u32> = (0..5000).map(|i| i % 10).collect();
        let split = Split::stratified(&labels, 0.1).unwrap();
        assert_eq!(split, Split::stratified(&labels, 0.1).unwrap());
        assert!((0..10).all(|class| count(&labels, &split.val, class) == 50));
        // Drawn from the whole set: the mean index of 500 of 5000 is 2500 with a deviation of 61.
        let mean = split.val.iter().sum::<u32>() as f64 / 500.0;
        assert!((mean - 2500.0).abs() < 300.0, "{mean}");
        assert_ne!(split.val, (0..500).collect::<Vec<u32>>());
    }

    #[test]
    fn a_test_share_is_another_draw_and_a_validation_set_is_taken_as_it_is() {
        let labels: Vec<u32> = (0..1000).map(|i| i % 10).collect();
        let (kept, drawn) = draw(&labels, 0.1, TEST).unwrap();
        assert_eq!((kept.len(), drawn.len()), (900, 100));
        assert_ne!(drawn, Split::stratified(&labels, 0.1).unwrap().val);

        let mut images = Images::new(1, 1);
        (images.labels, images.pixels) = (vec![0, 1, 0, 1], vec![0; 12]);
        let (name, classes) = ("set".to_owned(), vec!["a".to_owned(), "b".to_owned()]);
        let data = Dataset::new(name, classes, images.clone(), Some(images.part(&[2, 1])), images);
        assert_eq!(Split::of(&data, 0.25).unwrap(), Split { train: vec![0, 1, 2, 3], val: vec![4, 5] });
        assert_eq!(data.parts().map(Images::len).collect::<Vec<_>>(), [4, 2, 4]);
    }

    #[test]
    fn nothing_held_out_and_bad_fractions() {
        assert_eq!(Split::stratified(&[0, 1, 0], 0.0).unwrap(), Split { train: vec![0, 1, 2], val: vec![] });
        assert_eq!(Split::stratified(&[], 0.5).unwrap(), Split { train: vec![], val: vec![] });
        for fraction in [-0.1, 1.0, f64::NAN, f64::INFINITY] {
            assert!(Split::stratified(&[0], fraction).unwrap_err().to_string().contains(&fraction.to_string()));
        }
    }

    proptest! {
        #[test]
        fn disjoint_complete_and_stratified(
            labels in prop::collection::vec(0..7u32, 0..200),
            fraction in 0.0..0.999f64,
        ) {
            let split = Split::stratified(&labels, fraction).unwrap();
            let mut all = [split.train.clone(), split.val.clone()].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..labels.len() as u32).collect::<Vec<_>>());
            for class in 0..7 {
                let (train, val) = (count(&labels, &split.train, class), count(&labels, &split.val, class));
                prop_assert!(train + val == 0 || train > 0);
                let share = (train + val) as f64 * fraction;
                prop_assert!((val as f64 - share).abs() <= 0.5 || train == 1, "{} of {}", val, train + val);
            }
        }
    }
}

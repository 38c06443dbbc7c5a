//! Images that are in two parts of a data set: a result on them is learnt by heart.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hasher};

use super::Images;
use super::describe::{printable, shortened};
use crate::words::{count, number_of};

/// What to know of images that two parts share, each pair of parts in a sentence.
pub(super) fn warnings(classes: &[String], train: &Images, val: Option<&Images>, test: &Images) -> Vec<String> {
    let known = digests(train).collect();
    let heart = "the test accuracy tells what was learnt by heart";
    let mut found = vec![sentence(classes, ("train", &known), ("test", test), heart)];
    if let Some(val) = val {
        let effect = "the best epoch is chosen by what was learnt by heart";
        found.push(sentence(classes, ("train", &known), ("validation", val), effect));
        let effect = "the test accuracy is one that the epoch was chosen by";
        found.push(sentence(classes, ("validation", &digests(val).collect()), ("test", test), effect));
    }
    found.into_iter().flatten().collect()
}

/// That images of `part` are among those of `other`, and of which classes they are.
fn sentence(
    classes: &[String],
    (other, known): (&str, &HashSet<u64>),
    (part, images): (&str, &Images),
    effect: &str,
) -> Option<String> {
    let mut of_class: BTreeMap<u32, usize> = BTreeMap::new();
    for (_, &label) in digests(images).zip(&images.labels).filter(|(digest, _)| known.contains(digest)) {
        *of_class.entry(label).or_default() += 1;
    }
    let shared: usize = of_class.values().sum();
    if shared == 0 {
        return None;
    }
    let mut of_class: Vec<(u32, usize)> = of_class.into_iter().collect();
    of_class.sort_by_key(|&(label, images)| (std::cmp::Reverse(images), label));
    let name = |label: u32| classes.get(label as usize).map_or_else(String::new, |name| printable(name));
    let names: Vec<String> =
        of_class.into_iter().map(|(label, images)| format!("{} {}", name(label), count(images))).collect();
    let all = number_of(images.len(), &format!("{part} image"));
    let are = if shared == 1 { "is" } else { "are" };
    Some(format!(
        "{} of {all} {are} in the {other} set too ({}): {effect}; take them out of one of the two",
        count(shared),
        shortened(&names)
    ))
}

/// A number for each image that equal images share, and others but by a chance of one in 10^9 do not. Nobody forges here, and it
/// is done whenever data is read: a tenth of what SHA-256 costs.
fn digests(images: &Images) -> impl Iterator<Item = u64> {
    let bytes = (images.channels * images.height * images.width).max(1);
    images.pixels.chunks_exact(bytes).map(|pixels| {
        let mut hasher = DefaultHasher::new();
        hasher.write(pixels);
        hasher.finish()
    })
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::set;
    use super::super::{Dataset, warnings};

    fn told(data: &Dataset) -> String {
        warnings(data).join("\n")
    }

    #[test]
    fn images_in_two_parts_are_told() {
        let apart = set(&["ant", "bee"], &[(0, 1), (1, 2)], &[(0, 3), (1, 4)]);
        assert_eq!(told(&apart), "");
        let same = set(&["ant", "bee"], &[(0, 1), (1, 2)], &[(0, 1), (1, 2)]);
        let text = told(&same);
        assert!(text.starts_with("2 of 2 test images are in the train set too (ant 1, bee 1): "), "{text}");
        // Under another label as well, and that is the label that is named.
        let some = set(&["ant", "bee"], &[(0, 1), (1, 2)], &[(1, 1), (1, 4), (0, 5)]);
        let text = told(&some);
        assert!(text.starts_with("1 of 3 test images is in the train set too (bee 1): the test accuracy"), "{text}");
    }

    #[test]
    fn a_validation_set_is_looked_at_too() {
        let parts = set(&["ant"], &[(0, 1), (0, 2)], &[(0, 3)]);
        let val = set(&["ant"], &[(0, 2), (0, 3)], &[(0, 9)]).train;
        let text = told(&Dataset::new("set".into(), parts.classes, parts.train, Some(val), parts.test));
        for words in
            ["1 of 2 validation images is in the train set too", "1 of 1 test image is in the validation set too"]
        {
            assert!(text.contains(words), "{words}: {text}");
        }
    }

    #[test]
    fn classes_of_one_name_are_told() {
        let text = told(&set(&["cat", "dog", "Cat "], &[(0, 1), (1, 2), (2, 3)], &[(0, 4), (1, 5), (2, 6)]));
        assert!(text.contains("the classes 0 (cat) and 2 (Cat ) have one name"), "{text}");
    }
}

//! The differences of two data sets, in words.

use std::collections::BTreeMap;

use super::describe::{printable, shortened};
use super::record::{PartRecord, Record};
use crate::words::number_of;

/// Classes that a message names.
const NAMED: usize = 3;

impl Record {
    /// What sets the data of `now` apart from this, in words; nothing if a run may go on with it. How pixels are normalised
    /// is no matter: a run keeps its own way.
    pub fn differences(&self, now: &Self) -> Vec<String> {
        let mut found = self.image_differences(now);
        if found.is_empty() && self.split != now.split {
            let (before, after) = (self.split.val, now.split.val);
            found.push(format!("other images are held out for validation ({after}, and {before} before)"));
        }
        found
    }

    /// The same without a look at what is held out.
    pub fn image_differences(&self, now: &Self) -> Vec<String> {
        if self.image != now.image {
            let what = |channels: usize| if channels == 1 { "grey pixels" } else { "pixels" };
            let size = |[channels, height, width]: [usize; 3]| format!("{width}x{height} {}", what(channels));
            return vec![format!("its images have {} instead of {}", size(now.image), size(self.image))];
        }
        let classes = self.class_differences(now);
        if classes.is_empty()
            && self.train.digests == now.test.digests
            && self.test.digests == now.train.digests
            && self.train != self.test
        {
            return vec!["train and test set have changed places".into()];
        }
        let mut found = classes;
        match (&self.val, &now.val) {
            (None, Some(_)) => found.push("it has a validation set now".into()),
            (Some(_), None) => found.push("its validation set is gone".into()),
            (Some(before), Some(after)) => {
                found.extend(self.part_differences(now, "validation", (before, after), false))
            }
            (None, None) => {}
        }
        found.extend(self.part_differences(now, "train", (&self.train, &now.train), true));
        found.extend(self.part_differences(now, "test", (&self.test, &now.test), false));
        found
    }

    /// Classes that came, went, or got another name or label.
    fn class_differences(&self, now: &Self) -> Vec<String> {
        if self.classes == now.classes {
            return Vec::new();
        }
        let content: BTreeMap<&str, &String> =
            now.train.digests.iter().zip(&now.classes).map(|(d, c)| (d.as_str(), c)).collect();
        let mut gone: Vec<String> = Vec::new();
        let mut new: Vec<&String> = now.classes.iter().filter(|class| !self.classes.contains(class)).collect();
        let mut renamed = Vec::new();
        for (label, class) in self.classes.iter().enumerate().filter(|(_, class)| !now.classes.contains(class)) {
            let images = self.train.digests.get(label).and_then(|digest| content.get(digest.as_str()));
            match images.and_then(|name| new.iter().position(|other| other == name)) {
                Some(other) => {
                    renamed.push(format!("class {} is called {} now", quoted(class), quoted(new.remove(other))))
                }
                None => gone.push(quoted(class)),
            }
        }
        let mut found = if renamed.is_empty() { Vec::new() } else { vec![few(&renamed)] };
        let new: Vec<String> = new.into_iter().map(|class| quoted(class)).collect();
        for (classes, what) in [(gone, "gone"), (new, "new")] {
            match classes.len() {
                0 => {}
                1 => found.push(format!("class {} is {what}", classes[0])),
                all => found.push(format!("{all} classes are {what}: {}", shortened(&classes))),
            }
        }
        if found.is_empty() {
            let moved = |(label, (before, after)): (usize, (&String, &String))| {
                (before != after).then(|| format!("label {label} was {} and is {} now", quoted(before), quoted(after)))
            };
            let first = self.classes.iter().zip(&now.classes).enumerate().find_map(moved);
            found.push(format!("its classes are in another order ({})", first.unwrap_or_default()));
        }
        found
    }

    /// Images that came, went, or are others, in a part that is called `name`. Their order counts where some are held out.
    fn part_differences(
        &self,
        now: &Self,
        name: &str,
        (before, after): (&PartRecord, &PartRecord),
        ordered: bool,
    ) -> Option<String> {
        let of_class =
            |part: &PartRecord, label: usize| Some((*part.images.get(label)?, part.digests.get(label)?.clone()));
        let same = self.classes == now.classes;
        let pair = |(label, name): (usize, &String)| {
            let other = if same { Some(label) } else { now.classes.iter().position(|other| other == name) };
            Some(Class { name: quoted(name), before: of_class(before, label)?, after: of_class(after, other?)? })
        };
        // Of classes that are not in both it is told elsewhere.
        let common: Vec<Class> = self.classes.iter().enumerate().filter_map(pair).collect();
        let total = |part: &PartRecord| part.images.iter().sum::<usize>();
        let counts: Vec<String> = common
            .iter()
            .filter(|class| class.before.0 != class.after.0)
            .map(|class| format!("{}: {} instead of {}", class.name, class.after.0, class.before.0))
            .collect();
        if !counts.is_empty() {
            let (before, after) = (total(before), total(after));
            let what = match after.abs_diff(before) {
                0 => format!("the {name} set has as many images, but not as many of each class"),
                1 if after < before => format!("the {name} set has 1 image fewer ({after})"),
                1 => format!("the {name} set has 1 image more ({after})"),
                less if after < before => format!("the {name} set has {less} images fewer ({after})"),
                more => format!("the {name} set has {more} images more ({after})"),
            };
            return Some(format!("{what}; {}", few(&counts)));
        }
        let changed: Vec<&Class> = common.iter().filter(|class| class.before.1 != class.after.1).collect();
        if let [a, b] = changed.as_slice()
            && (&a.before, &a.after) == (&b.after, &b.before)
        {
            return Some(format!("the images of {} and {} have changed places in the {name} set", a.name, b.name));
        }
        if !changed.is_empty() {
            let classes: Vec<String> = changed.iter().map(|class| class.name.clone()).collect();
            return Some(format!("the {name} set has as many images, but other ones, of {}", few(&classes)));
        }
        (ordered && same && before.digest != after.digest).then(|| {
            format!(
                "the {name} set has the same images in another order (were files renamed?), which decides what is held out"
            )
        })
    }
}

/// A class of both data sets: how many images it has, and their digest.
struct Class {
    name: String,
    before: (usize, String),
    after: (usize, String),
}

fn quoted(class: &str) -> String {
    format!("`{}`", printable(class))
}

/// The first of what a message lists.
fn few(items: &[String]) -> String {
    let more = match items.len() {
        0..=NAMED => String::new(),
        all => format!(" and {}", number_of(all - NAMED, "more class")),
    };
    items[..items.len().min(NAMED)].join(", ") + &more
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Dataset, record::tests::set};

    const TRAIN: &[(u32, u8)] = &[(0, 1), (1, 2), (0, 3), (1, 4), (0, 5), (1, 6)];
    const TEST: &[(u32, u8)] = &[(0, 11), (1, 12)];

    #[track_caller]
    fn told(now: &Dataset, words: &[&str]) {
        let before = Record::of(&set(&["a", "b"], TRAIN, TEST), 0.4).unwrap();
        assert_eq!(before.differences(&Record::of(now, 0.4).unwrap()), words);
    }

    #[test]
    fn what_differs_is_told_in_words() {
        told(&set(&["a", "b"], TRAIN, TEST), &[]);
        told(&set(&["a", "c"], TRAIN, TEST), &["class `b` is called `c` now"]);
        let labels = |list: &[(u32, u8)]| list.iter().map(|&(label, pixel)| (1 - label, pixel)).collect::<Vec<_>>();
        // Other labels, the same classes.
        told(
            &set(&["b", "a"], &labels(TRAIN), &labels(TEST)),
            &["its classes are in another order (label 0 was `a` and is `b` now)"],
        );
        // Other names, the same labels.
        let swapped =
            ["train", "test"].map(|part| format!("the images of `a` and `b` have changed places in the {part} set"));
        told(&set(&["a", "b"], &labels(TRAIN), &labels(TEST)), &[&swapped[0], &swapped[1]]);
        told(
            &set(&["b", "a"], TRAIN, TEST),
            &["its classes are in another order (label 0 was `a` and is `b` now)", &swapped[0], &swapped[1]],
        );
        told(&set(&["a", "b", "c", "d"], TRAIN, TEST), &["2 classes are new: `c`, `d`"]);
        told(&set(&["a", "b"], TEST, TRAIN), &["train and test set have changed places"]);
        let mut reversed = TRAIN.to_vec();
        reversed.reverse();
        told(
            &set(&["a", "b"], &reversed, TEST),
            &[
                "the train set has the same images in another order (were files renamed?), which decides what is held out",
            ],
        );
        let mut test = TEST.to_vec();
        test.reverse();
        told(&set(&["a", "b"], TRAIN, &test), &[]);
        told(&set(&["a", "b"], &TRAIN[1..], TEST), &["the train set has 1 image fewer (5); `a`: 2 instead of 3"]);
        let mut other = TEST.to_vec();
        other[1].1 += 1;
        told(&set(&["a", "b"], TRAIN, &other), &["the test set has as many images, but other ones, of `b`"]);
    }

    #[test]
    fn classes_of_cifar100_instead_of_cifar10() {
        let names: Vec<String> = (0..100).map(|class| class.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let before = Record::of(&set(&names[..10], TRAIN, TEST), 0.1).unwrap();
        let now = Record::of(&set(&names, TRAIN, TEST), 0.1).unwrap();
        assert_eq!(before.differences(&now), ["90 classes are new: `10`, `11`, `12`, `13`, `14` and 85 more"]);
        assert_eq!(now.differences(&before), ["90 classes are gone: `10`, `11`, `12`, `13`, `14` and 85 more"]);
    }

    #[test]
    fn messages_stay_short_and_equal_names_hide_nothing() {
        let classes = |name: &dyn Fn(usize) -> String| {
            let names: Vec<String> = (0..10).map(name).collect();
            let images: Vec<(u32, u8)> = (0..10).map(|class| (class, class as u8)).collect();
            set(&names.iter().map(String::as_str).collect::<Vec<_>>(), &images, &images[..2])
        };
        let before = Record::of(&classes(&|class| class.to_string()), 0.0).unwrap();
        let renamed = Record::of(&classes(&|class| format!("c{class}")), 0.0).unwrap();
        let message = "class `0` is called `c0` now, class `1` is called `c1` now, class `2` is called `c2` now and 7 more classes";
        assert_eq!(before.differences(&renamed), [message]);

        let before = Record::of(&set(&["a", "a"], TRAIN, TEST), 0.0).unwrap();
        let now = Record::of(&set(&["a", "a"], TRAIN, &[(0, 11), (1, 13)]), 0.0).unwrap();
        assert_eq!(before.differences(&now), ["the test set has as many images, but other ones, of `a`"]);
    }

    #[test]
    fn a_validation_set_and_another_split_are_told_but_not_another_normalisation() {
        let data = set(&["a", "b"], TRAIN, TEST);
        let before = Record::of(&data, 0.4).unwrap();
        let other_share = Record::of(&data, 0.0).unwrap();
        let message = "other images are held out for validation (0, and 2 before)";
        assert_eq!(before.differences(&other_share), [message]);
        assert!(before.image_differences(&other_share).is_empty(), "the images are the same");
        let validated = Record::of(&Dataset { val: Some(data.test.clone()), ..data.clone() }, 0.4).unwrap();
        assert_eq!(before.differences(&validated), ["it has a validation set now"]);
        assert_eq!(validated.differences(&before), ["its validation set is gone"]);
        let mut other = validated.clone();
        other.val = Some(before.train.clone());
        assert!(validated.differences(&other)[0].starts_with("the validation set has 4 images more (6)"));
        let published = Record { mean: vec![0.5; 3], std: vec![0.1; 3], name: "cifar10".into(), ..before.clone() };
        assert!(before.differences(&published).is_empty());
    }
}

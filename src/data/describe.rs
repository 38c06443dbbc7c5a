//! A dataset in words, for `itop data info`.

use super::Dataset;

/// Name, sizes, normalisation, and the classes with their numbers of images.
pub fn describe(dataset: &Dataset) -> String {
    let (train, test) = (&dataset.train, &dataset.test);
    let numbers = |values: [f32; 3]| values.map(|value| format!("{value:.4}")).join(", ");
    let mut text = format!(
        "{}: {} training and {} test images of {}×{}×{}, {} classes\nmean [{}], std [{}]\n",
        dataset.name,
        train.len(),
        test.len(),
        train.channels,
        train.height,
        train.width,
        dataset.classes.len(),
        numbers(dataset.mean),
        numbers(dataset.std)
    );
    let count = |labels: &[u32], class: usize| labels.iter().filter(|&&label| label as usize == class).count();
    for (class, name) in dataset.classes.iter().enumerate() {
        let (train, test) = (count(&train.labels, class), count(&test.labels, class));
        text += &format!("{class:>4}  {name:<28} {train:>6} training {test:>6} test\n");
    }
    text
}

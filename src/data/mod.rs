//! data (placeholder until merged)
pub struct Images {
    pub pixels: Vec<u8>,
    pub labels: Vec<u32>,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}
impl Images {
    pub fn len(&self) -> usize {
        self.labels.len()
    }
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}
pub struct Dataset {
    pub name: String,
    pub classes: Vec<String>,
    pub train: Images,
    pub test: Images,
    pub mean: [f32; 3],
    pub std: [f32; 3],
}
#[derive(Debug, thiserror::Error)]
#[error("data")]
pub struct DataError;
pub fn load(_s: &str) -> Result<Dataset, DataError> {
    let n = 2500usize;
    let image = |i: usize| {
        let l = i % 10;
        (0..3072usize)
            .map(move |p| {
                ((p / 300 == l) as u8) * 120
                    + (crate::ops::philox::word(1, crate::ops::philox::Purpose::Split, i as u32, 0, p) % 120) as u8
            })
            .collect::<Vec<u8>>()
    };
    let make = |a: usize, b: usize| Images {
        pixels: (a..b).flat_map(image).collect(),
        labels: (a..b).map(|i| (i % 10) as u32).collect(),
        channels: 3,
        height: 32,
        width: 32,
    };
    Ok(Dataset {
        name: "fake".into(),
        classes: (0..10).map(|i| i.to_string()).collect(),
        train: make(0, 2000),
        test: make(2000, n),
        mean: [0.5; 3],
        std: [0.25; 3],
    })
}
pub fn describe(_d: &Dataset) -> String {
    String::new()
}
pub struct Split {
    pub train: Vec<u32>,
    pub val: Vec<u32>,
}
impl Split {
    pub fn new(i: &Images, v: f64, _s: u64) -> Self {
        let k = (i.len() as f64 * (1.0 - v)) as u32;
        Split { train: (0..k).collect(), val: (k..i.len() as u32).collect() }
    }
}
pub fn epoch_order(seed: u64, epoch: u32, train: &[u32]) -> Vec<u32> {
    crate::ops::philox::permutation(seed, crate::ops::philox::Purpose::Shuffle, epoch, 0, train.len())
        .iter()
        .map(|&i| train[i as usize])
        .collect()
}

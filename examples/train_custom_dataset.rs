//! Trains a sparse network on images that the program makes itself: a data set without files.
//!
//! `cargo run --release --example train_custom_dataset [FOLDER]` leaves a run folder (see `read_run_folder`).

use std::error::Error;
use std::path::Path;

use itop::data::{Dataset, Images};
use itop::gpu::{Gpu, GpuOptions};
use itop::train::run_folder::Summary;
use itop::train::{Config, Hold, Method, Opening, Outcome, RunData, RunPlan, Session, Target};

/// Side of an image in pixels.
const SIZE: usize = 16;

/// `count` images of noise in two classes: with a bright left half, and with a bright upper half.
fn images(count: usize) -> Images {
    let pixel = |image: usize, i: usize| {
        let (y, x) = (i / SIZE % SIZE, i % SIZE);
        let bright = if image.is_multiple_of(2) { x < SIZE / 2 } else { y < SIZE / 2 };
        (i * 31 + image * 17) as u8 % 64 + if bright { 128 } else { 0 }
    };
    let pixels = (0..count).flat_map(|image| (0..3 * SIZE * SIZE).map(move |i| pixel(image, i))).collect();
    Images {
        pixels,
        labels: (0..count as u32).map(|image| image % 2).collect(),
        channels: 3,
        height: SIZE,
        width: SIZE,
    }
}

/// Trains for two epochs with SET, a tenth of the weights active; the run goes to `folder`, which must not hold one yet.
pub fn train(folder: &Path) -> Result<Summary, Box<dyn Error>> {
    let classes = vec!["left".to_owned(), "above".to_owned()];
    let dataset = Dataset::from_images("halves", classes, images(112), None, images(32))?;
    let (model, data) = ("resnet8".into(), dataset.name.clone());
    let (method, sparsity, delta_t, batch_size, epochs) = (Method::SET, 0.9, 4, 16, 2);
    let config = Config { model, data, method, sparsity, delta_t, batch_size, epochs, ..Config::default() };
    let data = RunData::of(dataset, &config)?;
    let options = GpuOptions::default();
    let gpu = pollster::block_on(Gpu::open(&options))?;
    let run_plan = RunPlan::new(config.clone(), &data.dataset, &gpu)?;
    let opening = Opening::new_run(config, Target::Folder(folder.into()), Hold::Nobody)?;
    // In the place of `()`: what hears how the run goes, and may end it (`train::Listener`).
    let mut session = pollster::block_on(Session::start(opening, gpu, &run_plan, &data, &mut ()))?;
    match pollster::block_on(session.run_to_end(async || Gpu::open(&options).await, &mut ()))? {
        Outcome::Finished(summary) => Ok(*summary),
        Outcome::Interrupted => unreachable!("`()` never interrupts"),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).unwrap_or("runs/halves".into());
    let summary = train(Path::new(&folder))?;
    println!("{:.1} % of the test images, with {} weights", 100.0 * summary.test_accuracy, summary.active_parameters);
    Ok(())
}

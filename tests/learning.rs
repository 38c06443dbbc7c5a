//! Training learns: the preset that `itop train` takes without options, to its end, on the bundled sample.

mod common;

use common::gpu;
use itop::data;
use itop::gpu::GpuError;
use itop::train::presets::preset;
use itop::train::{Outcome, RunData, RunPlan, Session};

/// One class in ten is right by chance; PyTorch reaches 38 % with this recipe (README.md).
#[test]
fn quick_reaches_35_percent() {
    let config = preset("quick").unwrap().finish().unwrap();
    let data = RunData::of(data::load(&config.data).unwrap(), &config).unwrap();
    let run_plan = RunPlan::new(config, &data.dataset, &gpu()).unwrap();
    let place = tempfile::tempdir().unwrap();
    let opening = common::new_run(&run_plan, &place.path().join("run"));
    let mut session = pollster::block_on(Session::start(opening, gpu(), &run_plan, &data, &mut ())).unwrap();
    let reopen = async || Ok::<_, GpuError>(gpu());
    let outcome = pollster::block_on(session.run_to_end(reopen, &mut ())).unwrap();
    let Outcome::Finished(summary) = outcome else { panic!("nobody interrupted it") };
    assert!(summary.test_accuracy >= 0.35, "{:.1} % of the test images", 100.0 * summary.test_accuracy);
}

//! Runs whose set shrinks: their plans follow it, and a run that is broken off goes on to the same end.

mod common;
#[path = "common/toy.rs"]
mod toy;

use common::gpu;
use itop::ops::Storage;
use itop::train::run_folder::MetricLine;
use itop::train::{Config, End, Hold, Listener, Method, Opening, RunData, RunPlan, Session};

/// Twenty steps, and an update after each.
fn config(method: Method, model: &str, storage: Storage) -> Config {
    let base = Config { model: model.into(), batch_size: 5, epochs: 4, delta_t: 1, lr: 0.02, ..Config::default() };
    Config { method, storage, sparsity: 0.95, ..base }
}

/// Breaks the run off once so many steps are done.
struct Until(usize, usize);

impl Listener for Until {
    fn metric(&mut self, line: &MetricLine, _itop_rate: f64) {
        if let MetricLine::Step { step, .. } = line {
            self.0 = *step;
        }
    }

    fn interrupted(&mut self) -> bool {
        self.0 >= self.1
    }
}

/// The end of a run that is broken off after each of `stops` steps, without what tells of times.
fn end(config: &Config, stops: &[usize]) -> Vec<u8> {
    let data = RunData::of(toy::in_memory(25), config).unwrap();
    let run_plan = RunPlan::new(config.clone(), &data.dataset, &gpu()).unwrap();
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("run");
    let mut opening = common::new_run(&run_plan, &folder);
    for &stop in stops.iter().chain(&[usize::MAX]) {
        let mut listener = Until(0, stop);
        let session = Session::start(opening, gpu(), &run_plan, &data, &mut listener);
        let mut session = pollster::block_on(session).unwrap();
        let end = pollster::block_on(session.run(async || Ok(gpu()), &mut listener)).unwrap();
        let trainer = &mut session.trainer;
        let (step, layers) = (trainer.progress.step, &trainer.network.plan.layers);
        let capacity: Vec<usize> = layers.iter().map(|layer| layer.capacity).collect();
        if end == End::Finished {
            assert_eq!(stop, usize::MAX);
            assert_eq!(capacity, run_plan.sizes.capacity(step - 1), "the plan of the last step");
            let [first, last] = [&run_plan.plan, &*trainer.network.plan].map(|plan| plan.buffers.total_bytes());
            assert!(last < first, "the memory stays as it was");
            trainer.progress.seconds_training = 0.0;
            trainer.progress.seconds_host = 0.0;
            return pollster::block_on(trainer.capture()).unwrap();
        }
        assert!(step >= stop && step < run_plan.total_steps(), "broken off at step {step}");
        opening = Opening::resume(&folder, Hold::Nobody, &mut (), |layers| layers.finish()).unwrap();
    }
    unreachable!("a run ends")
}

#[test]
fn a_run_that_is_broken_off_comes_to_the_same_end() {
    for (method, storage) in [(Method::GMP, Storage::F32), (Method::GRANET, Storage::Bf16)] {
        let config = config(method, "resnet8", storage);
        let whole = end(&config, &[]);
        for stops in [&[1][..], &[3, 9], &[12]] {
            assert!(end(&config, stops) == whole, "{} broken off after {stops:?}", method.name);
        }
    }
}

/// As many plans as there are halvings, about; each with less memory, and the last with kernels for few weights.
#[test]
fn plans_follow_the_set() {
    let config = config(Method::GMP, "resnet20", Storage::F32);
    let data = RunData::of(toy::in_memory(25), &config).unwrap();
    let run_plan = RunPlan::new(config, &data.dataset, &gpu()).unwrap();
    let steps: Vec<usize> = run_plan.sizes.plans().collect();
    assert!((4..=10).contains(&steps.len()) && steps[0] == 0, "{steps:?}");
    let plans: Vec<_> = steps.iter().map(|&step| run_plan.plan_after(step).unwrap()).collect();
    let bytes: Vec<u64> = plans.iter().map(|plan| plan.buffers.total_bytes()).collect();
    assert!(bytes.is_sorted_by(|more, fewer| more > fewer), "{bytes:?}");
    let dense = |plan: &itop::plan::Plan| {
        let choice = |layer: &itop::plan::LayerPlan| run_plan.tuning.choice(&layer.conv, layer.density()).is_dense();
        plan.layers.iter().filter(|layer| choice(layer)).count()
    };
    assert!(dense(&plans[0]) > 2 * dense(&plans[plans.len() - 1]));
    // A step costs what its set costs, and the run the mean of its steps.
    let (mean, last) = (run_plan.training_flops_ratio(), run_plan.inference_flops_ratio());
    assert!(last < mean && mean < 1.0, "{last} {mean}");
}

/// A longer or shorter run would have had other sizes.
#[test]
fn the_schedule_of_a_run_stays() {
    let run = config(Method::GMP, "resnet8", Storage::F32);
    for other in [
        Config { epochs: 8, ..run.clone() },
        Config { delta_t: 2, ..run.clone() },
        Config { epoch_multiplier: 2, ..run.clone() },
        Config { shrink: itop::sparsity::Shrink { stop_at: 0.5, ..run.shrink }, ..run.clone() },
    ] {
        let error = run.check_resume(&other).unwrap_err().to_string();
        assert!(error.contains("what it was when the run began"), "{error}");
    }
    let set = Config { method: Method::SET, ..run };
    set.check_resume(&Config { epochs: 8, ..set.clone() }).unwrap();
}

#[test]
fn a_set_that_never_shrinks_is_refused() {
    let late = Config { delta_t: 15, ..config(Method::GMP, "resnet8", Storage::F32) };
    let data = RunData::of(toy::in_memory(25), &late).unwrap();
    let error = RunPlan::new(late, &data.dataset, &gpu()).err().unwrap().to_string();
    assert!(error.contains("`gmp` has no topology update") && error.contains("lower `delta_t`"), "{error}");
}

//! `itop` in a browser: one [`Session`] is one run, driven from a worker. All there is to see goes out as JSON events; the
//! run folder stays in memory until somebody takes it as an archive.
//!
//! Events (`kind`): `checking`, `start`, `preparing`, the lines of `metrics.jsonl` (`step`, `epoch`), `update`, `map` (there are new
//! maps), `warning`, `paused`, `resumed`, `stopped`, `finished`.
#![cfg(target_arch = "wasm32")]
#![deny(unsafe_code)]

mod control;
mod live;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use itop::data::{self, Dataset};
use itop::gpu::{Gpu, GpuError, GpuOptions};
use itop::ops::{Storage, Tuning};
use itop::report::Film;
use itop::sparsity::Method;
use itop::train::frames::FrameLine;
use itop::train::presets::preset;
use itop::train::run_folder::Memory;
use itop::train::{self, Config, ConfigError, Hold, Opening, Outcome, RunData, RunPlan, SessionError, Target};
use itop::verify::{self, Device};
use serde_json::json;
use wasm_bindgen::prelude::*;

use control::{Control, Wish};
use live::{Emit, Live};

/// One run: its data, its files, and what its user wishes.
#[wasm_bindgen]
#[derive(Default)]
pub struct Session {
    files: RefCell<BTreeMap<String, Vec<u8>>>,
    dataset: RefCell<Option<Dataset>>,
    memory: Memory,
    control: Control,
    /// Name of the run, once it has begun.
    run: RefCell<Option<String>>,
    /// The latest maps of all layers.
    frame: RefCell<Option<FrameLine>>,
}

fn error(error: impl std::fmt::Display) -> JsError {
    JsError::new(&error.to_string())
}

#[wasm_bindgen]
impl Session {
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        console_error_panic_hook::set_once();
        Self::default()
    }

    /// The methods there are: JSON list of `name`, `title`, `about`, and whether the set `moves`.
    pub fn methods() -> String {
        let row = |method: Method| {
            json!({
                "name": method.name, "title": method.title, "about": method.about, "moves": method.update.is_some(),
            })
        };
        serde_json::Value::from_iter(Method::ALL.map(row)).to_string()
    }

    /// Adds a file of a CIFAR layout, or a `.tar.gz` of one.
    pub fn add_file(&self, name: String, bytes: Vec<u8>) {
        self.files.borrow_mut().insert(name, bytes);
    }

    /// Makes a dataset, named after `source`, of the files that were added: JSON with `name`, `train`, `test`, `classes`.
    pub fn load(&self, source: &str) -> Result<String, JsError> {
        let mut files = self.files.take();
        let packed = files.keys().find(|name| name.ends_with(".tar.gz")).cloned();
        let dataset = match packed.and_then(|name| files.remove_entry(&name)) {
            Some((name, bytes)) => data::from_archive(&bytes, Path::new(&name)),
            None => data::from_files(Path::new(source), files),
        };
        let dataset = dataset.map_err(error)?;
        let (train, test, classes) = (dataset.train.len(), dataset.test.len(), dataset.classes.len());
        let found = json!({ "name": dataset.name, "train": train, "test": test, "classes": classes });
        self.dataset.replace(Some(dataset));
        Ok(found.to_string())
    }

    /// Trains to the end, or until [`Session::stop`]: the `quick` preset with `assignments` (`key=value`) on top, on the
    /// loaded dataset or else the sample. `adapter` is what to call the GPU, whose name wgpu does not learn; `emit` is
    /// called with each event.
    pub async fn train(
        &self,
        assignments: Vec<String>,
        adapter: String,
        emit: js_sys::Function,
    ) -> Result<(), JsError> {
        let emit = Emit(emit);
        let config = config(&assignments).map_err(error)?;
        let dataset = match self.dataset.take() {
            Some(dataset) => dataset,
            None => data::load("sample").map_err(error)?,
        };
        let config = Config { data: dataset.name.clone(), ..config };
        let open = async || open(&adapter).await;
        let gpu = open().await.map_err(error)?;
        check(&gpu, config.storage, &emit).await?;
        let opening =
            Opening::new_run(config.clone(), Target::Memory(self.memory.clone()), Hold::Nobody).map_err(error)?;
        let data = RunData::of(dataset, &config).map_err(error)?;
        let first = opening.first_set(&data, &gpu, &mut ()).await.map_err(error)?;
        let run_plan = RunPlan::with(config, first, &data.dataset, &gpu, Tuning::for_gpu(&gpu)).map_err(error)?;
        self.run.replace(Some(run_plan.config.run_name()));
        let done = self.train_run(opening, &run_plan, &data, open, &emit).await;
        done.map_err(error)
    }

    async fn train_run(
        &self,
        opening: Opening,
        run_plan: &RunPlan,
        data: &RunData,
        open: impl AsyncFn() -> Result<Gpu, GpuError> + Copy,
        emit: &Emit,
    ) -> Result<(), SessionError> {
        let gpu = open().await.map_err(|error| SessionError::Start(error.into()))?;
        let mut live = Live::new(run_plan, emit, &self.control, &self.frame);
        live.start(&data.dataset, &gpu);
        let mut session = train::Session::start(opening, gpu, run_plan, data, &mut live).await?;
        let summary = loop {
            if let Outcome::Finished(summary) = session.run_to_end(open, &mut live).await? {
                break summary;
            }
            let step = session.trainer.progress.step;
            match self.control.wish() {
                Wish::Go => {}
                Wish::Pause => {
                    emit.json(&json!({ "kind": "paused", "step": step }));
                    self.control.unpaused().await;
                    emit.json(&json!({ "kind": "resumed" }));
                }
                Wish::Stop => {
                    emit.json(&json!({ "kind": "stopped", "step": step }));
                    return Ok(());
                }
            }
        };
        emit.json(&json!({ "kind": "finished", "summary": summary }));
        Ok(())
    }

    /// Holds the run after the steps under way, with a checkpoint.
    pub fn pause(&self) {
        self.control.set(Wish::Pause);
    }

    pub fn resume(&self) {
        self.control.set(Wish::Go);
    }

    /// Ends the run after the steps under way, with a checkpoint.
    pub fn stop(&self) {
        self.control.set(Wish::Stop);
    }

    /// Name of the run, once it has begun.
    pub fn name(&self) -> Option<String> {
        self.run.borrow().clone()
    }

    /// The run folder as a `.tar`, as it is now.
    pub fn tar(&self) -> Result<Vec<u8>, JsError> {
        self.memory.tar(&self.name().unwrap_or("run".into())).map_err(error)
    }

    /// The latest map of a layer as a PNG.
    pub fn map(&self, layer: &str) -> Option<Vec<u8>> {
        let film = Film::new(std::slice::from_ref(self.frame.borrow().as_ref()?), &mut Vec::new());
        film.layers.iter().find(|film| film.name == layer)?.still()
    }
}

fn config(assignments: &[String]) -> Result<Config, ConfigError> {
    let mut layers = preset("quick")?;
    assignments.iter().try_for_each(|assignment| layers.assign(assignment))?;
    layers.finish()
}

/// Whether `gpu` computes right, looked at before the first run of this page: one phone's browser gave gradients that were all
/// zero, and trained on (tfjs#8590).
async fn check(gpu: &Gpu, storage: Storage, emit: &Emit) -> Result<(), JsError> {
    thread_local! {
        static CHECKED: RefCell<Vec<Storage>> = const { RefCell::new(Vec::new()) };
    }
    if CHECKED.with_borrow(|checked| checked.contains(&storage)) {
        return Ok(());
    }
    let (place, cases) = (Device::new(gpu.clone()), verify::short(gpu, storage));
    for (done, case) in cases.iter().enumerate() {
        emit.json(&json!({ "kind": "checking", "done": done, "total": cases.len() }));
        let compared = case.compare(&place).await.map_err(error)?;
        if let Some(wrong) = compared.iter().find(|one| !one.agrees()) {
            return Err(JsError::new(&format!(
                "this browser's GPU computes something else than the processor, and would train wrong: {wrong}; another \
                 browser, a newer driver, or `itop verify` on the command line may tell more"
            )));
        }
    }
    CHECKED.with_borrow_mut(|checked| checked.push(storage));
    Ok(())
}

async fn open(adapter: &str) -> Result<Gpu, GpuError> {
    let mut gpu = Gpu::open(&GpuOptions::default()).await?;
    if !adapter.is_empty() {
        gpu.summary.name = adapter.to_string();
    }
    Ok(gpu)
}

use itop::gpu::{Gpu, GpuOptions};
use itop::train::{Problem, Trainer, config::Layers, presets::preset};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
pub async fn spike(assignments: Vec<String>, steps: usize) -> Result<String, JsValue> {
    console_error_panic_hook::set_once();
    let fail = |e: &dyn std::fmt::Display| JsValue::from_str(&e.to_string());
    let mut layers: Layers = preset("quick").map_err(|e| fail(&e))?;
    for a in &assignments {
        layers.assign(a).map_err(|e| fail(&e))?;
    }
    let config = layers.finish().map_err(|e| fail(&e))?;
    let dataset = itop::data::load("sample").map_err(|e| fail(&e))?;
    let gpu = Gpu::open(&GpuOptions::default()).await.map_err(|e| fail(&e))?;
    let mut out = format!("{} tier {}\n", gpu.summary, gpu.tier());
    let problem = Problem::new(config, &dataset, &gpu).map_err(|e| fail(&e))?;
    let mut trainer = Trainer::new(gpu, &problem, &dataset, &mut ()).await.map_err(|e| fail(&e))?;
    trainer.initialise();
    let start = js_sys::Date::now();
    for i in 0..steps {
        trainer.step();
        trainer.machine.gpu.check().map_err(|e| fail(&e))?;
        let m: Vec<f32> = trainer
            .machine
            .read(problem.plan.metrics.part(16 * i as u64, 16))
            .await
            .map_err(|e| fail(&e))?;
        out += &format!("{:.6} {} {:.0} ms\n", m[0] / m[2], m[1] / m[2], js_sys::Date::now() - start);
    }
    Ok(out)
}

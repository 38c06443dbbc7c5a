//! A growth rule of one's own: it tries positions first that were never active. Everything else is as in SET. (A rule of the
//! library has a CPU reference of its own too: `Growth::reference`.)

use std::error::Error;

use itop::data;
use itop::gpu::{Command, Gpu, GpuOptions, Kernel, Kind, Label, shader};
use itop::sparsity::growth::{Growth, RANDOM, Site};
use itop::sparsity::{Method, Update, prune};
use itop::train::{Config, RunPlan, Trainer};

/// Halves the random scores, and adds the highest bit but the sign where a position was never active.
const SHADER: &str = "
@group(0) @binding(0) var<storage, read_write> score: array<u32>;
@group(0) @binding(1) var<storage, read> explored: array<u32>;
override COUNT: u32;
#import fold
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let at = fold_index(wid) * 64u + lane;
    if at < COUNT {
        let unseen = 1u - (explored[at / 32u] >> (at % 32u) & 1u);
        score[at] = (score[at] >> 1u) | (unseen << 30u);
    }
}";

static UNSEEN_FIRST: Growth = Growth { name: "unseen-first", shader: Some("grow_unseen_first"), score, ..RANDOM };

fn score(site: &Site) -> Vec<Command> {
    let count = site.tensor.conv.numel();
    let kernel = Kernel::new("grow_unseen_first").set("COUNT", count);
    let (grid, label) = (kernel.cover(count, 1), Label::new(Kind::Topology, site.label, "unseen first"));
    let own = Command::dispatch(label, kernel, &[site.scratch.dense, site.tensor.explored], grid);
    [(RANDOM.score)(site), vec![own]].concat()
}

/// Positions explored after four updates on the bundled sample, by `method`.
pub fn explored(method: Method) -> Result<u32, Box<dyn Error>> {
    let base = Config { model: "resnet8".into(), data: "sample".into(), batch_size: 16, ..Config::default() };
    let (config, dataset) = (Config { method, delta_t: 1, ..base }, data::load("sample")?);
    let gpu = pollster::block_on(Gpu::open(&GpuOptions::default()))?;
    let run_plan = RunPlan::new(config, &dataset, &gpu)?;
    let mut trainer = pollster::block_on(Trainer::new(gpu, &run_plan, &dataset, &mut ()))?;
    trainer.initialise();
    (0..4).for_each(|_| trainer.step());
    let sets = run_plan.plan.layers.iter().filter_map(|layer| Some(layer.sparse?.explored));
    let count = |set| pollster::block_on(trainer.network.executor.read::<u32>(set));
    Ok(sets.map(count).collect::<Result<Vec<_>, _>>()?.concat().iter().map(|word| word.count_ones()).sum())
}

/// SET, but for the growth.
pub fn unseen_first() -> Method {
    shader::add("grow_unseen_first", SHADER);
    let update = Update::new(&prune::MAGNITUDE, &UNSEEN_FIRST);
    Method { name: "unseen-first", update: Some(update), ..Method::SET }
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("explored by SET: {}, by unseen-first: {}", explored(Method::SET)?, explored(unseen_first())?);
    Ok(())
}

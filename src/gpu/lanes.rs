//! The first kernel of every device: does it run at all, and are its subgroups as the driver says? One driver said 16 lanes and ran
//! 8 (gpuweb/cts#4035), another said 32 and ran 8 (uVkCompute#43). Shuffles with lanes that do not exist give plausible wrong
//! numbers.

use super::{BufferPlan, Command, Executor, Gpu, GpuError, Kernel, Label};

/// Workgroups of a launch, and launches: the first was seen to differ from the others.
const WORKGROUPS: usize = 64;
const LAUNCHES: usize = 3;

/// The largest workgroup of the kernels that shuffle.
const LARGEST: usize = 64;

/// What [`contact`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Subgroups are as the driver says, or there are none.
    AsSaid,
    /// They are not, and how.
    OtherLanes(String),
    /// Nothing that was submitted has run: a driver without its device.
    Nothing,
}

/// Sizes of workgroups in which kernels shuffle among `lanes` lanes: small ones, and the `most` that there can be; without
/// shuffles one size is enough.
fn sizes(lanes: usize, most: u32) -> Vec<usize> {
    let smallest = if lanes > 0 { lanes } else { LARGEST };
    let small = (0..).map(|power| smallest << power).take_while(|size| *size <= LARGEST);
    small.chain((lanes > 0).then_some(most as usize)).collect()
}

/// Workgroups of a launch of `size` invocations each.
fn workgroups(size: usize) -> usize {
    WORKGROUPS.min(4096 / size).max(4)
}

fn kernel(size: usize, lanes: usize) -> Kernel {
    let kernel = Kernel::new("lanes").define("WG", size as u32);
    if lanes > 0 { kernel.define("SHUFFLE", 1).define("LANES", lanes as u32) } else { kernel }
}

/// The kernels that a device with `lanes` lanes and workgroups of at most `most` invocations runs first.
pub fn kernels(lanes: u32, most: u32) -> impl Iterator<Item = Kernel> {
    let lanes = lanes as usize;
    sizes(lanes, most).into_iter().map(move |size| kernel(size, lanes))
}

/// Runs a kernel that writes what it sees, in workgroups of every size in which kernels shuffle.
pub async fn contact(gpu: &Gpu) -> Result<Found, GpuError> {
    let lanes = gpu.shuffle_lanes as usize;
    let words = if lanes > 0 { 3 + lanes } else { 1 };
    let sizes = sizes(lanes, gpu.most_group);
    let mut buffers = BufferPlan::default();
    let seen: Vec<_> = sizes
        .iter()
        .flat_map(|size| [size; LAUNCHES])
        .map(|size| buffers.storage("lanes", "", (4 * workgroups(*size) * size * words) as u64))
        .collect();
    let mut executor = Executor::new(gpu.clone(), &buffers).await?;
    let sizes: Vec<usize> = sizes.iter().flat_map(|&size| [size; LAUNCHES]).collect();
    let commands: Vec<Command> = sizes
        .iter()
        .zip(&seen)
        .map(|(&size, &slice)| {
            Command::dispatch(Label::other("lanes"), kernel(size, lanes), &[slice], [workgroups(size) as u32, 1, 1])
        })
        .collect();
    let program = executor.prepare(&commands, |_| ())?;
    executor.submit(&program);
    let bytes = executor.finish(executor.read_slices(&seen)).await?;
    let mut left: &[u32] = &bytemuck::pod_collect_to_vec(&bytes);
    for size in sizes {
        let (launch, rest) = left.split_at(workgroups(size) * size * words);
        left = rest;
        let found = judge(launch, size, lanes);
        if found != Found::AsSaid {
            return Ok(found);
        }
    }
    Ok(Found::AsSaid)
}

/// What the workgroups of a launch, of `size` invocations each, wrote.
fn judge(launch: &[u32], size: usize, lanes: usize) -> Found {
    let words = if lanes > 0 { 3 + lanes } else { 1 };
    if launch.chunks(words).any(|one| one[0] != 1) {
        return Found::Nothing;
    }
    if lanes == 0 {
        return Found::AsSaid;
    }
    for group in launch.chunks(words * size) {
        let invocation = |number: u32| group.chunks(words).nth(number as usize);
        for one in group.chunks(words) {
            let (of, lane, peers) = (one[1], one[2], &one[3..]);
            if (of as usize) < lanes {
                return Found::OtherLanes(format!("subgroups of {of} lanes where the driver says {lanes} at least"));
            }
            // Each of the first lanes is an invocation of this subgroup, and has that lane; they are in order.
            let wrong = (0..).zip(peers).find(|(number, peer)| {
                invocation(**peer).is_none_or(|other| other[2] != *number || other[3..] != *peers)
                    || **peer != peers[0] + number
                    || !(peers[0] as usize).is_multiple_of(lanes)
            });
            if let Some((number, _)) = wrong {
                return Found::OtherLanes(format!(
                    "no lane {number} in the subgroup of a lane {lane}, in workgroups of {size}, where the driver says \
                     {lanes} lanes at least"
                ));
            }
        }
    }
    Found::AsSaid
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{GpuOptions, broken};

    /// What a launch writes whose subgroups have `real` lanes and say that they have `said`.
    fn launch(size: usize, lanes: usize, real: usize, said: u32) -> Vec<u32> {
        let one = |at: usize| {
            let first = at / real * real;
            // A lane that is not there gives a zero.
            let peers = (0..lanes).map(move |lane| if lane < real { (first + lane) as u32 } else { 0 });
            [1, said, (at % real) as u32].into_iter().chain(peers)
        };
        (0..workgroups(size)).flat_map(|_| (0..size).flat_map(one)).collect()
    }

    #[test]
    fn lanes_that_are_not_there_are_found() {
        for (size, lanes, real) in [(8, 8, 8), (64, 8, 8), (64, 8, 32), (64, 32, 64), (16, 4, 16)] {
            assert_eq!(judge(&launch(size, lanes, real, real as u32), size, lanes), Found::AsSaid);
        }
        // It says 16, and runs 8 (in silence, or not); it runs 32 in other lanes than it says.
        let lies = |launch: &[u32], size, lanes| matches!(judge(launch, size, lanes), Found::OtherLanes(_));
        assert!(lies(&launch(64, 16, 8, 16), 64, 16));
        assert!(lies(&launch(64, 16, 8, 8), 64, 16));
        let mut other = launch(64, 32, 32, 32);
        other[2] = 1;
        assert!(lies(&other, 64, 32));
        let mut zeros = launch(64, 32, 32, 32);
        zeros.fill(0);
        assert_eq!(judge(&zeros, 64, 32), Found::Nothing);
        assert_eq!(judge(&[0; 64], 64, 0), Found::Nothing);
    }

    /// A device whose lanes are not what its driver says is used without them.
    #[test]
    fn shuffles_are_not_used_where_lanes_lie() {
        let adapter = std::env::var("ITOP_TEST_ADAPTER").unwrap_or("auto".into());
        let open = || pollster::block_on(Gpu::open(&GpuOptions { adapter: adapter.clone(), ..Default::default() }));
        let usual = open().unwrap();
        assert!(usual.executes && usual.note.is_none(), "{:?}", usual.note);
        if usual.shuffle_lanes > 0 {
            broken::set(Some(("lanes", "seen[at + 2u] = lane", "seen[at + 2u] = lane ^ 1u")));
            let lying = open();
            broken::set(None);
            let lying = lying.unwrap();
            assert_eq!((lying.shuffle_lanes, lying.matrices.any()), (0, false));
            assert!(!lying.tier().contains("subgroups") && lying.note.is_some_and(|note| note.contains("lane")));
        }
        broken::set(Some(("lanes", "seen[at] = 1u", "seen[at] = 0u")));
        let nothing = open();
        let to_compile = GpuOptions { adapter: adapter.clone(), to_compile: true, ..Default::default() };
        let to_compile = pollster::block_on(Gpu::open(&to_compile));
        broken::set(None);
        assert!(matches!(nothing, Err(GpuError::ExecutesNothing { .. })));
        assert!(!to_compile.unwrap().executes);
    }
}

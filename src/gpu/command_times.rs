//! How long each command of a program takes on the GPU.

use super::executor::{Executor, Program, Resolved};
use super::read_back::{ReadBack, oneshot};
use super::{GpuError, Label};

impl Executor {
    /// Runs `program`, in `parts` submissions or more, with every command timed: `(label, milliseconds)` in order. Uses timestamps
    /// where the adapter has working ones, else the wall clock around one submission a command; the flag says which (`true`:
    /// timestamps).
    pub async fn profile(&self, program: &Program, parts: usize) -> Result<(Vec<(Label, f64)>, bool), GpuError> {
        if let Some(period) = self.gpu.timestamp_period
            && let Some(times) = self.profile_timestamps(program, parts, f64::from(period)).await?
        {
            return Ok((times, true));
        }
        let mut times = Vec::with_capacity(program.commands.len());
        for command in &program.commands {
            let mut encoder = self.encoder();
            self.record_one(&mut encoder, command, None);
            let start = web_time::Instant::now();
            let index = self.gpu.queue.submit([encoder.finish()]);
            self.wait(Some(index))?;
            times.push((command.label().clone(), start.elapsed().as_secs_f64() * 1e3));
        }
        Ok((times, false))
    }

    /// None where the driver's timestamps are not to be believed.
    async fn profile_timestamps(
        &self,
        program: &Program,
        parts: usize,
        period: f64,
    ) -> Result<Option<Vec<(Label, f64)>>, GpuError> {
        // Two queries a command, at most 4096 in a set.
        const MOST: usize = 1024;
        let mut times = Vec::with_capacity(program.commands.len());
        for commands in program.commands.chunks(program.commands.len().div_ceil(parts.max(1)).clamp(1, MOST)) {
            // Copies and clears are not commands and stay untimed: their queries would never be written.
            let timed = |command: &&Resolved| matches!(command, Resolved::Dispatch { .. });
            let count = (2 * commands.iter().filter(timed).count() as u32).max(2);
            let queries = self.gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("pass times"),
                ty: wgpu::QueryType::Timestamp,
                count,
            });
            let descriptor = |usage| wgpu::BufferDescriptor {
                label: Some("pass times"),
                size: u64::from(count) * 8,
                usage,
                mapped_at_creation: false,
            };
            use wgpu::BufferUsages as Usage;
            let resolved = self.gpu.device.create_buffer(&descriptor(Usage::QUERY_RESOLVE | Usage::COPY_SRC));
            let staging = self.gpu.device.create_buffer(&descriptor(Usage::MAP_READ | Usage::COPY_DST));
            let mut encoder = self.encoder();
            let mut next = 0;
            for command in commands {
                self.record_one(&mut encoder, command, Some((&queries, next)));
                next += 2 * u32::from(timed(&command));
            }
            // Resolved only when they are there: some drivers give zeros for what is resolved beside its commands (wgpu#6406), or
            // before they ended (wgpu#9414).
            self.wait(Some(self.gpu.queue.submit([encoder.finish()])))?;
            let mut encoder = self.encoder();
            encoder.resolve_query_set(&queries, 0..count, &resolved, 0);
            encoder.copy_buffer_to_buffer(&resolved, 0, &staging, 0, None);
            let submission = self.gpu.queue.submit([encoder.finish()]);
            let (sender, receiver) = oneshot();
            staging.map_async(wgpu::MapMode::Read, .., move |result| sender.send(result.map_err(|e| e.to_string())));
            let read = ReadBack { staging, submission, receiver, what: "pass times".into() };
            let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&self.finish(read).await?);
            let used = &ticks[..next as usize];
            if !are_believable(used) {
                log::info!("timestamps are not believed: {used:?}");
                return Ok(None);
            }
            times.extend(
                commands
                    .iter()
                    .filter(timed)
                    .zip(ticks.chunks_exact(2))
                    .map(|(command, ticks)| (command.label().clone(), (ticks[1] - ticks[0]) as f64 * period / 1e6)),
            );
        }
        Ok(Some(times))
    }

    fn record_one(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        command: &Resolved,
        times: Option<(&wgpu::QuerySet, u32)>,
    ) {
        if let Resolved::Dispatch { pipeline, group, workgroups, .. } = command {
            let timestamp_writes = times.map(|(query_set, first)| wgpu::ComputePassTimestampWrites {
                query_set,
                beginning_of_pass_write_index: Some(first),
                end_of_pass_write_index: Some(first + 1),
            });
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes });
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, group, &[]);
            pass.dispatch_workgroups(workgroups[0], workgroups[1], workgroups[2]);
        } else {
            self.record_transfer(encoder, command);
        }
    }
}

/// Whether each command began, and ended later: some drivers give zeros for some (wgpu#9414), or an end before its begin
/// (wgpu#5660).
fn are_believable(ticks: &[u64]) -> bool {
    ticks.chunks_exact(2).all(|pair| 0 < pair[0] && pair[0] < pair[1])
}

#[cfg(test)]
mod tests {
    use super::are_believable;

    #[test]
    fn timestamps_are_believed_whole_or_not_at_all() {
        assert!(are_believable(&[5, 7, 7, 9]) && are_believable(&[]));
        for bad in [[0, 7, 7, 9], [5, 7, 7, 0], [0, 0, 7, 9], [5, 7, 9, 8], [5, 7, 9, 9]] {
            assert!(!are_believable(&bad), "{bad:?}");
        }
    }
}

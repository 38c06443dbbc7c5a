//! What the buffers of a plan are for.

use crate::gpu::BufferPlan;

/// A group of buffers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryRow {
    pub what: String,
    pub buffers: usize,
    pub bytes: u64,
}

/// The buffers grouped by what their label says before the colon, in order of appearance; weights stay apart.
pub fn memory_table(plan: &BufferPlan) -> Vec<MemoryRow> {
    let mut rows: Vec<MemoryRow> = Vec::new();
    for buffer in &plan.buffers {
        let group = if buffer.label.starts_with("weights: ") {
            buffer.label.as_str()
        } else {
            buffer.label.split(':').next().unwrap_or_default()
        };
        match rows.iter_mut().find(|row| row.what == group) {
            Some(row) => {
                row.buffers += 1;
                row.bytes += buffer.bytes;
            }
            None => rows.push(MemoryRow { what: group.into(), buffers: 1, bytes: buffer.bytes }),
        }
    }
    rows
}

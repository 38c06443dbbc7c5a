//! What the buffers of a plan are for.

use crate::gpu::BufferPlan;

/// A group of buffers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryRow {
    pub what: &'static str,
    pub buffers: usize,
    pub bytes: u64,
}

/// The buffers by their groups, in order of appearance.
pub fn memory_table(plan: &BufferPlan) -> Vec<MemoryRow> {
    let mut rows: Vec<MemoryRow> = Vec::new();
    for buffer in &plan.buffers {
        match rows.iter_mut().find(|row| row.what == buffer.group) {
            Some(row) => {
                row.buffers += 1;
                row.bytes += buffer.bytes;
            }
            None => rows.push(MemoryRow { what: buffer.group, buffers: 1, bytes: buffer.bytes }),
        }
    }
    rows
}

//! Counting cells in its plainest form: every position on its own. (Kernel: `topology_map`.)

use crate::ops::topology::map::{Cell, Grid};

/// The cells of a layer, row by row, from its sets over the flat index of the weight.
pub fn cells(grid: &Grid, active: &[bool], explored: &[bool]) -> Vec<Cell> {
    let mut cells = vec![Cell::default(); grid.cells()];
    for (position, (&active, &explored)) in active.iter().zip(explored).enumerate() {
        let pair = position / grid.taps;
        let (row, column) = (pair / grid.inputs / grid.down(), pair % grid.inputs / grid.across());
        let cell = &mut cells[row * grid.columns() + column];
        cell.active += u16::from(active);
        cell.explored += u16::from(explored);
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_hand() {
        // 65 out channels: two a cell, the last row has one. 2 in channels, 2 taps.
        let grid = Grid { outputs: 65, inputs: 2, taps: 2 };
        let mut explored = vec![false; 65 * 4];
        [0, 1, 4, 2, 259].iter().for_each(|&i| explored[i] = true);
        let mut active = vec![false; 65 * 4];
        [0, 259].iter().for_each(|&i| active[i] = true);
        let cells = cells(&grid, &active, &explored);
        assert_eq!(cells.len(), 33 * 2);
        // Positions 0, 1 and 4 are taps of in channel 0; 2 is one of in channel 1; 259 is the last of all.
        assert_eq!(cells[0], Cell { active: 1, explored: 3 });
        assert_eq!(cells[1], Cell { active: 0, explored: 1 });
        assert_eq!(cells[65], Cell { active: 1, explored: 1 });
        assert_eq!(cells.iter().map(|cell| cell.explored).sum::<u16>(), 5);
    }
}

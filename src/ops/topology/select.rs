//! The prune and the growth: an exact radix select of the largest keys, four rounds of eight bits.

use super::Scratch;
use crate::gpu::{Command, Kernel, Kind, Label, Slice};
use crate::ops::SparseTensor;

impl SparseTensor {
    /// What to keep of the active positions, those of the largest magnitudes in `keys`: to `scratch.kept`.
    pub(super) fn prune(&self, label: &str, scratch: &Scratch, keys: Slice) -> Vec<Command> {
        self.select(label, scratch, keys, false)
    }

    /// The kept positions, and of the others those of highest score in `scratch.dense`: to `scratch.after`.
    pub(super) fn grow(&self, label: &str, scratch: &Scratch) -> Vec<Command> {
        self.select(label, scratch, scratch.dense, true)
    }

    fn select(&self, label: &str, scratch: &Scratch, keys: Slice, grow: bool) -> Vec<Command> {
        let named = || Label::new(Kind::Topology, label, if grow { "grow" } else { "prune" });
        // Of the active list only the GPU knows how long it is.
        let most = if grow { self.conv.numel() } else { self.capacity };
        let candidates = if grow { scratch.kept } else { self.rows.start };
        let mut commands = Vec::new();
        for round in 0..4 {
            let kernel = Kernel::new("select_histogram").set("SHIFT", 24 - 8 * round);
            let kernel = match grow {
                true => kernel.define("GROW", 1).set("COUNT", most),
                false => kernel.set("ROWS", self.conv.output.channels),
            };
            let bindings = [keys, scratch.selection, scratch.histogram, candidates];
            // An invocation looks at four times four keys.
            let grid = kernel.cover(most, 16);
            commands.push(Command::dispatch(named(), kernel, &bindings, grid));
            let kernel =
                Kernel::new("select_pick").set("FIRST", usize::from(round == 0)).set("INDEX", usize::from(grow));
            let bindings = [scratch.selection, scratch.histogram, self.own(scratch.update_counts)];
            commands.push(Command::dispatch(named(), kernel, &bindings, [1, 1, 1]));
        }
        let kernel = |ties: bool| {
            Kernel::new("select_apply")
                .define_if(grow, "GROW")
                .define_if(ties, "COUNT_TIES")
                .define("RESULT", if grow { 4 } else { 5 })
                .set("COUNT", self.conv.numel())
        };
        let mut bindings = vec![keys, scratch.selection, scratch.sums];
        bindings.extend(if grow { vec![scratch.kept] } else { vec![self.active, scratch.before_rank] });
        let grid = self.word_grid(&kernel(false));
        commands.push(Command::dispatch(named(), kernel(true), &bindings, grid));
        commands.push(self.scan(label, scratch.sums, grid[0] as usize));
        let result: &[Slice] = if grow { &[scratch.after] } else { &[scratch.kept, self.own(scratch.update_stats)] };
        bindings.extend(result);
        commands.push(Command::dispatch(named(), kernel(false), &bindings, grid));
        commands
    }
}

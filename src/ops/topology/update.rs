//! One topology update of a layer, in the order in which the GPU does it.

use super::scratch::list_bytes;
use super::{Chosen, Scratch, UpdateCounts};
use crate::gpu::{ALIGNMENT, Command, Kernel, Kind, Label, Slice};
use crate::ops::sparse_tensor::{age_bytes, bitset_bytes};
use crate::ops::{SparseTensor, Tuning};

impl SparseTensor {
    /// This layer's part of what all layers have ([`UpdateCounts`] or [`super::UpdateStats`]).
    pub fn own(&self, all: Slice) -> Slice {
        const { assert!(size_of::<UpdateCounts>() as u64 == ALIGNMENT) };
        all.part(self.layer as u64 * ALIGNMENT, ALIGNMENT)
    }

    /// One topology update. How many to keep and to grow is in `scratch.update_counts`, and this layer's part of
    /// `scratch.update_stats` must be zero. The prune removes the least of `keys`: the commands that leave a float for each active
    /// weight, where, and whether each sign is
    /// pruned on its own. `growth`: the commands that leave its scores in `scratch.dense`, and whether these are of weights or of positions; none: nothing grows.
    /// Blocks are chosen by the sums of their weights' magnitudes.
    pub fn update(
        &self,
        label: &str,
        tuning: &Tuning,
        scratch: &Scratch,
        (prune, keys, each_sign): (Vec<Command>, Slice, bool),
        growth: Option<(Vec<Command>, bool)>,
    ) -> Vec<Command> {
        let stats = self.own(scratch.update_stats);
        let mut commands = self.rank(label, scratch, self.active, scratch.before_rank);
        let kernel = Kernel::new("topology_growth").define("WG", 256);
        let kernel = kernel.define("BLOCK", self.conv.block as u32).set("ROWS", self.conv.rows());
        let bindings = [self.value, self.ages, stats, self.rows.start];
        commands.push(Command::dispatch(Label::new(Kind::Topology, label, "statistics"), kernel, &bindings, [1, 1, 1]));
        commands.extend(prune);
        let (of_entries, keys) = self.block_keys(label, scratch, keys);
        commands.extend(of_entries);
        commands.extend(self.prune(label, scratch, keys, each_sign));
        match growth {
            Some((scores, of_weights)) => {
                commands.extend(scores);
                commands.extend(self.grow(label, scratch, Chosen::Grown, of_weights));
            }
            None => {
                let bytes = bitset_bytes(self.conv.positions());
                let [kept, after] = [scratch.kept, scratch.after].map(|set| set.part(0, bytes));
                commands.push(Command::copy(Label::new(Kind::Topology, label, "copy"), kept, after));
            }
        }
        let sets = [self.explored, self.reliable, self.initial];
        let bindings = [&[self.active, scratch.kept, scratch.after], &sets[..], &[stats]].concat();
        commands.push(self.over_words(label, "statistics", Kernel::new("topology_stats"), &bindings));
        commands.extend(self.rank(label, scratch, scratch.after, scratch.after_rank));
        commands.extend(self.take_along(label, scratch));
        commands.extend(self.reindex(label, tuning, scratch));
        commands
    }

    /// Values, momentum and ages go to their places in the new list; what is new starts at zero, and so does what lies
    /// behind a list that became shorter.
    fn take_along(&self, label: &str, scratch: &Scratch) -> Vec<Command> {
        let list = list_bytes(self.most_weights());
        let [value, momentum] = [0, list].map(|at| scratch.moved.part(at, list));
        let (ages, age_bytes) = (scratch.moved_ages.part(0, age_bytes(self.capacity)), age_bytes(self.capacity));
        let clear = |slice| Command::Clear { label: Label::new(Kind::Topology, label, "clear"), slice };
        let copy = |from: Slice, to: Slice, bytes| {
            Command::copy(Label::new(Kind::Topology, label, "copy"), from.part(0, bytes), to.part(0, bytes))
        };
        let places = [self.active, scratch.before_rank, scratch.after, scratch.after_rank];
        let moves = [&places[..], &[self.value, self.momentum, value, momentum]].concat();
        let (stats, kept) = (self.own(scratch.update_stats), scratch.kept);
        let grows_old = [&places[..2], &[kept], &places[2..], &[self.ages, ages, stats]].concat();
        let bytes = 4 * self.most_weights() as u64;
        let moving = Kernel::new("topology_move").define("BLOCK", self.conv.block as u32);
        vec![
            clear(scratch.moved.part(0, 2 * list)),
            clear(ages),
            clear(self.grad),
            self.over_words(label, "move", moving, &moves),
            self.over_words(label, "statistics", Kernel::new("topology_ages"), &grows_old),
            copy(value, self.value, bytes),
            copy(momentum, self.momentum, bytes),
            copy(scratch.after, self.active, bitset_bytes(self.conv.positions())),
            copy(ages, self.ages, age_bytes),
        ]
    }

    /// `kernel` with an invocation a word of a bitset.
    fn over_words(&self, label: &str, part: &'static str, kernel: Kernel, bindings: &[Slice]) -> Command {
        let kernel = kernel.set("WORDS", self.words());
        let grid = self.word_grid(&kernel);
        Command::dispatch(Label::new(Kind::Topology, label, part), kernel, bindings, grid)
    }
}

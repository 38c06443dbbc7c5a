//! The prune and the growth: an exact radix select of the largest keys, four rounds of eight bits. Of a layer as a whole, or of each
//! row of it.

use super::Scratch;
use crate::gpu::{Command, Kernel, Kind, Label, Slice, fold};
use crate::ops::SparseTensor;

/// What a selection chooses: the place of its count in [`super::UpdateCounts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// What a prune leaves; where it takes each sign on its own, of the weights that are not negative.
    Kept = 0,
    /// What grows.
    Grown = 1,
    /// What of it is chosen first, by a growth rule that chooses twice.
    First = 3,
    /// What a prune that takes each sign on its own leaves of the negative weights.
    Negative = 4,
}

impl Chosen {
    fn grows(self) -> bool {
        matches!(self, Self::Grown | Self::First)
    }
}

impl SparseTensor {
    /// What to keep of the active positions, those of the largest magnitudes in `keys`: to `scratch.kept`.
    pub(super) fn prune(&self, label: &str, scratch: &Scratch, keys: Slice, each_sign: bool) -> Vec<Command> {
        let select = |chosen, sign| self.select(label, scratch, keys, (chosen, sign));
        if each_sign {
            return [select(Chosen::Kept, Some(0)), select(Chosen::Negative, Some(1))].concat();
        }
        select(Chosen::Kept, None)
    }

    /// The kept positions, and of the others those of highest score in `scratch.dense`: to `scratch.after`. `of_weights`: these are
    /// scores of weights; blocks are chosen by the sums of theirs.
    pub fn grow(&self, label: &str, scratch: &Scratch, chosen: Chosen, of_weights: bool) -> Vec<Command> {
        let (of_positions, scores) = self.block_scores(label, scratch, of_weights);
        let selected = self.select(label, scratch, scores, (chosen, None));
        of_positions.into_iter().chain(selected).collect()
    }

    /// Equal parts of the positions that are each pruned and grown on their own.
    pub fn parts(&self) -> usize {
        if self.fan_in { self.conv.rows() } else { 1 }
    }

    /// What a prune chooses by: `keys`, a float an active weight; or the commands that sum those of each block, and where.
    pub(super) fn block_keys(&self, label: &str, scratch: &Scratch, keys: Slice) -> (Option<Command>, Slice) {
        if self.conv.block == 1 {
            return (None, keys);
        }
        let kernel = self.block_kernel().define("LIST", 1).set("ROWS", self.conv.rows());
        let grid = kernel.cover(self.capacity, 1);
        let bindings = [keys, scratch.block_scores, self.rows.start];
        let label = Label::new(Kind::Topology, label, "block magnitudes");
        (Some(Command::dispatch(label, kernel, &bindings, grid)), scratch.block_scores)
    }

    /// What a growth chooses by: `scratch.dense`, a word a position; or, where there is one a weight, the commands that sum those of
    /// each block, and where.
    fn block_scores(&self, label: &str, scratch: &Scratch, of_weights: bool) -> (Option<Command>, Slice) {
        if self.conv.block == 1 || !of_weights {
            return (None, scratch.dense);
        }
        let kernel = self.block_kernel();
        let kernel = kernel.set("COUNT", self.conv.positions()).set("LENGTH", self.conv.row_length());
        let grid = kernel.cover(self.conv.positions(), 1);
        let label = Label::new(Kind::Topology, label, "block scores");
        (Some(Command::dispatch(label, kernel, &[scratch.dense, scratch.block_scores], grid)), scratch.block_scores)
    }

    /// The same of each row on its own.
    fn select_rows(&self, named: impl Fn() -> Label, scratch: &Scratch, keys: Slice, chosen: Chosen) -> Vec<Command> {
        let grow = chosen.grows();
        let kernel = Kernel::new("select_rows")
            .define_if(grow, "GROW")
            .set("INDEX", chosen as usize)
            .set("ROWS", self.conv.rows())
            .set("LENGTH", self.conv.row_length());
        let counts = self.own(scratch.update_counts);
        let (bits, result) = if grow { (scratch.kept, scratch.after) } else { (self.active, scratch.kept) };
        let mut bindings = vec![keys, counts, bits, result];
        if !grow {
            bindings.extend([scratch.before_rank, self.own(scratch.update_stats)]);
        }
        let clear = Command::Clear { label: named(), slice: result };
        vec![clear, Command::dispatch(named(), kernel, &bindings, fold(self.conv.rows()))]
    }

    fn block_kernel(&self) -> Kernel {
        Kernel::new("block_magnitudes").define("BLOCK", self.conv.block as u32)
    }

    fn select(
        &self,
        label: &str,
        scratch: &Scratch,
        keys: Slice,
        (chosen, sign): (Chosen, Option<u32>),
    ) -> Vec<Command> {
        let of_sign = |kernel: Kernel| sign.into_iter().fold(kernel, |kernel, sign| kernel.define("SIGN", sign));
        let grow = chosen.grows();
        let named = || Label::new(Kind::Topology, label, if grow { "grow" } else { "prune" });
        if self.fan_in {
            return self.select_rows(named, scratch, keys, chosen);
        }
        // Of the active list only the GPU knows how long it is.
        let most = if grow { self.conv.positions() } else { self.capacity };
        let candidates = if grow { scratch.kept } else { self.rows.start };
        let mut commands = Vec::new();
        for round in 0..4 {
            let kernel = of_sign(Kernel::new("select_histogram")).set("SHIFT", 24 - 8 * round);
            let kernel = match grow {
                true => kernel.define("GROW", 1).set("COUNT", most),
                false => kernel.set("ROWS", self.conv.rows()),
            };
            let bindings = [keys, scratch.selection, scratch.histogram, candidates];
            // An invocation looks at four times four keys.
            let grid = kernel.cover(most, 16);
            commands.push(Command::dispatch(named(), kernel, &bindings, grid));
            let kernel = Kernel::new("select_pick").set("FIRST", usize::from(round == 0)).set("INDEX", chosen as usize);
            let bindings = [scratch.selection, scratch.histogram, self.own(scratch.update_counts)];
            commands.push(Command::dispatch(named(), kernel, &bindings, [1, 1, 1]));
        }
        let kernel = |ties: bool| {
            of_sign(Kernel::new("select_apply"))
                .define_if(grow, "GROW")
                .define_if(chosen == Chosen::Negative, "JOIN")
                .define_if(ties, "COUNT_TIES")
                .define("RESULT", if grow { 4 } else { 5 })
                .set("COUNT", self.conv.positions())
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

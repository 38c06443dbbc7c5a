//! Both orders of a sparse weight's index, made of its active bits.

use super::Scratch;
use super::scratch::{COLUMN_PIECE, column_pieces};
use crate::gpu::{Command, Kernel, Kind, Label, Slice};
use crate::ops::sparse_tensor::groups_most;
use crate::ops::{SparseTensor, Tuning};

impl SparseTensor {
    /// Makes the index of the positions in `active`. For the start and for a resume; an update ends with the same.
    pub fn index(&self, label: &str, tuning: &Tuning, scratch: &Scratch) -> Vec<Command> {
        let mut commands = self.rank(label, scratch, self.active, scratch.after_rank);
        commands.extend(self.reindex(label, tuning, scratch));
        commands
    }

    /// Words of a bitset.
    pub(super) fn words(&self) -> usize {
        self.conv.positions().div_ceil(32)
    }

    /// The grid of a kernel that has an invocation for each word of a bitset.
    pub(super) fn word_grid(&self, kernel: &Kernel) -> [u32; 3] {
        [kernel.groups(self.words(), 1), 1, 1]
    }

    /// `rank[w]` = set bits of `bits` before word w.
    pub(super) fn rank(&self, label: &str, scratch: &Scratch, bits: Slice, rank: Slice) -> Vec<Command> {
        let named = || Label::new(Kind::Topology, label, "rank");
        let [count, write] = ["rank_count", "rank_write"].map(|name| Kernel::new(name).set("WORDS", self.words()));
        let [count_grid, write_grid] = [&count, &write].map(|kernel| self.word_grid(kernel));
        vec![
            Command::dispatch(named(), count, &[bits, scratch.sums], count_grid),
            self.scan(label, scratch.sums, count_grid[0] as usize),
            Command::dispatch(named(), write, &[bits, scratch.sums, rank], write_grid),
        ]
    }

    /// Prefix sums of the `count` words of `data`, in place.
    pub(super) fn scan(&self, label: &str, data: Slice, count: usize) -> Command {
        let kernel = Kernel::new("scan").set("COUNT", count);
        Command::dispatch(Label::new(Kind::Topology, label, "scan"), kernel, &[data], [1, 1, 1])
    }

    /// Both orders of the index, from `active` and its rank in `scratch.after_rank`.
    pub(super) fn reindex(&self, label: &str, tuning: &Tuning, scratch: &Scratch) -> Vec<Command> {
        let (conv, rank) = (&self.conv, scratch.after_rank);
        let rows = Kernel::new("index_rows")
            .define("GROUP", conv.weight_group(tuning))
            .set("ROWS", conv.rows())
            .set("LENGTH", conv.row_length())
            .set("WORDS", self.words())
            .set("GROUP_MOST", groups_most(conv, self.capacity, tuning));
        let entries = Kernel::new("index_entries")
            .set("WORDS", self.words())
            .set("LENGTH", conv.row_length())
            .set("KERNEL", conv.kernel)
            .set("IN_PLANE", conv.input.plane())
            .set("IN_ROW", conv.input.row())
            .set("LANES", conv.input.lanes());
        let pieces = column_pieces(conv);
        let columns = |count: bool| {
            Kernel::new("index_columns")
                .define_if(count, "COUNT_ONLY")
                .define("PIECE", COLUMN_PIECE as u32)
                .set("PIECES", pieces)
                .set("COLUMNS", conv.columns())
                .set("ROWS", conv.rows())
                .set("LENGTH", conv.row_length())
                .set("KERNEL", conv.kernel)
                .set("STRIDE", conv.stride)
                .set("PADDING", conv.padding)
                .set("LEAD", conv.lead())
                // From a row to the next.
                .set("OUT_PLANE", conv.block * conv.output.plane())
                .set("OUT_ROW", conv.output.row())
                .set("LANES", conv.output.lanes())
        };
        let dispatch = |kernel, bindings: &[Slice], grid| {
            Command::dispatch(Label::new(Kind::Topology, label, "index"), kernel, bindings, grid)
        };
        let (columns_count, columns_write) = (columns(true), columns(false));
        let column_grid = |kernel: &Kernel| [kernel.groups(conv.columns(), 1), pieces as u32, 1];
        let [count_grid, write_grid] = [&columns_count, &columns_write].map(column_grid);
        let dead_inputs = Kernel::new("topology_inputs")
            .set("CHANNELS", conv.input.channels)
            .set("CLASSES", conv.stride * conv.stride);
        let input_grid = dead_inputs.cover(conv.input.channels, 1);
        let entry_grid = self.word_grid(&entries);
        let stats = self.own(scratch.update_stats);
        let column_lists = [self.columns.start, self.columns.entry, self.columns.shift];
        let piece_starts = [self.active, rank, scratch.sums];
        vec![
            dispatch(rows, &[self.active, rank, self.rows.start, self.rows.groups, stats], [1, 1, 1]),
            dispatch(entries, &[self.active, rank, self.rows.shift], entry_grid),
            dispatch(columns_count, &piece_starts, count_grid),
            self.scan(label, scratch.sums, conv.columns() * pieces),
            dispatch(columns_write, &[piece_starts, column_lists].concat(), write_grid),
            dispatch(dead_inputs, &[self.columns.start, stats], input_grid),
        ]
    }
}

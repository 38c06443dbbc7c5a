//! Moving the active set of a layer: prune, grow, statistics, index. Everything runs on the GPU and works on bitsets over
//! the flat indices of the weight and on the active list; only [`UpdateStats`] come back.
//!
//! The rule is the exact one: remove the `k` active weights of least magnitude (of equals the higher index), then activate
//! the `k` inactive positions of highest score (of equals the lower index). Just-removed positions may regrow and then keep
//! value and momentum; others start at 0/0 (the order of the ITOP code).
//! Shaders: `rank_*`, `scan`, `select_*`, `grow_random`, `topology_*`, `index_*`; reference: [`super::reference::topology`].

use bytemuck::{Pod, Zeroable};

use super::{Choice, Conv, SparseIndex, SparseWeight, Tuning, conv_sparse::groups_most};
use crate::gpu::{ALIGNMENT, BufferPlan, Command, Kernel, Kind, Label, Slice, fold};

/// Bins of the age histogram.
pub const AGE_BINS: usize = 8;

/// The bin of an age: powers of two, the last one open.
pub fn age_bin(age: usize) -> usize {
    ((usize::BITS - age.leading_zeros()) as usize).min(AGE_BINS - 1)
}

/// What an update did to a layer; mirrors the counters in `topology_stats.wgsl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct UpdateStats {
    /// Active positions after the update.
    pub active: u32,
    pub pruned: u32,
    pub grown: u32,
    /// Grown positions that the prune of the same update had removed.
    pub regrown: u32,
    /// Positions active for the first time.
    pub newly_explored: u32,
    /// Positions active at any time so far.
    pub explored: u32,
    /// Positions that were active for a whole interval and survived the prune that ended it.
    pub reliable: u32,
    /// Bits of the least magnitude kept.
    pub threshold: u32,
    /// Output channels without an active weight.
    pub dead_outputs: u32,
    /// Active positions that the first set had too.
    pub initial_kept: u32,
    /// Positions that the last growth before this update had activated, and those of them that this prune kept. (At the
    /// first update: the whole first set.)
    pub young: u32,
    pub young_kept: u32,
    /// Bits of Σ|w| over the young before the prune.
    pub young_magnitude: u32,
    /// Input channels without an active weight.
    pub dead_inputs: u32,
    /// Active weights by updates survived: 0, 1, 2–3, 4–7, … , 64 and more.
    pub ages: [u32; AGE_BINS],
    /// A layer's counters are a binding of their own, so that layers of one shape share their kernels.
    pub pad: [u32; 42],
}

// `Default` ends at arrays of 32.
impl Default for UpdateStats {
    fn default() -> Self {
        Self::zeroed()
    }
}

/// What an update is to do to a layer; written before it, and a binding of its own like [`UpdateStats`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct UpdateCounts {
    /// How many active weights stay.
    pub keep: u32,
    /// How many positions are then activated.
    pub grow: u32,
    /// The layer's number among the prunable ones: its stream of random numbers.
    pub layer: u32,
    pub pad: [u32; 61],
}

impl UpdateCounts {
    /// To prune `pruned` of `active` weights of layer `layer`, and to grow as many.
    pub fn new(layer: usize, active: usize, pruned: usize) -> Self {
        Self { keep: (active - pruned) as u32, grow: pruned as u32, layer: layer as u32, pad: [0; 61] }
    }
}

const _: () = assert!(size_of::<UpdateStats>() as u64 == ALIGNMENT && size_of::<UpdateCounts>() as u64 == ALIGNMENT);

/// Where the scores of a growth come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scores {
    /// Magnitudes of what is in the scratch already (RigL: the dense gradient).
    Scratch,
    /// 31 random bits a position (SET).
    Random,
}

/// A layer's topology.
#[derive(Clone, Copy, Debug)]
pub struct SparseLayer {
    pub conv: Conv,
    /// Number of the layer among the prunable ones.
    pub layer: usize,
    pub index: SparseIndex,
    pub value: Slice,
    pub momentum: Slice,
    /// Bitsets of [`bitset_bytes`].
    pub active: Slice,
    pub explored: Slice,
    pub reliable: Slice,
    /// The first set.
    pub initial: Slice,
    /// Updates survived by each active weight: [`age_bytes`].
    pub ages: Slice,
}

/// Bytes of a bitset over `numel` positions.
pub fn bitset_bytes(numel: usize) -> u64 {
    4 * numel.div_ceil(32) as u64
}

/// Bytes of a list of a word for each of `entries` weights, after which another may begin.
fn list_bytes(entries: usize) -> u64 {
    (4 * entries as u64).next_multiple_of(ALIGNMENT)
}

/// Bytes of the ages of `entries` weights: one each, whole words.
pub fn age_bytes(entries: usize) -> u64 {
    (entries as u64).next_multiple_of(4)
}

/// Output channels of a column of the transposed order that one invocation looks through.
const COLUMN_PIECE: usize = 64;

/// In how many pieces the columns are looked through: one invocation each would keep few of a GPU's busy.
fn column_pieces(conv: &Conv) -> usize {
    conv.output.channels.div_ceil(COLUMN_PIECE)
}

/// Buffers that all layers' updates share, sized for the largest.
#[derive(Clone, Copy, Debug)]
pub struct Scratch {
    /// One word a position: gradients or random bits.
    pub score: Slice,
    kept: Slice,
    after: Slice,
    before_rank: Slice,
    after_rank: Slice,
    sums: Slice,
    histogram: Slice,
    selection: Slice,
    /// Two words an active position: values and momentum on their way, or weights with their shifts.
    moved: Slice,
    moved_ages: Slice,
    /// [`UpdateCounts`] per layer.
    pub update_counts: Slice,
    /// [`UpdateStats`] per layer.
    pub update_stats: Slice,
}

impl Scratch {
    /// For layers of `convs` with at most `entries` active positions; `scores` if any update may happen.
    pub fn new(buffers: &mut BufferPlan, convs: &[Conv], entries: usize, layers: usize, scores: bool) -> Self {
        let numel = convs.iter().map(Conv::numel).max().unwrap_or(0);
        let pieces = convs.iter().map(|conv| conv.columns() * column_pieces(conv)).max().unwrap_or(0);
        let sums = numel.div_ceil(32 * 256).max(pieces) + 1;
        let bits = bitset_bytes(numel);
        let mut scratch = |name: &str, bytes| buffers.storage("topology scratch", name, bytes);
        Self {
            score: scratch("scores", if scores { 4 * numel as u64 } else { 4 }),
            kept: scratch("kept", bits),
            after: scratch("after", bits),
            before_rank: scratch("rank before", bits),
            after_rank: scratch("rank after", bits),
            sums: scratch("sums", 4 * sums as u64),
            histogram: scratch("histogram", 1024),
            selection: scratch("selection", 16),
            moved: scratch("moved", 2 * list_bytes(entries)),
            moved_ages: scratch("ages", age_bytes(entries)),
            update_counts: scratch("wanted", ALIGNMENT * layers as u64),
            update_stats: scratch("counters", ALIGNMENT * layers as u64),
        }
    }
}

impl SparseLayer {
    /// The candidates that this layer runs.
    pub fn choice(&self, tuning: &Tuning) -> Choice {
        tuning.choice(&self.conv, self.index.entries as f64 / self.conv.numel() as f64)
    }

    /// Where the layer's weight lies, for its convolutions.
    pub fn weight(&self, scratch: &Scratch) -> SparseWeight {
        SparseWeight { index: self.index, active: self.active, scratch: scratch.score, packed: scratch.moved }
    }

    fn words(&self) -> usize {
        self.conv.numel().div_ceil(32)
    }

    /// Workgroups of 256 words.
    fn word_groups(&self) -> [u32; 3] {
        [self.words().div_ceil(256) as u32, 1, 1]
    }

    /// This layer's part of the counters or of what is wanted.
    fn own(&self, all: Slice) -> Slice {
        all.part(self.layer as u64 * ALIGNMENT, ALIGNMENT)
    }

    /// Makes the index of the positions in `active`. For the start and for a resume; an update ends with the same.
    pub fn index(&self, label: &str, tuning: &Tuning, scratch: &Scratch) -> Vec<Command> {
        let mut commands = self.rank(label, scratch, self.active, scratch.after_rank);
        commands.extend(self.reindex(label, tuning, scratch));
        commands
    }

    /// One topology update. How many to keep and to grow is in `scratch.update_counts`, and the counters must be zero.
    pub fn update(&self, label: &str, tuning: &Tuning, scratch: &Scratch, scores: Scores, run: Slice) -> Vec<Command> {
        let numel = self.conv.numel();
        let mut commands = self.rank(label, scratch, self.active, scratch.before_rank);
        let kernel = Kernel::new("topology_growth").define("WG", 256).set("ENTRIES", self.index.entries);
        let bindings = [self.value, self.ages, self.own(scratch.update_stats)];
        commands.push(Command::dispatch(Label::new(Kind::Topology, label, "statistics"), kernel, &bindings, [1, 1, 1]));
        commands.extend(self.select(label, scratch, false));
        if scores == Scores::Random {
            let kernel = Kernel::new("grow_random").set("COUNT", numel);
            let bindings = [scratch.score, run, self.own(scratch.update_counts)];
            let grid = fold(numel.div_ceil(256));
            commands.push(Command::dispatch(
                Label::new(Kind::Topology, label, "random scores"),
                kernel,
                &bindings,
                grid,
            ));
        }
        commands.extend(self.select(label, scratch, true));
        let kernel = Kernel::new("topology_stats").set("WORDS", self.words());
        let bindings = [
            self.active,
            scratch.kept,
            scratch.after,
            self.explored,
            self.reliable,
            self.initial,
            self.own(scratch.update_stats),
        ];
        commands.push(Command::dispatch(
            Label::new(Kind::Topology, label, "statistics"),
            kernel,
            &bindings,
            self.word_groups(),
        ));
        commands.extend(self.rank(label, scratch, scratch.after, scratch.after_rank));
        let room = list_bytes(self.index.entries);
        let [moved_value, moved_momentum] = [0, room].map(|at| scratch.moved.part(at, room));
        let kernel = Kernel::new("topology_move").set("WORDS", self.words());
        let bindings = [
            self.active,
            scratch.before_rank,
            scratch.after,
            scratch.after_rank,
            self.value,
            self.momentum,
            moved_value,
            moved_momentum,
        ];
        commands.push(Command::dispatch(
            Label::new(Kind::Topology, label, "move"),
            kernel,
            &bindings,
            self.word_groups(),
        ));
        let moved_ages = scratch.moved_ages.part(0, age_bytes(self.index.entries));
        commands.push(Command::Clear { label: Label::new(Kind::Topology, label, "ages"), slice: moved_ages });
        let kernel = Kernel::new("topology_ages").set("WORDS", self.words());
        let bindings = [
            self.active,
            scratch.before_rank,
            scratch.kept,
            scratch.after,
            scratch.after_rank,
            self.ages,
            moved_ages,
            self.own(scratch.update_stats),
        ];
        commands.push(Command::dispatch(
            Label::new(Kind::Topology, label, "statistics"),
            kernel,
            &bindings,
            self.word_groups(),
        ));
        let list = 4 * self.index.entries as u64;
        let bits = bitset_bytes(numel);
        let copy = |from: Slice, to: Slice, bytes| {
            Command::copy(Label::new(Kind::Topology, label, "copy"), from.part(0, bytes), to.part(0, bytes))
        };
        commands.push(copy(moved_value, self.value, list));
        commands.push(copy(moved_momentum, self.momentum, list));
        commands.push(copy(scratch.after, self.active, bits));
        commands.push(copy(moved_ages, self.ages, age_bytes(self.index.entries)));
        commands.extend(self.reindex(label, tuning, scratch));
        commands
    }

    /// `rank[w]` = set bits of `bits` before word w.
    fn rank(&self, label: &str, scratch: &Scratch, bits: Slice, rank: Slice) -> Vec<Command> {
        let words = |name| Kernel::new(name).set("WORDS", self.words());
        let grid = self.word_groups();
        vec![
            Command::dispatch(
                Label::new(Kind::Topology, label, "rank"),
                words("rank_count"),
                &[bits, scratch.sums],
                grid,
            ),
            self.scan(label, scratch.sums, grid[0] as usize),
            Command::dispatch(
                Label::new(Kind::Topology, label, "rank"),
                words("rank_write"),
                &[bits, scratch.sums, rank],
                grid,
            ),
        ]
    }

    fn scan(&self, label: &str, data: Slice, count: usize) -> Command {
        Command::dispatch(
            Label::new(Kind::Topology, label, "scan"),
            Kernel::new("scan").set("COUNT", count),
            &[data],
            [1, 1, 1],
        )
    }

    /// Prune: what to keep of the active ones, to `scratch.kept`. Grow: that and what to add, to `scratch.after`.
    fn select(&self, label: &str, scratch: &Scratch, grow: bool) -> Vec<Command> {
        let named = || Label::new(Kind::Topology, label, if grow { "grow" } else { "prune" });
        let (keys, count) = if grow { (scratch.score, self.conv.numel()) } else { (self.value, self.index.entries) };
        let mut commands = Vec::new();
        for round in 0..4 {
            let kernel = Kernel::new("select_histogram")
                .define_if(grow, "GROW")
                .set("COUNT", count)
                .set("SHIFT", 24 - 8 * round);
            let bindings = [keys, scratch.selection, scratch.histogram, scratch.kept];
            let used = if grow { &bindings[..] } else { &bindings[..3] };
            commands.push(Command::dispatch(named(), kernel, used, fold(count.div_ceil(4096))));
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
        let grid = self.word_groups();
        commands.push(Command::dispatch(named(), kernel(true), &bindings, grid));
        commands.push(self.scan(label, scratch.sums, grid[0] as usize));
        bindings.extend(if grow { vec![scratch.after] } else { vec![scratch.kept, self.own(scratch.update_stats)] });
        commands.push(Command::dispatch(named(), kernel(false), &bindings, grid));
        commands
    }

    /// Both orders of the index, from `active` and its rank in `scratch.after_rank`.
    fn reindex(&self, label: &str, tuning: &Tuning, scratch: &Scratch) -> Vec<Command> {
        let (conv, index, rank) = (&self.conv, &self.index, scratch.after_rank);
        let rows = Kernel::new("index_rows")
            .define("GROUP", tuning.weight_group)
            .set("ROWS", conv.output.channels)
            .set("LENGTH", conv.row_length())
            .set("ENTRIES", index.entries)
            .set("GROUP_MOST", groups_most(conv, index.entries, tuning));
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
                .set("ROWS", conv.output.channels)
                .set("LENGTH", conv.row_length())
                .set("KERNEL", conv.kernel)
                .set("STRIDE", conv.stride)
                .set("PADDING", conv.padding)
                .set("LEAD", conv.lead())
                .set("OUT_PLANE", conv.output.plane())
                .set("OUT_ROW", conv.output.row())
                .set("LANES", conv.output.lanes())
        };
        let dispatch = |kernel, bindings: &[Slice], grid| {
            Command::dispatch(Label::new(Kind::Topology, label, "index"), kernel, bindings, grid)
        };
        let column_grid = [conv.columns().div_ceil(64) as u32, pieces as u32, 1];
        let inputs = Kernel::new("topology_inputs")
            .set("CHANNELS", conv.input.channels)
            .set("CLASSES", conv.stride * conv.stride);
        let input_grid = [conv.input.channels.div_ceil(64) as u32, 1, 1];
        vec![
            dispatch(
                rows,
                &[self.active, rank, index.row_start, index.groups, self.own(scratch.update_stats)],
                [1, 1, 1],
            ),
            dispatch(entries, &[self.active, rank, index.shift], self.word_groups()),
            dispatch(columns(true), &[self.active, rank, scratch.sums], column_grid),
            self.scan(label, scratch.sums, conv.columns() * pieces),
            dispatch(
                columns(false),
                &[self.active, rank, scratch.sums, index.column_start, index.column_entry, index.column_shift],
                column_grid,
            ),
            dispatch(inputs, &[index.column_start, self.own(scratch.update_stats)], input_grid),
        ]
    }
}

// Places in what an update is to do to a layer; mirrors `ops::topology::UpdateCounts`.
const KEEP = 0u;
const GROW = 1u;
const LAYER = 2u;
const GROW_FIRST = 3u;
const KEEP_NEGATIVE = 4u;
// floats
const RATE = 5u;
const LEAST = 6u;
const LAMBDA = 7u;
const MIX = 8u;
const CAPACITY = 9u;
const TARGET = 10u;
// a float
const SHARE = 11u;

// Places in a layer's statistics; mirrors `ops::topology::UpdateStats`.
const ACTIVE = 0u;
const PRUNED = 1u;
const GROWN = 2u;
const REGROWN = 3u;
const NEWLY_EXPLORED = 4u;
const EXPLORED = 5u;
const RELIABLE = 6u;
const THRESHOLD = 7u;
const DEAD_OUTPUTS = 8u;
const INITIAL_KEPT = 9u;
const YOUNG = 10u;
const YOUNG_KEPT = 11u;
const YOUNG_MAGNITUDE = 12u;
const DEAD_INPUTS = 13u;
const AGES = 14u;

const AGE_BINS = 8u;

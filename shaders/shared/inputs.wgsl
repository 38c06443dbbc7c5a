// Where a kernel reads, in vectors: `Vectors::inputs`.
override IN_ORIGIN: u32;
override IN_BLOCK: u32;
override IN_PLANE: u32;
override IN_ROW: u32;

// Where a kernel writes, or reads what another wrote there, in vectors: `Vectors::outputs`.
override OUT_ORIGIN: u32;
override OUT_BLOCK: u32;
override OUT_PLANE: u32;
override OUT_ROW: u32;

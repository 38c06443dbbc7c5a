// Where a kernel finds the residual or its gradient, in vectors: `Vectors::residual`.
override RES_ORIGIN: u32;
override RES_BLOCK: u32;
override RES_PLANE: u32;
override RES_ROW: u32;

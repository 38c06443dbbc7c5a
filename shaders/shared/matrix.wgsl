// Cooperative matrices of $MATRIX by $MATRIX numbers, which the lanes of a subgroup hold together: A · B + C, summed in f32.
// WGSL's `coopLoadT` reads rows that lie one after the other, `coopLoad` columns; strides are in numbers.
#ifdef HALF
alias Number = f16;
#else
alias Number = f32;
#endif
alias Left = coop_mat$MATRIXx$MATRIX<Number, A>;
alias Right = coop_mat$MATRIXx$MATRIX<Number, B>;
alias Sum = coop_mat$MATRIXx$MATRIX<f32, C>;

// numbers of a vector, of a pixel, and of a matrix
const WIDTH = 4u * $QUADSu;
const IMAGES = LANES * WIDTH;
const MATRIX = $MATRIXu;

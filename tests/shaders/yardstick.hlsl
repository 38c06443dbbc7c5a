// Not a kernel of ours: how long a compiler takes for it tells how fast the machine is (tests/hlsl.rs). Do not change it.
ByteAddressBuffer x : register(t0);
ByteAddressBuffer w : register(t1);
RWByteAddressBuffer y : register(u0);

cbuffer Shape : register(b0) {
    uint terms;
    uint plane;
    uint step;
};

[numthreads(64, 1, 1)] void main(uint3 id : SV_DispatchThreadID) {
    float4 sums[16];
    [unroll] for (uint clear = 0; clear < 16; clear++) {
        sums[clear] = float4(0.0, 0.0, 0.0, 0.0);
    }
    for (uint term = 0; term < terms; term++) {
        for (uint r = 0; r < 3; r++) {
            float4 loaded[6];
            [unroll] for (uint i = 0; i < 6; i++) {
                loaded[i] = asfloat(x.Load4((id.x + term * plane + r * step + i) * 16));
            }
            [unroll] for (uint t = 0; t < 4; t++) {
                [unroll] for (uint s = 0; s < 3; s++) {
                    float weight = asfloat(w.Load((t * terms * 9 + term * 9 + r * 3 + s) * 4));
                    [unroll] for (uint p = 0; p < 4; p++) {
                        sums[t * 4 + p] += weight * loaded[p + s];
                    }
                }
            }
        }
    }
    [unroll] for (uint store = 0; store < 16; store++) {
        y.Store4((id.x * 16 + store) * 16, asuint(sums[store]));
    }
}

// The index of a workgroup of a grid made by `gpu::fold`.
fn fold_index(wid: vec3<u32>) -> u32 {
    return wid.x + wid.y * 65535u;
}

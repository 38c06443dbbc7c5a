// For a team of $TEAM neighbouring lanes of a subgroup: the sum over them in a fixed tree, which all of them get.
fn lanes_sum(value: f32) -> f32 {
    var sum = value;
    for (var width = $TEAMu / 2u; width > 0u; width /= 2u) {
        sum += subgroupShuffleXor(sum, width);
    }
    return sum;
}

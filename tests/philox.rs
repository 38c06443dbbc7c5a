//! Philox in WGSL gives the published known answers, and the words that Rust gives.

mod common;

use itop::gpu::{Kernel, Pass};
use itop::ops::philox::philox4x32;

#[test]
fn known_answers_on_the_gpu() {
    let mut keys: Vec<[u32; 2]> = vec![[0; 2], [u32::MAX; 2], [0xa4093822, 0x299f31d0]];
    let mut counters: Vec<[u32; 4]> = vec![[0; 4], [u32::MAX; 4], [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344]];
    let mut answers = vec![
        [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
        [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
        [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ];
    for i in 0..1000u32 {
        let key = [i.wrapping_mul(0x9E37_79B9), !i];
        let counter = [i, i << 20, i.wrapping_mul(77_777_777), i ^ 0xffff_0000];
        answers.push(philox4x32(key, counter));
        keys.push(key);
        counters.push(counter);
    }
    let mut bench = common::Bench::default();
    let bindings = [bench.upload("keys", &keys), bench.upload("counters", &counters), bench.empty("blocks", 16 * 1003)];
    let pass = Pass::dispatch("philox", Kernel::new("philox_test"), &bindings, [1003, 1, 1]);
    let blocks: Vec<[u32; 4]> = bench.run(&[pass]).read(bindings[2]);
    assert_eq!(blocks[..1003], answers);
}

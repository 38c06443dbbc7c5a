//! Philox in WGSL gives the published known answers, and the words that Rust gives.

mod common;

use common::{agree, device};

#[test]
fn known_answers_on_the_gpu() {
    agree(itop::verify::philox(&device()));
}

//! A reader with every fault that the harness must see, for its own tests.

use super::{Bound, Opened, Target};
use crate::mutate::Dialect;
use crate::worker::processor_time;
use anyhow::{Result, bail};

/// Does what its input says.
pub const PLANTED: Target = Target {
    name: "planted",
    summary: "faults on purpose, to test this program",
    dialect: Dialect::Text,
    bound: Bound { bytes: 1 << 20, per_byte: 16 },
    place: "input",
    fixtures: &[],
    prepare: |_| Ok(Opened::new(|_, input| read(input))),
    planted: true,
};

fn read(input: &[u8]) -> Result<()> {
    match input.trim_ascii() {
        b"panic" => panic!("a planted panic"),
        b"memory" => drop(std::hint::black_box(vec![1_u8; 2 << 20])),
        b"all-memory" => drop(std::hint::black_box(vec![1_u8; crate::memory::CEILING])),
        b"time" => while std::hint::black_box(true) {},
        b"busy" => {
            let begun = processor_time();
            while processor_time() < begun + 2.5 {}
        }
        b"stack" => assert_ne!(deeper(0), 0),
        b"abort" => std::process::abort(),
        b"right" => {}
        nested if nested.starts_with(b"[[[[") => panic!("a planted bracket"),
        _ => bail!("it is none of the planted faults"),
    }
    Ok(())
}

#[allow(unconditional_recursion, reason = "the fault that it plants")]
fn deeper(depth: u64) -> u64 {
    std::hint::black_box(deeper(depth + 1)) + std::hint::black_box(depth)
}

//! The commands of this repository: `cargo xtask ci`.
fn main() {}

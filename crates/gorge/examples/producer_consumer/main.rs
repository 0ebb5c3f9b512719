//! Producers and consumers, joined by channels: any number of each, with patience that
//! ends, and in turns.
//!
//! `cargo run --example producer_consumer` shows all of them. Each is a module, with its
//! tests.

mod crowds;
mod patience;
mod turns;

fn main() {
    gorge::run(|| {
        println!("crowds");
        crowds::tell();
        println!("patience");
        patience::tell();
        println!("turns");
        turns::tell();
    });
}

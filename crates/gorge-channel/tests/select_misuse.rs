//! What may not be written in `select!`, and what the compiler then says: each misuse
//! stands beside what it should have been, which is compiled with this file.
//!
//! The misuses are compiled together with the macros alone, since that is as far as the
//! compiler gets. Of its messages only the macros' own are compared.
#![cfg(not(gorge_loom))]

use gorge_channel::{Receiver, Sender, never, select, select_biased};
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

struct Misuse {
    wrong: &'static str,
    /// What the message says, or the telling part of it.
    says: &'static str,
}

/// Each wrong select, what the compiler says of it, and a right one.
macro_rules! misuses {
    ($with:tt $(wrong { $($wrong:tt)* } says $says:literal right { $($right:tt)* })*) => {
        const MISUSES: &[Misuse] = &[$(Misuse { wrong: stringify!($($wrong)*), says: $says }),*];

        /// All that is right, which is only compiled.
        fn _right $with {
            $({ $($right)* })*
        }
    };
}

misuses! {
    (r: &Receiver<i32>, s: &Sender<i32>, time: Duration, is_wanted: bool)

    wrong { select! {} }
    says "an empty `select!` block: add a `recv`, `send` or `default` case"
    right { select! { default => {} } }

    wrong { select_biased! {} }
    says "an empty `select!` block"
    right { select_biased! { default => {} } }

    wrong { select! { recv(r) => {} } }
    says "a `recv` without its result: write `recv(receiver) -> result => handler`, or `-> _`"
    right { select! { recv(r) -> _ => {} } }

    wrong { select! { recv() -> _ => {} } }
    says "`recv()` names no receiver: write `recv(receiver) -> result => handler`"
    right { select! { recv(r,) -> _ => {} } }

    wrong { select! { default => {} recv(r, 1) -> _ => {} } }
    says "a `recv` has one argument: write `recv(receiver) -> result => handler`"
    right { select! { default => {} recv(r) -> _ => {} } }

    wrong { select! { recv r -> _ => {} } }
    says "a `recv` case is `recv(receiver) -> result => handler`"
    right { select! { recv((r)) -> _ => {} } }

    wrong { select! { recv(r) <- _ => {} } }
    says "a `recv` case is `recv(receiver) -> result => handler`"
    right { select! { recv(r) -> (Ok(_) | Err(_)) => {} } }

    wrong { select! { recv(r) -> value } }
    says "a `recv` case is `recv(receiver) -> result => handler`"
    right { select! { recv(r) -> value => _ = value } }

    wrong { select! { recv(r) -> value { drop(value) } } }
    says "a case without `=>`: write `recv(receiver) -> result => handler`"
    right { select! { recv(r) -> value => { _ = value } } }

    wrong { select! { recv(r) -> _ {}, default => {} } }
    says "a case without `=>`"
    right { select! { recv(r) -> _ => {}, default => {} } }

    wrong { select! { recv(r) -> value { drop(value) } default => {} } }
    says "a case without `=>`"
    right { select! { recv(r) -> value => { _ = value } default => {} } }

    wrong { select! { send(s, 1) -> sent { drop(sent) } recv(r) -> _ => {} } }
    says "a case without `=>`"
    right { select! { send(s, 1) -> sent => { _ = sent } recv(r) -> _ => {} } }

    wrong { select! { recv(r) -> value => } }
    says "after `=>` comes one expression or block"
    right { select! { recv(r) -> value => _ = value } }

    wrong { select! { recv(r) -> _ => (), send(s, 1) -> _ => , default => () } }
    says "after `=>` comes one expression or block"
    right { select! { recv(r) -> _ => (), send(s, 1) -> _ => (), default => () } }

    wrong { select! { recv(r) -> _ => 1 send(s, 1) -> _ => 2 } }
    says "after `=>` comes one expression or block, with a comma behind an expression"
    right { let _ = select! { recv(r) -> _ => 1, send(s, 1) -> _ => 2 }; }

    wrong { select! { default => 1 recv(r) -> _ => 2 } }
    says "after `=>` comes one expression or block, with a comma behind an expression"
    right { let _ = select! { default => 1, recv(r) -> _ => 2 }; }

    wrong { select! { recv(r) -> _ if is_wanted => {} } }
    says "a case of `select!` has no condition: write `recv(if condition { receiver } else { never() })"
    right { select! { recv(if is_wanted { r.clone() } else { never() }) -> _ => {} } }

    wrong { select! { send(s) -> _ => {} } }
    says "a `send` without a value: write `send(sender, value) -> result => handler`"
    right { select! { send(s, 1) -> _ => {} } }

    wrong { select! { send(s,) -> _ => {} } }
    says "a `send` without a value: write `send(sender, value) -> result => handler`"
    right { select! { send(s, 1,) -> _ => {} } }

    wrong { select! { send() -> _ => {} } }
    says "`send()` names no sender: write `send(sender, value) -> result => handler`"
    right { select! { send(&s, 1) -> _ => {} } }

    wrong { select! { send(s, 1, 2) -> _ => {} } }
    says "a `send` has two arguments: write `send(sender, value) -> result => handler`"
    right { select! { send(s, 1 + 2) -> _ => {} } }

    wrong { select! { send(s, 1) => {} } }
    says "a `send` without its result: write `send(sender, value) -> result => handler`, or `-> _`"
    right { select! { send(s, 1) -> _ => {} } }

    wrong { select! { send s, 1 -> _ => {} } }
    says "a `send` case is `send(sender, value) -> result => handler`"
    right { select! { send(s, -1) -> _ => {} } }

    wrong { select! { default => {} default => {} } }
    says "a second `default` case: a `select!` has one at most"
    right { select! { default => {} } }

    wrong { select! { default => {}, recv(r) -> _ => {} default(time) => {} } }
    says "a second `default` case: a `select!` has one at most"
    right { select! { recv(r) -> _ => {} default(time) => {} } }

    wrong { select! { default(time, time) => {} } }
    says "a `default` has one argument at most: write `default(timeout) => handler`"
    right { select! { default(time + time) => {} } }

    wrong { select! { default -> _ => {} } }
    says "a `default` has no result: write `default => handler` or `default(timeout) => handler`"
    right { select! { default() => {} } }

    wrong { select! { default(time) -> _ => {} } }
    says "a `default` has no result: write `default => handler` or `default(timeout) => handler`"
    right { select! { default(time) => {} } }

    wrong { select! { default {} } }
    says "a `default` case is `default => handler` or `default(timeout) => handler`"
    right { select! { default => {} } }

    wrong { select! { recv(r) -> _ => {} _ => {} } }
    says "a `select!` has no case `_`: write `default => handler`"
    right { select! { recv(r) -> _ => {} default => {} } }

    wrong { select! { recv(r) -> _ => {}, else => {} } }
    says "a `select!` has no case `else`: write `default => handler`"
    right { select! { recv(r) -> _ => {}, default => {} } }

    wrong { select! { biased; recv(r) -> _ => {} } }
    says "a `select!` whose first ready case wins is a `select_biased!`"
    right { select_biased! { recv(r) -> _ => {} } }

    wrong { select! { receive(r) -> _ => {} } }
    says "a case of `select!` begins with `recv`, `send` or `default`, and not with `receive`"
    right { select! { recv(r) -> _ => {} } }

    wrong { select! { value = recv(r) => {} } }
    says "a case of `select!` begins with `recv`, `send` or `default`, and not with `value`"
    right { select! { recv(r) -> _value => {} } }

    wrong { select! { recv(r) -> _ => {},, default => {} } }
    says "a case of `select!` begins with `recv`, `send` or `default`, and not with `,`"
    right { select! { recv(r) -> _ => {}, default => {}, } }

    wrong { select! { recv(r) -> _ => {}; default => {} } }
    says "a case of `select!` begins with `recv`, `send` or `default`, and not with `;`"
    right { select! { recv(r) -> _ => {} default => {} } }

    wrong { select! {
        recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {}
        recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {}
        recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {}
        recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {}
        recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {}
        recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {}
        recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {}
        recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {}
        recv(r) -> _ => {}
    } }
    says "too many cases: a `select!` has 32 at most, a `Select` any number"
    right { select! {
        recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {}
        recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {}
        recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {}
        recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {}
        recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {}
        recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {}
        recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {}
        recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {} recv(r) -> _ => {}
        default => {}
    } }
}

/// Compiles a crate of the folder; returns whether that went well, and what was said.
fn rustc(folder: &Path, name: &str, text: &str) -> (bool, String) {
    let file = folder.join(format!("{name}.rs"));
    fs::write(&file, text).unwrap();
    let output = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition=2024", "--crate-type=lib", "--emit=metadata"])
        .args(["--error-format=short", "--out-dir"])
        .arg(folder)
        .arg("-L")
        .args([folder, &file])
        .output()
        .expect("the compiler that cargo uses");
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.success(), said)
}

/// Compiles all misuses, each on a line of its own; returns what the compiler says.
fn compile() -> String {
    let folder = env::temp_dir().join(format!("gorge-misuse-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let macros = concat!(env!("CARGO_MANIFEST_DIR"), "/src/select/macros.rs");
    let library = format!("#[path = {macros:?}] mod macros;");
    let (is_compiled, said) = rustc(&folder, "gorge_channel", &library);
    assert!(is_compiled, "{said}");
    let one_line = |misuse: &Misuse| {
        misuse
            .wrong
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    let functions = MISUSES.iter().enumerate();
    let wrong: String = functions
        .map(|(number, misuse)| format!("fn _f{number}() {{ {}; }}\n", one_line(misuse)))
        .collect();
    let head = "#[macro_use] extern crate gorge_channel;";
    let (is_compiled, said) = rustc(&folder, "misuse", &format!("{head}\n{wrong}"));
    assert!(!is_compiled, "the misuses were compiled");
    fs::remove_dir_all(&folder).unwrap();
    said
}

#[test]
fn each_misuse_is_told_what_to_write() {
    let said = compile();
    let mut wrongly = String::new();
    for (number, Misuse { wrong, says }) in MISUSES.iter().enumerate() {
        let place = format!("misuse.rs:{}:", number + 2);
        let errors: Vec<_> = said
            .lines()
            .filter(|line| line.contains(&place) && line.contains("error"))
            .collect();
        if !matches!(&errors[..], [only] if only.contains(says)) {
            wrongly += &format!("{wrong}\nshould say: {says}\nsays: {errors:#?}\n\n");
        }
    }
    assert!(wrongly.is_empty(), "{wrongly}");
}

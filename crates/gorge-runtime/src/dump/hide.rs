//! What a dump leaves out: how goroutines wait, and how they are started.
//!
//! Frames of the runtime itself tell a reader nothing, but only at the two ends of
//! a stack: in between, they are calls that the program made. At the innermost end
//! is a run of frames of gorge's crates and the standard library. The last frame of
//! gorge in it is the call that the program made, `Receiver::recv` say; it stays, and
//! what is inside of it goes. At the outermost end is the goroutine's entry; all of
//! it goes.
//!
//! Functions are known by their paths. Where the debug information has only the
//! last part of a name, the source file stands for the path:
//! `…/gorge-runtime-0.1.0/src/park/cell.rs` is `gorge_runtime::park::cell`.

use super::symbols::Symbol;

/// Crates in which goroutines wait.
const OWN: [&str; 5] = [
    "gorge_runtime",
    "gorge_coroutine",
    "gorge_sync",
    "gorge_channel",
    // Frames of the dump itself, when a goroutine dumps.
    "backtrace",
];

/// Crates whose frames lie between those.
const STANDARD: [&str; 4] = ["alloc", "core", "std", CATCH];

/// What the compiler makes of catching a panic.
const CATCH: &str = "__rust_try";

/// How a goroutine, a segment, and the closure of a pinned goroutine are entered.
const ENTRY: [&str; 14] = [
    "gorge_coroutine",
    "gorge_runtime::goroutine::pin",
    "gorge_runtime::goroutine::run",
    "gorge_runtime::goroutine::scope",
    "gorge_runtime::goroutine::spawn",
    "gorge_runtime::goroutine::task",
    "gorge_runtime::scheduler",
    "alloc::boxed",
    "core::ops::function",
    "core::panic",
    "std::panic",
    "std::panicking",
    "std::sys::backtrace",
    CATCH,
];

/// How code panics.
const PANIC: [&str; 3] = ["core::panicking", "std::panicking", "std::panic"];

/// In which function the panic of any kind begins.
const PANIC_BEGINS: [&str; 2] = ["rust_begin_unwind", "begin_panic"];

/// The part that a function plays at the ends of a stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Role {
    is_own: bool,
    is_standard: bool,
    is_entry: bool,
    is_panic: bool,
    begins_panic: bool,
}

impl Role {
    /// By name and by file: a trait's method that is called through a function's type
    /// has that function's path and the trait's file.
    pub(super) fn of(function: &str, file: Option<&str>) -> Role {
        let by_name = path_of(function).map_or_else(Role::default, Role::of_path);
        let by_file = file.and_then(module_of);
        let by_file = by_file.map_or_else(Role::default, |module| Role::of_path(&module));
        Role {
            is_own: by_name.is_own || by_file.is_own,
            is_standard: by_name.is_standard || by_file.is_standard,
            is_entry: by_name.is_entry || by_file.is_entry,
            is_panic: by_name.is_panic || by_file.is_panic,
            begins_panic: PANIC_BEGINS.iter().any(|name| function.contains(name)),
        }
    }

    fn of_path(path: &str) -> Role {
        let krate = path.split("::").next().unwrap_or(path);
        let is_among = |prefixes: &[&str]| prefixes.iter().any(|prefix| is_under(path, prefix));
        Role {
            is_own: OWN.contains(&krate) && !path.contains("::tests::"),
            is_standard: STANDARD.contains(&krate),
            is_entry: is_among(&ENTRY) || path == "gorge_runtime::goroutine",
            is_panic: is_among(&PANIC),
            begins_panic: false,
        }
    }
}

/// Leaves out what lies at the ends of the stack that begins at `start`.
pub(super) fn trim(symbols: &mut Vec<Symbol>, start: usize, innermost: bool, outermost: bool) {
    if outermost {
        let kept = symbols[start..].iter().rposition(|it| !it.role.is_entry);
        // A goroutine that is nothing but an entry shows what there is.
        if let Some(last) = kept {
            symbols.truncate(start + last + 1);
        }
    }
    if innermost {
        let mut run = symbols[start..]
            .iter()
            .take_while(|it| it.role.is_own || it.role.is_standard)
            .collect::<Vec<_>>();
        while run.pop_if(|it| !it.role.is_own).is_some() {}
        let hidden = run.len().saturating_sub(1);
        symbols.drain(start..start + hidden);
    }
}

/// Leaves out what a panic called, from its hook to the function that panicked.
pub(super) fn trim_panic(symbols: &mut Vec<Symbol>) {
    if let Some(begin) = symbols.iter().position(|it| it.role.begins_panic) {
        let rest = symbols[begin + 1..].iter();
        let called = rest.take_while(|it| it.role.is_panic).count();
        symbols.drain(..=begin + called);
        // A panic that gorge began shows which of its functions the program called.
        trim(symbols, 0, true, false);
    }
}

/// The path that a name begins with, of a type or a function.
fn path_of(function: &str) -> Option<&str> {
    if function == CATCH {
        return Some(function);
    }
    let name = function.trim_start_matches(['<', '&', '*']);
    let name = name.strip_prefix("mut ").unwrap_or(name);
    let end = name.find(['<', '>', ' ', '(']).unwrap_or(name.len());
    name[..end].contains("::").then_some(name)
}

/// The module of a source file, as far as its path tells.
fn module_of(file: &str) -> Option<String> {
    let (folder, source) = file.rsplit_once("/src/")?;
    let (parent, package) = folder.rsplit_once('/').unwrap_or(("", folder));
    // A program may have a folder `core` too.
    if STANDARD.contains(&package) && !parent.ends_with("/library") {
        return None;
    }
    let is_version = |at: &usize| package[at + 1..].starts_with(|c: char| c.is_ascii_digit());
    let mut dashes = package.match_indices('-').map(|(at, _)| at);
    let name = &package[..dashes.find(is_version).unwrap_or(package.len())];
    let mut path = name.replace('-', "_");
    let module = source.strip_suffix(".rs")?;
    for part in module.strip_suffix("/mod").unwrap_or(module).split('/') {
        if part != "lib" {
            path += "::";
            path += part;
        }
    }
    Some(path)
}

fn is_under(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dump::Frame;

    fn symbols(functions: &[&str]) -> Vec<Symbol> {
        let symbol = |function: &&str| Symbol {
            role: Role::of(function, None),
            frame: Frame {
                function: (*function).into(),
                file: None,
                line: None,
                address: 1,
                is_inlined: false,
            },
        };
        functions.iter().map(symbol).collect()
    }

    fn functions(symbols: &[Symbol]) -> Vec<&str> {
        symbols.iter().map(|it| &*it.frame.function).collect()
    }

    #[test]
    fn the_call_that_blocks_and_the_programs_own_calls_stay() {
        let mut all = symbols(&[
            "gorge_coroutine::fiber::Suspender::suspend",
            "gorge_runtime::park::park",
            "core::ops::function::FnOnce::call_once",
            "<gorge_channel::receiver::Receiver<u8>>::recv",
            "core::iter::traits::iterator::Iterator::map",
            "program::work",
            "gorge_runtime::stack::grow",
            "std::panicking::catch_unwind",
            "program::main::{{closure}}",
            "<core::panic::unwind_safe::AssertUnwindSafe<F> as core::ops::function::FnOnce<()>>::call_once",
            "__rust_try",
            "gorge_runtime::goroutine::task::run",
            "gorge_runtime::goroutine::run",
            "gorge_coroutine::fiber::run_body",
        ]);
        trim(&mut all, 0, true, true);
        let kept = [
            "<gorge_channel::receiver::Receiver<u8>>::recv",
            "core::iter::traits::iterator::Iterator::map",
            "program::work",
            "gorge_runtime::stack::grow",
            "std::panicking::catch_unwind",
            "program::main::{{closure}}",
        ];
        assert_eq!(functions(&all), kept);
    }

    #[test]
    fn only_the_given_stack_is_trimmed_at_the_given_ends() {
        let frames = [
            "gorge_runtime::park::park",
            "gorge_runtime::stack::grow",
            "a::b",
        ];
        let mut all = symbols(&[frames, frames].concat());
        trim(&mut all, 3, true, false);
        assert_eq!(functions(&all), [&frames[..], &frames[1..]].concat());
        trim(&mut all, 0, false, true);
        assert_eq!(all.len(), 5);
    }

    #[test]
    fn a_goroutine_that_is_one_call_of_ours_shows_it() {
        let mut all = symbols(&[
            "gorge_runtime::park::park",
            "gorge_runtime::goroutine::ops::park_forever",
            "core::ops::function::FnOnce::call_once",
            "gorge_runtime::goroutine::task::run",
        ]);
        trim(&mut all, 0, true, true);
        assert_eq!(
            functions(&all),
            ["gorge_runtime::goroutine::ops::park_forever"]
        );
    }

    #[test]
    fn a_panic_begins_where_the_program_panicked() {
        let mut all = symbols(&[
            "gorge_runtime::report",
            "std::panicking::panic_with_hook",
            "__rustc::rust_begin_unwind",
            "core::panicking::panic_fmt",
            "core::option::unwrap_failed",
            "program::work",
            "std::panicking::catch_unwind",
        ]);
        trim_panic(&mut all);
        let kept = [
            "core::option::unwrap_failed",
            "program::work",
            "std::panicking::catch_unwind",
        ];
        assert_eq!(functions(&all), kept);
    }

    #[test]
    fn a_file_stands_for_the_path_of_a_short_name() {
        #[track_caller]
        fn check(function: &str, file: &str, path: &str) {
            assert_eq!(Role::of(function, Some(file)), Role::of(path, None));
        }
        let park = "gorge_runtime::park::goroutine::park";
        let in_registry = "/registry/src/index/gorge-runtime-0.1.0/src/park/goroutine.rs";
        check("park<a::b, c::d>", in_registry, park);
        let in_workspace = "/w/crates/gorge-runtime/src/park/goroutine.rs";
        check("park", in_workspace, park);
        let standard = "/rustc/1/library/std/src/panic.rs";
        check(
            "catch_unwind<(), a::b>",
            standard,
            "std::panic::catch_unwind",
        );
        let core = "/rustc/1/library/core/src/bool.rs";
        check(
            "<bool>::then::<u8, program::main>",
            core,
            "core::bool::then",
        );
        let call = "core::ops::function::FnOnce::call_once";
        for name in ["<program::main as", "<fn() as", "<&F as"] {
            let name = format!("{name} core::ops::function::FnOnce<()>>::call_once");
            check(&name, "/rustc/1/library/core/src/ops/function.rs", call);
        }
        check("main", "/w/program/src/main.rs", "program::main");
        check("park", "/w/crates/gorge-runtime/tests/frames.rs", "");
    }

    #[test]
    fn modules_are_read_off_paths() {
        let module = |file| module_of(file);
        assert_eq!(
            module("/a/gorge-sync/src/lib.rs").as_deref(),
            Some("gorge_sync")
        );
        assert_eq!(
            module("/a/gorge-sync-1.2.3-rc.1/src/mutex/mod.rs").as_deref(),
            Some("gorge_sync::mutex")
        );
        assert_eq!(module("/program/core/src/panic.rs"), None);
        assert_eq!(module("src/main.rs"), None);
        assert_eq!(module("/a/build.rs"), None);
    }
}

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
const STANDARD: [&str; 3] = ["alloc", "core", "std"];

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
    "__rust_try",
];

/// What is left out of a panic's frames: what the panic itself called.
const PANIC: [&str; 3] = ["core::panicking", "std::panicking", "std::panic"];

/// The part that a function plays at the ends of a stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Role {
    is_own: bool,
    is_standard: bool,
    is_entry: bool,
    is_panic: bool,
}

impl Role {
    pub(super) fn of(function: &str, file: Option<&str>) -> Role {
        let by_file = file.and_then(module_of);
        let path = match qualified(function) {
            Some(path) => path,
            None => by_file.as_deref().unwrap_or(function),
        };
        let krate = path.split("::").next().unwrap_or(path);
        let starts = |with: &[&str]| with.iter().any(|prefix| is_under(path, prefix));
        Role {
            is_own: OWN.contains(&krate) && !path.contains("::tests::"),
            is_standard: STANDARD.contains(&krate) || krate == "__rust_try",
            is_entry: starts(&ENTRY) || path == "gorge_runtime::goroutine",
            is_panic: starts(&PANIC) || function.ends_with("rust_begin_unwind"),
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

/// The path of a name that has one, from its crate on.
fn qualified(function: &str) -> Option<&str> {
    let path = function.trim_start_matches(['<', '&', '*']);
    let path = path.strip_prefix("mut ").unwrap_or(path);
    let end = path.find(['<', ' ']).unwrap_or(path.len());
    let is_impl = path.len() < function.len();
    (is_impl || path[..end].contains("::")).then_some(path)
}

/// The module of a source file, as far as its path tells.
fn module_of(file: &str) -> Option<String> {
    let (package, source) = file
        .rsplit_once("/src/")
        .map(|(folder, source)| (folder.rsplit('/').next().unwrap_or(folder), source))?;
    let name_end = package
        .match_indices('-')
        .find(|(at, _)| package[at + 1..].starts_with(|c: char| c.is_ascii_digit()))
        .map_or(package.len(), |(at, _)| at);
    let krate = package[..name_end].replace('-', "_");
    let module = source.strip_suffix(".rs")?;
    let module = module.strip_suffix("/mod").unwrap_or(module);
    let module = match module {
        "lib" => String::new(),
        _ => format!("::{}", module.replace('/', "::")),
    };
    Some(krate + &module)
}

fn is_under(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

//! From addresses to names: each address is looked up once in a dump.

use super::addresses::Addresses;
use super::frame::Frame;
use super::hide::{self, Role};
use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::Arc;

/// What is known of addresses so far.
#[derive(Default)]
pub(super) struct Symbols {
    by_address: HashMap<usize, Vec<Symbol>>,
    by_stack: HashMap<Addresses, Trace>,
}

/// A frame and what part it plays.
#[derive(Clone)]
pub(super) struct Symbol {
    pub(super) frame: Frame,
    pub(super) role: Role,
}

/// The frames of one goroutine, innermost first. Those with the same frames share
/// them.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    pub(super) frames: Arc<[Frame]>,
    /// How many frames are missing before the one with this index.
    pub(super) elided: usize,
    pub(super) gap: usize,
    /// There are more frames than were walked.
    pub(super) is_cut: bool,
}

/// What a trace is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To show what a goroutine does.
    Dump,
    /// To show where it panicked.
    Panic,
}

impl Symbols {
    /// The frames that a dump shows for these addresses.
    pub(super) fn trace(&mut self, addresses: Addresses) -> Trace {
        if let Some(trace) = self.by_stack.get(&addresses) {
            return trace.clone();
        }
        let trace = self.resolve_all(&addresses, Purpose::Dump);
        self.by_stack.insert(addresses, trace.clone());
        trace
    }

    pub(super) fn resolve_all(&mut self, addresses: &Addresses, purpose: Purpose) -> Trace {
        let mut symbols: Vec<Symbol> = Vec::new();
        // What belongs to one stack, and is complete at its innermost end.
        let (mut start, mut is_innermost) = (0, true);
        let mut gap = 0;
        for step in addresses.iter() {
            if step.follows_gap {
                hide::trim(&mut symbols, start, is_innermost, false);
                (start, is_innermost) = (symbols.len(), false);
                gap = start;
            }
            symbols.extend_from_slice(self.resolve(step.address));
            if step.ends_stack {
                hide::trim(&mut symbols, start, is_innermost, true);
                (start, is_innermost) = (symbols.len(), true);
            }
        }
        hide::trim(&mut symbols, start, is_innermost, false);
        if purpose == Purpose::Panic {
            let before = symbols.len();
            hide::trim_panic(&mut symbols);
            gap = gap.saturating_sub(before - symbols.len());
        }
        Trace {
            frames: symbols.into_iter().map(|symbol| symbol.frame).collect(),
            elided: addresses.elided,
            gap,
            is_cut: addresses.is_cut,
        }
    }

    /// The functions at an address, innermost first: inlined ones, and the one that
    /// was called.
    fn resolve(&mut self, address: usize) -> &[Symbol] {
        self.by_address
            .entry(address)
            .or_insert_with(|| look_up(address))
    }
}

fn look_up(address: usize) -> Vec<Symbol> {
    let mut symbols = Vec::new();
    // The call itself: what follows it may belong to another line, or function.
    let call = std::ptr::without_provenance_mut::<c_void>(address.wrapping_sub(1));
    backtrace::resolve(call, |symbol| {
        let name = symbol.name().map(|name| format!("{name:#}"));
        let file = symbol.filename().map(|file| file.to_string_lossy());
        symbols.push(Symbol {
            role: Role::of(name.as_deref().unwrap_or_default(), file.as_deref()),
            frame: Frame {
                function: name.map_or_else(|| unknown(address), Arc::from),
                file: file.map(Arc::from),
                line: symbol.lineno(),
                address,
                is_inlined: true,
            },
        });
    });
    if symbols.is_empty() {
        symbols.push(Symbol {
            role: Role::default(),
            frame: Frame {
                function: unknown(address),
                file: None,
                line: None,
                address,
                is_inlined: false,
            },
        });
    }
    if let Some(outermost) = symbols.last_mut() {
        outermost.frame.is_inlined = false;
    }
    symbols
}

fn unknown(address: usize) -> Arc<str> {
    format!("{address:#x}").into()
}

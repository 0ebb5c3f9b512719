//! Unwind tables of the program and its libraries, as they are loaded now.
//!
//! Copies: a library that is unloaded during a dump takes its tables with it.

use framehop::{ExplicitModuleSectionInfo, Module};
use std::ffi::{c_int, c_void};
use std::ops::Range;
use std::slice;

/// The tables of one module.
pub(super) type Tables = Module<Vec<u8>>;

/// The modules of this process that have unwind tables.
///
/// ThreadSanitizer lists the modules for each report, with its own locks held, and takes some of
/// them for what `visit` does with the loader's lock held. So under it only the program itself is
/// looked at, which the loader is not needed for.
pub(super) fn loaded() -> Vec<Tables> {
    if cfg!(gorge_tsan) {
        return program().into_iter().collect();
    }
    let mut modules: Vec<Tables> = Vec::new();
    // SAFETY: `visit` gets the address of the list, for this call, and nothing else.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut modules).cast()) };
    modules
}

/// The program, from the headers that the kernel has told the process of. None if they do not
/// say where they are, as those of a static program may not.
fn program() -> Option<Tables> {
    // SAFETY: asks for two words.
    let (start, count) = unsafe {
        (
            libc::getauxval(libc::AT_PHDR),
            libc::getauxval(libc::AT_PHNUM),
        )
    };
    let headers = std::ptr::with_exposed_provenance::<libc::Elf64_Phdr>(start as usize);
    if headers.is_null() {
        return None;
    }
    // SAFETY: the kernel's own word for where the program's headers are, of the one format that
    // it loads; they stay there.
    let headers = unsafe { slice::from_raw_parts(headers, count as usize) };
    let own = headers
        .iter()
        .find(|header| header.p_type == libc::PT_PHDR)?;
    // SAFETY: the headers lie in the program, at the place that they name; it is never unloaded.
    unsafe { read(start.wrapping_sub(own.p_vaddr), headers) }
}

/// # Safety
///
/// Called by `dl_iterate_phdr`, with the address of the list of modules.
unsafe extern "C" fn visit(
    info: *mut libc::dl_phdr_info,
    _: libc::size_t,
    modules: *mut c_void,
) -> c_int {
    // SAFETY: the caller's contract; the loader keeps the module and its headers
    // in place until this returns.
    unsafe {
        let (info, modules) = (&*info, &mut *modules.cast::<Vec<Tables>>());
        if !info.dlpi_phdr.is_null() {
            let headers = slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum));
            modules.extend(read(info.dlpi_addr, headers));
        }
    }
    0
}

/// # Safety
///
/// A module with these headers is loaded at `base`, and stays there meanwhile.
#[allow(
    clippy::useless_conversion,
    reason = "the fields are narrower elsewhere"
)]
unsafe fn read(base: u64, headers: &[libc::Elf64_Phdr]) -> Option<Tables> {
    let of_kind = |kind| headers.iter().filter(move |header| header.p_type == kind);
    let span =
        |header: &libc::Elf64_Phdr| header.p_vaddr..header.p_vaddr.saturating_add(header.p_memsz);
    let loaded = || of_kind(libc::PT_LOAD).map(span);
    let header = of_kind(libc::PT_GNU_EH_FRAME).map(span).next()?;
    // SAFETY: the module's own header says that it is there.
    let header_bytes = unsafe { copy(base, &header) };
    let start = table_start(&header, &header_bytes)?;
    // Where the table ends is not said: with its segment, at the latest.
    let table = start..loaded().find(|part| part.contains(&start))?.end;
    // SAFETY: a part of a segment that is loaded, and readable, as the unwinder
    // reads it in place.
    let table_bytes = unsafe { copy(base, &table) };
    let sections = ExplicitModuleSectionInfo {
        eh_frame_svma: Some(table),
        eh_frame: Some(table_bytes),
        eh_frame_hdr_svma: Some(header),
        eh_frame_hdr: Some(header_bytes),
        ..ExplicitModuleSectionInfo::default()
    };
    let first = loaded().map(|part| part.start).min()?;
    let end = loaded().map(|part| part.end).max()?;
    let addresses = base.wrapping_add(first)..base.wrapping_add(end);
    Some(Module::new(String::new(), addresses, base, sections))
}

/// # Safety
///
/// The range is readable in a module that is loaded at `base`.
unsafe fn copy(base: u64, range: &Range<u64>) -> Vec<u8> {
    let start = std::ptr::with_exposed_provenance::<u8>(base.wrapping_add(range.start) as usize);
    let len = (range.end - range.start) as usize;
    // SAFETY: the caller's contract.
    unsafe { slice::from_raw_parts(start, len) }.to_vec()
}

/// Where `.eh_frame` begins, from the bytes of `.eh_frame_hdr`: version 1, how the
/// next pointers are encoded, and the pointer. Every linker encodes it as a signed
/// 32-bit distance from itself.
fn table_start(header: &Range<u64>, bytes: &[u8]) -> Option<u64> {
    const VERSION: u8 = 1;
    const RELATIVE_SIGNED_32: u8 = 0x1b;
    let distance = match bytes {
        [VERSION, RELATIVE_SIGNED_32, _, _, a, b, c, d, ..] => i32::from_le_bytes([*a, *b, *c, *d]),
        _ => return None,
    };
    (header.start + 4).checked_add_signed(distance.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_among_the_modules() {
        let here = the_program_is_among_the_modules as fn() as usize as u64;
        let modules = loaded();
        assert!(modules.iter().any(|it| it.avma_range().contains(&here)));
    }

    #[test]
    fn the_program_is_found_without_the_loader() {
        let here = the_program_is_found_without_the_loader as fn() as usize as u64;
        let program = program().expect("it has tables");
        assert!(program.avma_range().contains(&here));
        let listed = loaded();
        assert!(
            listed
                .iter()
                .any(|it| it.avma_range() == program.avma_range())
        );
    }

    #[test]
    fn a_header_of_another_kind_is_left_out() {
        assert_eq!(
            table_start(&(100..108), &[1, 0x1b, 3, 0x3b, 6, 0, 0, 0]),
            Some(110)
        );
        assert_eq!(
            table_start(&(100..108), &[1, 0x1b, 3, 0x3b, 0xf6, 255, 255, 255]),
            Some(94)
        );
        assert_eq!(
            table_start(&(100..108), &[2, 0x1b, 3, 0x3b, 6, 0, 0, 0]),
            None
        );
        assert_eq!(table_start(&(100..108), &[1, 0x1b]), None);
    }
}

//! The format of a line, which is that of `sha256sum`, so that `sha256sum -c`
//! can check it: the digest in hexadecimal, two spaces, the path.
//!
//! A path with a backslash, a newline or a carriage return is escaped, and the
//! line begins with a backslash to say so.

/// Appends a line to `lines`.
pub(crate) fn push(lines: &mut Vec<u8>, digest: &[u8], path: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    if path.iter().any(|&byte| escape(byte).is_some()) {
        lines.push(b'\\');
    }
    for &byte in digest {
        let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
        lines.extend([DIGITS[high], DIGITS[low]]);
    }
    lines.extend(b"  ");
    push_escaped(lines, path);
    lines.push(b'\n');
}

/// Appends a path with what has to be escaped escaped.
pub(crate) fn push_escaped(text: &mut Vec<u8>, path: &[u8]) {
    for &byte in path {
        match escape(byte) {
            Some(escape) => text.extend(escape),
            None => text.push(byte),
        }
    }
}

fn escape(byte: u8) -> Option<&'static [u8; 2]> {
    match byte {
        b'\\' => Some(br"\\"),
        b'\n' => Some(br"\n"),
        b'\r' => Some(br"\r"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::push;

    fn line(path: &[u8]) -> Vec<u8> {
        let mut lines = Vec::new();
        push(&mut lines, &[0x0f, 0xa0], path);
        lines
    }

    #[test]
    fn a_plain_path_is_printed_as_it_is() {
        assert_eq!(line(b"dir/a b"), b"0fa0  dir/a b\n");
        assert_eq!(line(b"\xff'\"\t*"), b"0fa0  \xff'\"\t*\n");
    }

    #[test]
    fn an_escaped_path_is_announced() {
        assert_eq!(line(b"a\\b"), b"\\0fa0  a\\\\b\n");
        assert_eq!(line(b"a\nb\rc"), b"\\0fa0  a\\nb\\rc\n");
    }
}

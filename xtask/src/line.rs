//! The line that tells how a step or a run ended, such as `fmt ............ ok  0.4 s`.

use std::time::Duration;

/// How the line begins: the name, and dots up to `width`.
pub(crate) fn dotted(name: &str, width: usize) -> String {
    format!("{:.<width$}", format!("{name} "))
}

/// How the line goes on, such as ` ok  41.2 s  312 passed`.
pub(crate) fn result(label: &str, time: Duration, note: &str) -> String {
    let seconds = time.as_secs_f64();
    let result = format!(" {label}  {seconds:.1} s  {note}");
    result.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_name_result_time_and_note() {
        let line = dotted("fmt", 16) + &result("ok", Duration::from_millis(440), "");
        assert_eq!(line, "fmt ............ ok  0.4 s");
        let line =
            dotted("test-release", 16) + &result("ok", Duration::from_secs(41), "312 passed");
        assert_eq!(line, "test-release ... ok  41.0 s  312 passed");
    }
}

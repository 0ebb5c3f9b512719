//! A dump in Go's text.

use super::{Frame, GoroutineDump, GoroutineSnapshot, GoroutineState};
use std::fmt;
use std::time::Duration;

impl fmt::Display for GoroutineDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, goroutine) in self.goroutines.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{goroutine}")?;
        }
        Ok(())
    }
}

impl fmt::Display for GoroutineSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "goroutine {} {}",
            self.id,
            Doing(self.state, self.waited)
        )?;
        if let Some(name) = &self.name {
            write!(f, " {name:?}")?;
        }
        writeln!(f, ":")?;
        Body(self).fmt(f)?;
        for (place, holder) in self.holders.iter().enumerate() {
            let before = if place == 0 { "held by " } else { ", " };
            write!(f, "{before}{holder}")?;
        }
        if self.holders.is_empty() {
            Ok(())
        } else {
            writeln!(f)
        }
    }
}

/// What a goroutine does, and for how long: `[chan receive, 3 minutes]`.
pub(super) struct Doing(pub(super) GoroutineState, pub(super) Duration);

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}", self.0)?;
        match self.1.as_secs() / 60 {
            0 => f.write_str("]"),
            minutes => write!(f, ", {minutes} minutes]"),
        }
    }
}

/// What follows a header: the frames, and where the goroutine was started.
pub(super) struct Body<'a>(pub(super) &'a GoroutineSnapshot);

impl fmt::Display for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let goroutine = self.0;
        match goroutine.is_walked {
            Some(true) => self.fmt_frames(f)?,
            Some(false) => writeln!(f, "\t{}", self.why_not())?,
            None => {}
        }
        let Some(site) = goroutine.site else {
            return Ok(());
        };
        match goroutine.parent.as_u64() {
            0 => writeln!(f, "created by a thread\n\t{site}"),
            parent => writeln!(f, "created by goroutine {parent}\n\t{site}"),
        }
    }
}

impl Body<'_> {
    fn fmt_frames(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let goroutine = self.0;
        let all = |f: &mut fmt::Formatter<'_>, frames: &[Frame]| {
            frames.iter().try_for_each(|frame| write!(f, "{frame}"))
        };
        if goroutine.frames_elided == 0 {
            all(f, &goroutine.frames)?;
        } else {
            let (innermost, outermost) = goroutine.frames.split_at(goroutine.gap);
            all(f, innermost)?;
            writeln!(f, "...{} frames elided...", goroutine.frames_elided)?;
            all(f, outermost)?;
        }
        if goroutine.is_cut {
            writeln!(f, "...additional frames elided...")?;
        }
        Ok(())
    }

    fn why_not(&self) -> &'static str {
        match self.0.state {
            GoroutineState::Running => "goroutine running on other thread; stack unavailable",
            GoroutineState::Runnable => "goroutine waiting for its turn; stack unavailable",
            GoroutineState::Waiting(_) => "goroutine about to wait; stack unavailable",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goroutine::GoroutineId;
    use crate::park::WaitReason;
    use std::panic::Location;
    use std::sync::Arc;

    fn snapshot() -> GoroutineSnapshot {
        GoroutineSnapshot {
            id: GoroutineId::new(7),
            name: None,
            state: GoroutineState::Waiting(WaitReason::ChannelReceive),
            object: 0,
            holders: Vec::new(),
            waited: Duration::ZERO,
            site: None,
            parent: GoroutineId::new(0),
            frames: Arc::new([]),
            frames_elided: 0,
            gap: 0,
            is_cut: false,
            is_walked: None,
        }
    }

    fn frame(function: &str, file: Option<&str>, line: Option<u32>) -> Frame {
        Frame {
            function: function.into(),
            file: file.map(Arc::from),
            line,
            address: 0x1234,
            is_inlined: false,
        }
    }

    #[test]
    fn a_header_has_number_reason_minutes_and_name() {
        let mut goroutine = snapshot();
        assert_eq!(goroutine.to_string(), "goroutine 7 [chan receive]:\n");
        goroutine.waited = Duration::from_secs(59);
        assert_eq!(goroutine.to_string(), "goroutine 7 [chan receive]:\n");
        goroutine.waited = Duration::from_secs(3 * 60 + 59);
        goroutine.name = Some("a \"reader\"".into());
        let header = "goroutine 7 [chan receive, 3 minutes] \"a \\\"reader\\\"\":\n";
        assert_eq!(goroutine.to_string(), header);
        goroutine.state = GoroutineState::Runnable;
        goroutine.waited = Duration::ZERO;
        goroutine.name = None;
        assert_eq!(goroutine.to_string(), "goroutine 7 [runnable]:\n");
    }

    #[test]
    fn frames_are_two_lines_each_and_the_creator_comes_last() {
        let mut goroutine = snapshot();
        goroutine.is_walked = Some(true);
        goroutine.frames = Arc::new([
            frame("a::recv", Some("/a.rs"), Some(3)),
            frame("b", Some("/b.rs"), None),
            frame("c", None, None),
        ]);
        let site = Location::caller();
        goroutine.site = Some(site);
        let frames = "a::recv\n\t/a.rs:3\nb\n\t/b.rs\nc\n\t0x1234\n";
        let header = "goroutine 7 [chan receive]:\n";
        let by_thread = format!("{header}{frames}created by a thread\n\t{site}\n");
        assert_eq!(goroutine.to_string(), by_thread);
        goroutine.parent = GoroutineId::new(3);
        let by_goroutine = format!("{header}{frames}created by goroutine 3\n\t{site}\n");
        assert_eq!(goroutine.to_string(), by_goroutine);
    }

    #[test]
    fn elided_frames_are_counted_where_they_are_missing() {
        let mut goroutine = snapshot();
        goroutine.is_walked = Some(true);
        goroutine.frames = Arc::new([frame("a", None, None), frame("z", None, None)]);
        (goroutine.frames_elided, goroutine.gap, goroutine.is_cut) = (24, 1, true);
        let text = "goroutine 7 [chan receive]:\na\n\t0x1234\n...24 frames elided...\n\
                    z\n\t0x1234\n...additional frames elided...\n";
        assert_eq!(goroutine.to_string(), text);
    }

    #[test]
    fn a_goroutine_without_frames_says_why() {
        let mut goroutine = snapshot();
        goroutine.is_walked = Some(false);
        goroutine.state = GoroutineState::Running;
        let line = "\tgoroutine running on other thread; stack unavailable\n";
        assert_eq!(
            goroutine.to_string(),
            format!("goroutine 7 [running]:\n{line}")
        );
    }
}

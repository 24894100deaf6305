//! Processor time of this process, and what the processor is called.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Processor time that all threads of this process have used.
pub(crate) fn used() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    // Neither is negative.
    let (seconds, nanos) = (u64::try_from(used.tv_sec), u32::try_from(used.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanos.unwrap_or(0))
}

/// What the system calls the processor.
pub(crate) fn name() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    named(&text).unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

fn named(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::{named, used};

    #[test]
    fn the_first_processor_names_all() {
        let text = "processor\t: 0\nmodel name\t: One 9000\nprocessor\t: 1\nmodel name\t: Two\n";
        assert_eq!(named(text), Some("One 9000".to_owned()));
        assert_eq!(named("Features : fp asimd\n"), None);
    }

    #[test]
    fn work_uses_processor_time() {
        let before = used();
        let sum: u64 = (0..2_000_000u64).map(std::hint::black_box).sum();
        assert!(sum > 0 && used() > before);
    }
}

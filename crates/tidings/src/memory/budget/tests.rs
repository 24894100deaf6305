//! Budgets as they are written, and what there is of memory in and out of control groups.

use std::collections::HashMap;
use std::path::Path;

use super::{Budget, LEAST, kib_of, there_is};

#[test]
fn a_budget_is_a_share_or_a_size() {
    for (text, budget) in [
        ("60%", Budget::Share(60)),
        (" 100 % ", Budget::Share(100)),
        ("268435456", Budget::Bytes(LEAST)),
        ("256MiB", Budget::Bytes(LEAST)),
        ("262144 KiB", Budget::Bytes(LEAST)),
        ("3GiB", Budget::Bytes(3 << 30)),
    ] {
        assert_eq!(Budget::parse(text), Some(budget), "{text}");
    }
    for text in ["", "0", "off", "0%", "101%", "255MiB", "1e9", "-5%", "2GB", "99999999999GiB", "%"]
    {
        assert_eq!(Budget::parse(text), None, "{text}");
    }
}

#[test]
fn a_share_is_of_what_there_is_and_never_too_little() {
    assert_eq!(Budget::Share(60).of(Some(10 << 30)), (10 << 30) / 100 * 60);
    assert_eq!(Budget::Share(60).of(Some(300 << 20)), LEAST);
    assert_eq!(Budget::Share(60).of(None), LEAST);
    assert_eq!(Budget::Bytes(1 << 30).of(Some(1 << 20)), 1 << 30);
}

fn seen(files: &[(&str, &str)]) -> Option<u64> {
    let files: HashMap<_, _> = files.iter().copied().collect();
    there_is(|path: &Path| files.get(path.to_str().unwrap()).unwrap_or(&"").to_string())
}

const MACHINE: (&str, &str) = ("/proc/meminfo", "MemTotal:       1000 kB\nMemFree: 5 kB\n");

#[test]
fn the_least_of_the_machine_and_the_groups_counts() {
    assert_eq!(seen(&[]), None);
    assert_eq!(seen(&[MACHINE]), Some(1_024_000));
    let own = ("/proc/self/cgroup", "0::/system.slice/tidings.service\n");
    let none = ("/sys/fs/cgroup/system.slice/tidings.service/memory.max", "max\n");
    assert_eq!(seen(&[MACHINE, own, none]), Some(1_024_000));
    let above = ("/sys/fs/cgroup/system.slice/memory.max", "4096\n");
    assert_eq!(seen(&[MACHINE, own, none, above]), Some(4096));
    let container = ("/proc/self/cgroup", "0::/\n");
    let limit = ("/sys/fs/cgroup/memory.max", "8192\n");
    assert_eq!(seen(&[MACHINE, container, limit]), Some(8192));
    let first = ("/proc/self/cgroup", "5:cpu:/x\n4:memory:/docker/1\n0::/\n");
    let other = ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "2048\n");
    assert_eq!(seen(&[MACHINE, first, other]), Some(2048));
    // As it is shown where there is no limit.
    let unlimited = (other.0, "9223372036854771712\n");
    assert_eq!(seen(&[MACHINE, first, unlimited]), Some(1_024_000));
}

#[test]
fn lines_that_say_nothing_are_passed_over() {
    assert_eq!(kib_of("VmRSS:\t  12 kB\n", "VmRSS:"), Some(12 << 10));
    assert_eq!(kib_of("VmRSS:\tmany kB\n", "VmRSS:"), None);
    assert_eq!(kib_of("VmHWM:\t  12 kB\n", "VmRSS:"), None);
}
